"""The frame of a song: tempo, key, chords, sections, and who plays where."""

from dataclasses import dataclass

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
