"""What tracks does a run learn from, now and when it goes on, and which does it leave out?"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msdemucs.data import Track
from msdemucs.errors import DataError, UsageError
from msdemucs.files import write_text

LEFT_OUT = "left-out.json"

MOST_NAMED = 10
"""Tracks in one message."""


@dataclass(frozen=True)
class Tracks:
    """The tracks of a run.

    Attributes:
        train: that it learns from.
        held_out: that it is validated by.
        names: of both.
        unusable: what is wrong with those that lie beside them.
    """

    train: Sequence[Track]
    held_out: Sequence[Track]
    names: Mapping[Track, str]
    unusable: Sequence[DataError] = ()

    def describe(self) -> dict[str, dict[str, str]]:
        """Part → name → what a track is known by, to be told from others of its name."""
        parts = {"train": self.train, "validation": self.held_out}
        return {
            part: {self.names[track]: _facts(track) for track in tracks}
            for part, tracks in parts.items()
        }


def names_of(tracks: Sequence[Track], *, is_one_set: bool) -> dict[Track, str]:
    """A name for each track, its data set's before it where there are several.

    A single data set may be moved, and have another name, while a run goes on. Tracks of another
    folder than train/ have the folder's name before theirs.
    """
    names = {}
    for track in tracks:
        of_split = "" if track.split == "train" else f"{track.split}/"
        names[track] = f"{'' if is_one_set else f'{track.group}/'}{of_split}{track.name}"
    return names


def _facts(track: Track) -> str:
    return f"{track.n_samples} samples at {track.sample_rate} Hz"


@dataclass(frozen=True)
class Reason:
    """Why a run goes on without a track.

    Attributes:
        step: since when; later steps never drew it. 0 for one that the run began without.
        message: what is wrong with it.
    """

    step: int
    message: str


class LeftOut:
    """The damaged tracks of a run, on record in its folder from the moment that they are found.

    The record says at which step a track was found, so that a run that goes on from an earlier
    checkpoint draws it up to there, and one that goes on from a later one never does.

    Args:
        folder: of the run.
        names: of the tracks that it learns from.
        say: is told why each track is left out, once.
        is_main: whether this process keeps the record.
    """

    def __init__(
        self,
        folder: Path,
        names: Mapping[Track, str],
        say: Callable[[str], None],
        *,
        is_main: bool = True,
    ) -> None:
        self.folder, self.names, self.say, self.is_main = folder, names, say, is_main
        self.reasons = read_left_out(folder)
        self._said: set[str] = set()

    def go_on(self) -> dict[Track, int]:
        """The tracks that a run that goes on leaves out, and since when."""
        found = {
            track: self.reasons[name] for track, name in self.names.items() if name in self.reasons
        }
        for reason in found.values():
            self._tell(reason)
        return {track: reason.step for track, reason in found.items()}

    def add(self, step: int, track: Track, error: DataError) -> None:
        """Record a track in which damage was found."""
        reason = self.reasons[self.names[track]] = Reason(step, str(error))
        self._tell(reason)
        if self.is_main:
            write_left_out(self.folder, self.reasons)

    def unscored(self, error: DataError) -> None:
        """Say that a track held out for validation cannot be scored."""
        self._say_once(f"{error}; validation goes on without it")

    def _tell(self, reason: Reason) -> None:
        self._say_once(f"{reason.message}; training goes on without it since step {reason.step}")

    def _say_once(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self.say(message)


def read_left_out(folder: Path) -> dict[str, Reason]:
    """Name → reason of the tracks that a run has left out so far."""
    path = folder / LEFT_OUT
    if not path.is_file():
        return {}
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {name: Reason(row["step"], row["message"]) for name, row in rows.items()}


def write_left_out(folder: Path, reasons: Mapping[str, Reason]) -> None:
    """Keep why a run leaves tracks out, in one step."""
    rows = {name: vars(reason) for name, reason in reasons.items()}
    write_text(folder / LEFT_OUT, json.dumps(rows, indent=1))


def keep_unusable(folder: Path, unusable: Sequence[DataError], step: int) -> None:
    """Have a run leave out for good, after a step, the tracks that cannot be used as it begins."""
    reasons = read_left_out(folder)
    fresh = {
        error.track: Reason(step, str(error))
        for error in unusable
        if error.track and (error.track not in reasons or reasons[error.track].step > step)
    }
    if fresh:
        write_left_out(folder, {**reasons, **fresh})


def as_begun(folder: Path, begun: Mapping[str, Mapping[str, str]], now: Tracks) -> Tracks:
    """The tracks of a run that goes on: those that it began with, but for damaged ones.

    Args:
        folder: of the run.
        begun: what `describe` said when it began.
        now: all that are there.

    Raises:
        UsageError: tracks that nobody knows to be damaged are gone, new or changed.
    """
    excused = {*read_left_out(folder), *(error.track for error in now.unusable)}
    before = {name: facts for part in begun.values() for name, facts in part.items()}
    there = {name: track for track, name in now.names.items()}
    facts = {name: _facts(track) for name, track in there.items()}
    changes = [
        f"“{name}” {_change(before.get(name), facts.get(name))}"
        for name in dict.fromkeys((*before, *facts))
        if before.get(name) != facts.get(name) and not {name, name.rpartition("/")[2]} & excused
    ]
    if changes:
        shown = "\n".join(f"  {change}" for change in changes[:MOST_NAMED])
        more = f"\n  … and {len(changes) - MOST_NAMED} more" if changes[MOST_NAMED:] else ""
        raise UsageError(
            f"{folder} holds a run that began with other tracks; restore them, or take another "
            f"folder:\n{shown}{more}"
        )
    train, held_out = (
        [there[name] for name in begun[part] if facts.get(name) == before[name]]
        for part in ("train", "validation")
    )
    return replace(now, train=train, held_out=held_out)


def _change(before: str | None, now: str | None) -> str:
    if before is None:
        return "is new"
    return "is gone" if now is None else f"had {before}, and has {now}"
