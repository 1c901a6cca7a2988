"""The tracks that a study trains on and judges by; the embedded ones are made when absent."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msdemucs.data import Track, drop_short, find_all, synthesise, unpack_sample
from msdemucs.data.doctor import warn_of_far_sums
from msdemucs.data.folders import StemFolder
from msdemucs.data.tracks import Recording
from msdemucs.errors import DataError
from msdemucs.files import cause_of
from msdemucs.spec import Spec
from msdemucs.study.space.space import EMBEDDED_BAND, EMBEDDED_SAMPLE, DataRoots
from msdemucs.units import format_seconds

Say = Callable[[str], None]

STRETCH = 1 << 16
"""Bytes of a file that its hash is made of."""


@dataclass(frozen=True)
class StudyTracks:
    """What every trial of a study has in common.

    Attributes:
        train: tracks that are trained on.
        test: tracks that are evaluated.
        left_out: why each other track cannot be used.
    """

    train: tuple[Track, ...]
    test: tuple[Track, ...]
    left_out: tuple[str, ...] = ()

    def describe(self) -> dict[str, object]:
        """`data`: a line a split and group, and a hash; `tracks`: what each is known by.

        Of every file its size and a stretch from its middle are hashed: a few seconds for MUSDB18.
        """
        digest = hashlib.sha256()
        facts: dict[str, dict[str, str]] = {"train": {}, "test": {}}
        for track in (*self.train, *self.test):
            content = b"".join(map(_sample, _files(track.recording)))
            digest.update(json.dumps(_row(track)).encode() + content)
            seconds = format_seconds(track.n_samples / track.sample_rate)
            marks = hashlib.sha256(content).hexdigest()[:8]
            facts[track.split][f"{track.group}/{track.name}"] = f"{seconds}, content {marks}"
        hashed = digest.hexdigest()[:16]
        data = {"train": _groups(self.train), "test": _groups(self.test), "hash": hashed}
        return {"data": data, "tracks": facts}


def gather(roots: DataRoots, task: Spec, *, segment: float, say: Say) -> StudyTracks:
    """The tracks under a study's folders.

    Args:
        roots: where to look.
        task: the sources, sample rate and audio channels that the study's specs share.
        segment: seconds of a training example; shorter tracks are not trained on.
        say: is told what is made, and every track that cannot be used and is left out.

    Raises:
        UsageError: a folder that is not there.
        DataError: no track that can be used.
    """
    reasons: list[str] = []

    def left_out(error: DataError) -> None:
        reasons.append(str(error))
        say(f"left out: {error}")

    roots = _with_embedded(roots, say)
    folders = {"train": roots.train, "test": roots.test}
    found = find_all(
        {split: [Path(folder) for folder in names] for split, names in folders.items()},
        task,
        say=say,
        on_error=left_out,
    )
    shortest = round(segment * task.sample_rate)
    found["train"] = drop_short(found["train"], n_samples=shortest, on_error=left_out)
    for split, tracks in found.items():
        if not tracks:
            raise DataError(f"there is no {split} track to use under {', '.join(folders[split])}")
    warn_of_far_sums(found["train"], say)
    return StudyTracks(tuple(found["train"]), tuple(found["test"]), tuple(dict.fromkeys(reasons)))


def _with_embedded(roots: DataRoots, say: Say) -> DataRoots:
    """The roots, the embedded ones made; a sample that cannot be unpacked is left out."""
    wanted = {*roots.train, *roots.test}
    if EMBEDDED_BAND in wanted and not Path(EMBEDDED_BAND).is_dir():
        say(f"composing the embedded band in {EMBEDDED_BAND}")
        synthesise(Path(EMBEDDED_BAND))
    if EMBEDDED_SAMPLE not in wanted or Path(EMBEDDED_SAMPLE).is_dir():
        return roots
    try:
        say(f"unpacking the embedded sample of real music into {EMBEDDED_SAMPLE}")
        unpack_sample(Path(EMBEDDED_SAMPLE))
    except DataError as error:
        say(f"going on without it: {error}")
        test = tuple(root for root in roots.test if root != EMBEDDED_SAMPLE)
        return roots.model_copy(update={"test": test})
    return roots


def _row(track: Track) -> list[object]:
    return [track.group, track.split, track.name, track.sample_rate, track.n_samples]


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
        own = [track for track in tracks if track.group == group]
        seconds = sum(track.n_samples / track.sample_rate for track in own)
        plural = "" if len(own) == 1 else "s"
        lines.append(f"{group}: {len(own)} track{plural}, {format_seconds(seconds)}")
    return lines
