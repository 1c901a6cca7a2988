"""What is played: a song's form, and each player's notes over it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

BEATS = 4
STEPS = 16
"""Beats and sixteenths of a bar; all songs are in 4/4."""

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}

PROGRESSIONS = {
    "major": ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 2, 3, 4), (1, 4, 0, 5), (0, 3, 1, 4)),
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 6), (0, 3, 6, 2), (5, 6, 0, 0), (0, 2, 6, 3)),
}
"""Degrees of the scale, from 0, a bar each."""

SECTIONS = (("intro", 0.14), ("verse", 0.28), ("chorus", 0.26), ("break", 0.12), ("chorus", 0.2))
"""The order of sections with their shares of a song."""

EVERYONE = frozenset({"drums", "bass", "other", "vocals"})

ARRANGEMENTS = (
    {"intro": {"other"}, "break": {"drums", "bass"}},
    {"intro": {"drums"}, "break": {"other", "vocals"}},
    {"intro": {"drums", "bass"}, "break": {"other", "vocals"}},
    {"intro": {"other", "bass"}, "break": {"drums", "vocals"}},
    {"intro": {"other", "vocals"}, "break": {"drums", "bass"}},
)
"""Who plays in the sparse sections: each lets every stem be silent once."""

TOO_SHORT = 5
"""Bars under which a song is one chorus."""


@dataclass(frozen=True)
class Bar:
    """A bar's chord and surroundings.

    Attributes:
        index: from 0.
        section: "intro", "verse", "chorus" or "break".
        degrees: of the scale, from 0; the chord's root, third, fifth and perhaps seventh.
        players: the stems that play.
        place: how many bars of its section came before, and how many are left after it.
    """

    index: int
    section: str
    degrees: tuple[int, ...]
    players: frozenset[str]
    place: tuple[int, int]


@dataclass(frozen=True)
class Form:
    """A song before anyone plays a note.

    Attributes:
        seconds: its length, which need not be whole bars.
        bpm: beats a minute.
        swing: by what share of a sixteenth every second one comes late.
        tonic: pitch class of the key, 0 is C.
        mode: "major" or "minor".
        bars: in order.
    """

    seconds: float
    bpm: float
    swing: float
    tonic: int
    mode: str
    bars: tuple[Bar, ...]

    @property
    def step_s(self) -> float:
        """Seconds of a sixteenth."""
        return 60 / self.bpm * BEATS / STEPS

    def time(self, bar: int, step: float = 0) -> float:
        """Seconds from the beginning to a sixteenth of a bar."""
        late = self.swing if step % 2 == 1 else 0
        return (bar * STEPS + step + late) * self.step_s

    def pitch(self, degree: int, octave: int) -> int:
        """MIDI number of a degree of the scale, which may exceed the octave."""
        turn, place = divmod(degree, 7)
        return 12 * (octave + 1 + turn) + self.tonic + SCALES[self.mode][place]


def draw_form(rng: np.random.Generator, seconds: float) -> Form:
    """Tempo, key, chords and sections for a song of some length."""
    bpm = round(float(rng.uniform(82, 140)), 1)
    mode = str(rng.choice(["major", "minor"]))
    swing = float(rng.choice([0, 0, 0, rng.uniform(0.1, 0.3)]))
    n_bars = max(1, int(np.ceil(seconds * bpm / 60 / BEATS)))
    verse, chorus = (
        PROGRESSIONS[mode][i] for i in rng.choice(len(PROGRESSIONS[mode]), 2, replace=False)
    )
    sparse = ARRANGEMENTS[rng.integers(len(ARRANGEMENTS))]
    sevenths = bool(rng.random() < 0.35)
    bars: list[Bar] = []
    for section, length in _sections(n_bars):
        roots = chorus if section == "chorus" else verse
        players = frozenset(sparse.get(section, EVERYONE))
        for place in range(length):
            root = roots[place % len(roots)]
            degrees = (root, root + 2, root + 4, *((root + 6,) if sevenths else ()))
            left = length - place - 1
            bars.append(Bar(len(bars), section, degrees, players, (place, left)))
    return Form(seconds, bpm, swing, int(rng.integers(12)), mode, tuple(bars))


def _sections(n_bars: int) -> list[tuple[str, int]]:
    """Sections with their bars, at least one each."""
    if n_bars < TOO_SHORT:
        return [("chorus", n_bars)]
    ends = np.round(np.cumsum([share for _, share in SECTIONS]) * n_bars).astype(int)
    ends = np.maximum(ends, np.arange(1, len(SECTIONS) + 1))
    lengths = np.diff(ends, prepend=0)
    return [(name, int(length)) for (name, _), length in zip(SECTIONS, lengths, strict=True)]


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
        struck = [(step, letter) for step, letter in enumerate(comp) if letter != "."]
        for count, (step, letter) in enumerate(struck):
            start = form.time(bar.index, step)
            loud = float(rng.choice([0.6, 0.8, 1]))
            pitches = [chord[count % len(chord)]] if "o" in comp else chord
            for string, pitch in enumerate(pitches):
                held = form.step_s * (2 if letter == "o" else 3)
                yield Note(start + 0.012 * string, held, pitch, loud)


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
            octaves = range(-2, 2)
            tones = [tone + 7 * octave for tone in bars[at].degrees for octave in octaves]
            degree = min(tones, key=lambda tone: abs(tone - degree))
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
