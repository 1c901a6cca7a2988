"""What each player plays: drum hits, bass, chords and a melody over a form."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from msdemucs.data.synthetic.form import STEPS, Bar, Form

STRENGTH = {"X": 1.0, "x": 0.75, "o": 0.35}
"""How hard a letter of a pattern is struck; a dot is a rest."""

GROOVES = (
    {"kick": "X.....x.X.......", "snare": "....X..o.o..X...", "hat": "x.o.x.o.x.o.x.o."},
    {"kick": "X...X...X...X...", "snare": "....X.......X...", "hat": "..X...X...X...X."},
    {"kick": "X.x.......x.....", "snare": "........X......o", "hat": "x.x.x.x.x.x.x.x."},
    {"kick": "X..x..x...x.....", "snare": "....X.......X..o", "hat": "xoxoxoxoxoxoxoxo"},
    {"kick": "X......xX.x.....", "snare": "....X.......X...", "hat": "x...x...x...x..."},
)

BASS_LINES = (
    "0...0...0...0...",
    "0.0.0.0.0.0.4.0.",
    "0.....0.0...4...",
    "0..0..0.0..4..7.",
    "0.......4.......",
    "..0...0...0...7.",
)
"""Degrees above the chord's root, 7 is the octave."""

COMPS = (
    "x..x..x...x..x..",
    "x...x...x...x...",
    "..x...x...x...x.",
    "xoxoxoxoxoxoxoxo",
    "x.....x.....x...",
)
"""When plucked chords sound; with an o they are broken into single notes."""

LENGTHS = ((2, 0.34), (3, 0.14), (4, 0.32), (6, 0.1), (8, 0.1))
"""Sixteenths of a sung note, with their chances."""

VOWELS = "aeiou"


@dataclass(frozen=True)
class Note:
    """A pitch for a while.

    Attributes:
        pitch: MIDI number.
        velocity: 0 to 1.
        vowel: what is sung, "" for instruments.
    """

    start_s: float
    duration_s: float
    pitch: int
    velocity: float
    vowel: str = ""


@dataclass(frozen=True)
class Hit:
    """A stroke on a drum, velocity 0 to 1."""

    start_s: float
    drum: str
    velocity: float


@dataclass(frozen=True)
class Phrase:
    """Notes sung on one breath; harmony is a second voice."""

    notes: tuple[Note, ...]
    is_harmony: bool = False


@dataclass(frozen=True)
class Score:
    """All notes of a song, by player."""

    form: Form
    drums: tuple[Hit, ...]
    bass: tuple[Note, ...]
    pads: tuple[Note, ...]
    plucks: tuple[Note, ...]
    vocals: tuple[Phrase, ...]


def compose(form: Form, rng: np.random.Generator) -> Score:
    """Every part, from its own stream of chance, so that one does not disturb another."""
    drums, bass, pads, plucks, vocals = rng.spawn(5)
    return Score(
        form,
        tuple(sorted(_drums(form, drums), key=lambda hit: hit.start_s)),
        tuple(_bass(form, bass)),
        tuple(_pads(form, pads)),
        tuple(_plucks(form, plucks)),
        tuple(_vocals(form, vocals)),
    )


def _playing(form: Form, player: str) -> list[Bar]:
    return [bar for bar in form.bars if player in bar.players]


def _drums(form: Form, rng: np.random.Generator) -> Iterator[Hit]:
    groove = GROOVES[rng.integers(len(GROOVES))]
    for bar in _playing(form, "drums"):
        before, left = bar.place
        is_fill = left == 0 and len(form.bars) > 1
        for drum, pattern in groove.items():
            for step, letter in enumerate(pattern):
                if letter == "." or (is_fill and step >= 12 and drum != "kick"):
                    continue
                start = form.time(bar.index, step) + rng.normal(0, 0.003)
                loud = STRENGTH[letter] * rng.uniform(0.85, 1)
                is_open = drum == "hat" and step == 14 and left % 2 == 0
                yield Hit(max(0, start), "open hat" if is_open else drum, loud)
        if before == 0 and bar.section == "chorus":
            yield Hit(form.time(bar.index), "crash", 0.9)
        if is_fill:
            for step, drum in enumerate(("snare", "high tom", "low tom", "low tom"), 12):
                yield Hit(form.time(bar.index, step), drum, float(rng.uniform(0.7, 1)))


def _bass(form: Form, rng: np.random.Generator) -> Iterator[Note]:
    lines = {section: BASS_LINES[rng.integers(len(BASS_LINES))] for section in ("verse", "chorus")}
    for bar in _playing(form, "bass"):
        line = lines.get(bar.section, lines["verse"])
        steps = [step for step, letter in enumerate(line) if letter != "."]
        for step, end in zip(steps, [*steps[1:], STEPS], strict=True):
            pitch = _fold(form.pitch(bar.degrees[0], 1), 28, 39)
            pitch += form.pitch(bar.degrees[0] + int(line[step]), 1) - form.pitch(bar.degrees[0], 1)
            held = form.step_s * (end - step) * rng.uniform(0.75, 0.95)
            yield Note(form.time(bar.index, step), held, pitch, float(rng.choice([0.75, 1])))


def _chord(form: Form, bar: Bar, lowest: int) -> list[int]:
    """The bar's chord in close position."""
    return sorted(_fold(form.pitch(degree, 3), lowest, lowest + 11) for degree in bar.degrees)


def _pads(form: Form, rng: np.random.Generator) -> Iterator[Note]:
    lowest = int(rng.integers(52, 60))
    bar_s = form.step_s * STEPS
    for bar in _playing(form, "other"):
        loud = 1.0 if bar.section == "chorus" else 0.7
        for pitch in _chord(form, bar, lowest):
            yield Note(form.time(bar.index), bar_s, pitch, loud)


def _plucks(form: Form, rng: np.random.Generator) -> Iterator[Note]:
    comp = COMPS[rng.integers(len(COMPS))]
    lowest = int(rng.integers(57, 66))
    for bar in _playing(form, "other"):
        if bar.section == "intro" and rng.random() < 0.3:
            continue
        chord = _chord(form, bar, lowest)
        for count, (step, letter) in enumerate(_struck(comp)):
            start = form.time(bar.index, step)
            loud = float(rng.choice([0.6, 0.8, 1]))
            pitches = [chord[count % len(chord)]] if "o" in comp else chord
            for string, pitch in enumerate(pitches):
                held = form.step_s * (2 if letter == "o" else 3)
                yield Note(start + 0.012 * string, held, pitch, loud)


def _struck(pattern: str) -> list[tuple[int, str]]:
    return [(step, letter) for step, letter in enumerate(pattern) if letter != "."]


def _vocals(form: Form, rng: np.random.Generator) -> Iterator[Phrase]:
    """Phrases of two bars; a section repeats its first one with changes."""
    lowest = int(rng.choice([53, 57, 60]))
    for _, run in groupby(_playing(form, "vocals"), key=lambda bar: bar.index - bar.place[0]):
        bars = list(run)
        motif = _motif(rng, is_first=len(form.bars) < STEPS // 4)
        for first in range(0, len(bars), 2):
            phrase = _sing(form, bars[first : first + 2], motif, lowest, rng)
            yield phrase
            if bars[0].section == "chorus":
                yield _harmony(form, phrase)


def _motif(rng: np.random.Generator, *, is_first: bool) -> list[tuple[int, int, int]]:
    """(step, length, move along the scale) of notes in two bars; the last is long."""
    lengths, chances = zip(*LENGTHS, strict=True)
    step = 0 if is_first else int(rng.choice([0, 2, 4]))
    notes = []
    while step < 22:
        length = int(rng.choice(lengths, p=chances))
        notes.append((step, length, int(rng.choice([-2, -1, -1, 0, 1, 1, 2]))))
        step += length
    return [*notes, (step, 29 - step if step < 25 else 4, int(rng.choice([-1, 1])))]


def _sing(
    form: Form,
    bars: list[Bar],
    motif: list[tuple[int, int, int]],
    lowest: int,
    rng: np.random.Generator,
) -> Phrase:
    """A motif over the chords: strong beats take a chord's tone, others walk the scale."""
    notes = []
    degree = bars[0].degrees[int(rng.integers(3))]
    for step, length, move in motif:
        at, in_bar = divmod(step, STEPS)
        if at >= len(bars):
            break
        degree += move + int(rng.choice([0, 0, 0, 1, -1]))
        if in_bar % 8 == 0:
            degree = _nearest(_tones(bars[at]), degree)
        pitch = _fold(form.pitch(degree, 4), lowest, lowest + 14)
        notes.append(
            Note(
                form.time(bars[at].index, in_bar),
                form.step_s * length,
                pitch,
                float(rng.uniform(0.75, 1)),
                VOWELS[rng.integers(len(VOWELS))],
            )
        )
    return Phrase(tuple(notes))


def _tones(bar: Bar) -> list[int]:
    """The chord's degrees in the octaves around."""
    return [degree + 7 * octave for degree in bar.degrees for octave in (-2, -1, 0, 1)]


def _nearest(degrees: list[int], wanted: int) -> int:
    return min(degrees, key=lambda degree: abs(degree - wanted))


def _harmony(form: Form, phrase: Phrase) -> Phrase:
    """A third above in the scale."""
    scale = sorted(form.pitch(degree, octave) for octave in range(2, 8) for degree in range(7))
    notes = (
        replace(note, pitch=scale[scale.index(note.pitch) + 2], velocity=0.5 * note.velocity)
        for note in phrase.notes
    )
    return Phrase(tuple(notes), is_harmony=True)


def _fold(pitch: int, lowest: int, highest: int) -> int:
    """The pitch moved by octaves into a range of an octave or more."""
    while pitch < lowest:
        pitch += 12
    while pitch > highest:
        pitch -= 12
    return pitch
