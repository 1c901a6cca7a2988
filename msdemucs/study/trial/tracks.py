"""The tracks that a study trains, validates and is judged on; embedded ones are made if absent."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msdemucs.data import Track, drop_short, find_all, synthesise, unpack_sample
from msdemucs.data.doctor import warn_of_far_sums
from msdemucs.data.find import names_of_groups
from msdemucs.data.folders import StemFolder
from msdemucs.data.splits import divide
from msdemucs.data.tracks import OnError, Recording
from msdemucs.errors import DataError
from msdemucs.files import cause_of
from msdemucs.spec import Spec
from msdemucs.study.search_space.space import EMBEDDED_BAND, EMBEDDED_SAMPLE, DataRoots
from msdemucs.units import format_seconds

Say = Callable[[str], None]

STRETCH = 1 << 16
"""Bytes of a file that its hash is made of."""


@dataclass(frozen=True)
class StudyTracks:
    """What every trial of a study has in common.

    Attributes:
        train: tracks that are trained on.
        validation: tracks that trials are compared by.
        rule: how the validation tracks were chosen, in words.
        left_out: why each other track cannot be used.
    """

    train: tuple[Track, ...]
    validation: tuple[Track, ...]
    rule: str
    left_out: tuple[str, ...] = ()

    def describe(self) -> dict[str, object]:
        """`data`: a line a split and group, and a hash; `tracks`: what each is known by.

        Of every file its size and a stretch from its middle are hashed: a few seconds for MUSDB18.
        """
        parts = {"train": self.train, "validation": self.validation}
        facts = {split: facts_of(tracks) for split, tracks in parts.items()}
        hashed = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
        groups = {split: _groups(tracks) for split, tracks in parts.items()}
        return {"data": {**groups, "validation_by": self.rule, "hash": hashed}, "tracks": facts}


def facts_of(tracks: Sequence[Track]) -> dict[str, str]:
    """Returns what each track is known by: "group/name" → its length and a hash of its files."""
    facts = {}
    for track in tracks:
        content = b"".join(map(_sample, _files(track.recording)))
        seconds = format_seconds(track.n_samples / track.sample_rate)
        marks = hashlib.sha256(content).hexdigest()[:8]
        facts[f"{track.group}/{track.name}"] = f"{seconds}, content {marks}"
    return facts


def gather(roots: DataRoots, task: Spec, *, segment: float, say: Say, seed: int = 0) -> StudyTracks:
    """Returns a study's tracks to train and to validate on; test folders are not opened.

    Args:
        roots: where to look.
        task: the sources, sample rate and audio channels that the study's specs share.
        segment: seconds of a training example; shorter tracks are not trained on.
        say: is told what is made, how validation tracks were chosen, and every track that cannot
            be used and is left out.
        seed: of the choice of validation tracks.

    Raises:
        UsageError: a folder that is not there.
        DataError: no track that can be used.
    """
    reasons: list[str] = []

    def left_out(error: DataError) -> None:
        reasons.append(str(error))
        say(f"left out: {error}")

    folders = {
        "train": _made(roots.train, say),
        "validation": _made(roots.validation or roots.train, say),
    }
    tracks = _tracks({**folders, "test": roots.test}, folders, task, say, left_out)
    warn_of_far_sums([*tracks["train"], *tracks["validation"]], say)
    for split in ("train", "validation"):
        if not tracks[split] and getattr(roots, split) is not None:
            raise DataError(none_of(split, folders[split]))
    divided = divide(tracks, seed=seed, is_given=roots.validation is not None)
    say(divided.sentence)
    shortest = round(segment * task.sample_rate)
    train = drop_short(divided.train, n_samples=shortest, on_error=left_out)
    if not train:
        raise DataError(none_of("train", folders["train"]))
    left = tuple(dict.fromkeys(reasons))
    return StudyTracks(tuple(train), divided.validation, divided.rule, left)


def gather_test(roots: DataRoots, task: Spec, *, say: Say) -> tuple[Track, ...]:
    """Returns a study's test tracks, which nothing may read that decides anything.

    Args:
        roots: where to look.
        task: as for `gather`.
        say: is told what is made, and every track that cannot be used and is left out.

    Raises:
        UsageError: a folder that is not there.
        DataError: no track that can be used.
    """
    folders = {"test": _made(roots.test, say)}
    others = {"train": roots.train, "validation": roots.validation or ()}
    tracks = _tracks(
        {**others, **folders}, folders, task, say, lambda error: say(f"left out: {error}")
    )
    if not tracks["test"]:
        raise DataError(none_of("test", folders["test"]))
    return tuple(tracks["test"])


def test_groups(roots: DataRoots) -> set[str]:
    """Returns the names of the data sets that test tracks may be of; no folder is opened.

    Raises:
        UsageError: a folder is given twice.
    """
    folders = {"train": roots.train, "validation": roots.validation or (), "test": roots.test}
    named = names_of_groups({split: [*map(Path, paths)] for split, paths in folders.items()})
    return {named[Path(folder).resolve()] for folder in roots.test}


def none_of(split: str, folders: Sequence[str]) -> str:
    """Returns what is said where no track of a split can be used."""
    return f"there is no {split} track to use under {', '.join(folders)}"


def _tracks(
    roots: Mapping[str, Sequence[str]],
    splits: Collection[str],
    task: Spec,
    say: Say,
    left_out: OnError,
) -> dict[str, list[Track]]:
    """The tracks of some splits, their groups named so that those of all splits agree."""
    paths = {split: [Path(folder) for folder in folders] for split, folders in roots.items()}
    return find_all(paths, task, say=say, on_error=left_out, splits=splits)


def _made(roots: Sequence[str], say: Say) -> tuple[str, ...]:
    """The roots, the embedded ones made; a sample that cannot be unpacked is left out."""
    if EMBEDDED_BAND in roots and not Path(EMBEDDED_BAND).is_dir():
        say(f"composing the embedded band in {EMBEDDED_BAND}")
        synthesise(Path(EMBEDDED_BAND))
    if EMBEDDED_SAMPLE not in roots or Path(EMBEDDED_SAMPLE).is_dir():
        return tuple(roots)
    try:
        say(f"unpacking the embedded sample of real music into {EMBEDDED_SAMPLE}")
        unpack_sample(Path(EMBEDDED_SAMPLE))
    except DataError as error:
        say(f"going on without it: {error}")
        return tuple(root for root in roots if root != EMBEDDED_SAMPLE)
    return tuple(roots)


def _files(recording: Recording) -> list[Path]:
    """The files of a track, without what else lies beside them."""
    return recording.files if isinstance(recording, StemFolder) else [recording.path]


def _sample(file: Path) -> bytes:
    """A file's name, its size and a stretch from its middle.

    Raises:
        DataError: it cannot be read.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            opened.seek(max(0, (size - STRETCH) // 2))
            return f"{file.name} {size} ".encode() + opened.read(STRETCH)
    except OSError as error:
        raise DataError(f"cannot be read: {cause_of(error)}", path=file) from None


def _groups(tracks: Sequence[Track]) -> list[str]:
    """For each group how many tracks and how long."""
    lines = []
    for group in dict.fromkeys(track.group for track in tracks):
        of_group = [track for track in tracks if track.group == group]
        seconds = sum(track.n_samples / track.sample_rate for track in of_group)
        plural = "" if len(of_group) == 1 else "s"
        lines.append(f"{group}: {len(of_group)} track{plural}, {format_seconds(seconds)}")
    return lines
