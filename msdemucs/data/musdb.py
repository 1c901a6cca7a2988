"""Tracks of MUSDB18: one `.stem.mp4` a track with five streams, read through musdb and ffmpeg."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from msdemucs.data.folders import patiently
from msdemucs.data.tracks import ACCOMPANIMENT, MIXTURE, STEMS, track_name
from msdemucs.errors import DataError

STREAMS = (MIXTURE, *STEMS)
"""What a file's audio streams hold, in their order."""


@dataclass(frozen=True)
class StemFile:
    """A `.stem.mp4` file; made by open_stem_file.

    Attributes:
        multitrack: musdb's own object, which knows the file's header.
    """

    path: Path
    multitrack: Any
    stems: tuple[str, ...] = STEMS

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return int(self.multitrack.rate)

    @property
    def n_samples(self) -> int:
        """The length of every stream."""
        return int(self.multitrack.samples)

    @property
    def audio_channels(self) -> int:
        """1 or 2."""
        return int(self.multitrack.info.channels(0))

    def read(
        self, names: Sequence[str], *, start: int, n_samples: int
    ) -> Float32[np.ndarray, "S A N"]:
        """Streams by name; ffmpeg decodes only these, and hands over only the stretch.

        Raises:
            DataError: a file that is gone or damaged.
        """

        def stretch() -> Any:
            return self.multitrack.load_audio(
                str(self.path),
                [STREAMS.index(name) for name in names],
                chunk_start=start / self.sample_rate,
                chunk_duration=n_samples / self.sample_rate,
            )

        try:
            audio = patiently(stretch, self.path)
        except AttributeError as error:  # stempeg 0.2.6 has no such function as its own warning
            raise DataError(
                "has streams that end at different places; copy it again, or remove the track",
                path=self.path,
                track=track_name(self.path),
            ) from error
        except Exception as error:  # stempeg raises Warning, ValueError and more
            raise DataError(
                _reason(self.path, error), path=self.path, track=track_name(self.path)
            ) from error
        # stempeg drops axes of one element
        frames = np.asarray(audio, np.float32).reshape(len(names), -1, self.audio_channels)
        if frames.shape[1] != n_samples:
            raise DataError(
                f"gave {frames.shape[1]} samples from {start} on, not {n_samples}; "
                "copy it again, or remove the track",
                path=self.path,
                track=track_name(self.path),
            )
        return np.ascontiguousarray(frames.transpose(0, 2, 1))


def open_stem_file(path: Path, *, sources: Sequence[str]) -> StemFile:
    """A track's file, the header of each of its streams checked.

    Args:
        path: the `.stem.mp4` file.
        sources: what will be asked for.

    Raises:
        DataError: no ffmpeg, a source that MUSDB18 lacks, or a file that is unreadable or whose
            streams differ.
    """
    need_ffmpeg(path)
    unknown = {*sources} - {*STEMS, ACCOMPANIMENT}
    if unknown:
        raise DataError(
            f"has no source “{min(unknown)}”; MUSDB18 has {', '.join(STEMS)}, {ACCOMPANIMENT}",
            path=path,
            track=track_name(path),
        )
    import musdb

    try:
        is_whole = patiently(lambda: _is_whole(path), path)
    except OSError as error:
        raise DataError(_reason(path, error), path=path, track=track_name(path)) from error
    if not is_whole:
        raise DataError(
            "is cut off, or no MP4 file; copy it again, or remove the track",
            path=path,
            track=track_name(path),
        )
    try:
        multitrack = musdb.MultiTrack(str(path), name=track_name(path), stem_id=0)
        streams = [
            (stream["duration_ts"], stream["sample_rate"], stream["channels"])
            for stream in multitrack.info.audio_streams
        ]
    except Exception as error:  # ffmpeg-python and stempeg each raise their own
        raise DataError(_reason(path, error), path=path, track=track_name(path)) from error
    if len(streams) != len(STREAMS) or len({*streams}) != 1:
        raise DataError(
            f"has {len(streams)} audio streams (samples, Hz, channels: "
            f"{', '.join(map(str, streams))}); five that are alike are needed "
            f"({', '.join(STREAMS)}); remove the track",
            path=path,
            track=track_name(path),
        )
    return StemFile(path, multitrack)


def need_ffmpeg(path: Path) -> None:
    """Say how to get ffmpeg where it is missing.

    Raises:
        DataError: no ffmpeg or ffprobe on the PATH.
    """
    missing = [tool for tool in ("ffmpeg", "ffprobe") if not shutil.which(tool)]
    if missing:
        raise DataError(
            f"needs {' and '.join(missing)}, which this machine lacks; install ffmpeg "
            "(Debian: sudo apt-get install ffmpeg; macOS: brew install ffmpeg)",
            path=path,
        )


def _is_whole(path: Path) -> bool:
    """Whether the file is as long as its MP4 boxes say; ffprobe is content with less."""
    size, place = path.stat().st_size, 0
    with path.open("rb") as file:
        while place < size:
            file.seek(place)
            length = int.from_bytes(file.read(4), "big")
            if length == 1:  # the length follows the box's name, in 64 bits
                length = int.from_bytes(file.read(12)[4:], "big")
            if length < 8:  # 0 is "to the end"; what else it may be is for ffprobe to say
                return True
            place += length
    return place == size


def _reason(path: Path, error: Exception) -> str:
    """What ffmpeg said last, or the error itself, without the path."""
    stderr = getattr(error, "stderr", None) or b""
    system = error.strerror if isinstance(error, OSError) else None
    said = system or stderr.decode(errors="replace").strip().rpartition("\n")[2] or str(error)
    return f"cannot be read ({said.removeprefix(f'{path}: ')}); copy it again, or remove the track"
