"""Tracks in MUSDB18-HQ's layout, a WAV file a stem, in folders as systems leave them."""

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile
from jaxtyping import Float32, Float64, Int16, Int64

from msdemucs.data.tracks import ACCOMPANIMENT, MIXTURE, STEMS
from msdemucs.errors import DataError
from msdemucs.files import cause_of, stand_in

SUFFIX = ".wav"

FULL_SCALE = 32768
"""Steps of a 16-bit file from 0 to full scale."""

PEAK = 0.89
"""The highest value of a mixture that is written: −1 dB of full scale."""


@dataclass(frozen=True)
class StemFolder:
    """A folder with `mixture.wav` and a file for each stem, all alike.

    Made by open_folder, which checks every header.

    Attributes:
        unused: other WAV files in the folder, by name; they are no part of the track.
    """

    path: Path
    stems: tuple[str, ...]
    sample_rate: int
    n_samples: int
    audio_channels: int
    unused: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """Those of the mixture and the stems, by name."""
        return sorted(self.path / (name + SUFFIX) for name in (MIXTURE, *self.stems))

    def taking(self, names: Set[str]) -> "StemFolder":
        """The track with some unused files as further stems, those that are unlike it left out."""
        alike = (self.n_samples, self.sample_rate, self.audio_channels)
        taken: list[str] = []
        for name in [name for name in self.unused if name in names]:
            with suppress(DataError):
                header = _header(self.path / (name + SUFFIX))
                if (header.frames, header.samplerate, header.channels) == alike:
                    taken.append(name)
        unused = tuple(name for name in self.unused if name not in taken)
        return replace(self, stems=(*self.stems, *taken), unused=unused)

    def read(
        self, names: Sequence[str], *, start: int, n_samples: int
    ) -> Float32[np.ndarray, "S A N"]:
        """Stems or the mixture by name; only the stretch is read.

        Raises:
            DataError: a file that is gone, damaged or shorter than its header said.
        """
        return np.stack([self._read(name, start, n_samples) for name in names])

    def _read(self, name: str, start: int, n_samples: int) -> Float32[np.ndarray, "A N"]:
        path = self.path / (name + SUFFIX)

        def stretch() -> Float32[np.ndarray, "N A"]:
            with soundfile.SoundFile(os.fsencode(path)) as file:  # names need not be UTF-8
                file.seek(start)
                frames: Float32[np.ndarray, "N A"] = file.read(
                    n_samples, dtype="float32", always_2d=True
                )
                return frames

        try:
            frames = patiently(stretch, path)
        except (OSError, soundfile.SoundFileError) as error:
            raise _unreadable(path, self.path.name, error) from error
        if len(frames) != n_samples:
            raise DataError(
                f"ends after {start + len(frames)} samples, its header says {self.n_samples}; "
                "copy it again",
                path=path,
                track=self.path.name,
            )
        return np.ascontiguousarray(frames.T)


def open_folder(folder: Path, *, sources: Sequence[str]) -> StemFolder:
    """A track's folder, the header of each of its files checked.

    The track is made of MUSDB's four stems, as far as they are there, and of the sources asked
    for. Other WAV files may be anything (an instrumental, another take) and are not used.

    Args:
        folder: holds mixture.wav and the stems; its name is the track's.
        sources: what will be asked for.

    Raises:
        DataError: a file that is missing, unreadable, empty or unlike the others.
    """
    files = [path.name for path in listed(folder)]
    names = {name.removesuffix(SUFFIX) for name in files if name.endswith(SUFFIX)}
    known = dict.fromkeys((*STEMS, *(source for source in sources if source != ACCOMPANIMENT)))
    stems = tuple(stem for stem in known if stem in names)
    if ACCOMPANIMENT in names and not {*stems} - {"vocals"}:  # a stem where nothing else is
        stems = (*stems, ACCOMPANIMENT)
    for name in (MIXTURE, *_needed(stems, sources)):
        if name not in names:
            raise DataError(
                f"is missing; {_remedy(name, files)}",
                path=folder / (name + SUFFIX),
                track=folder.name,
            )
    first, *others = [_header(folder / (name + SUFFIX)) for name in (MIXTURE, *stems)]
    for name, other in zip(stems, others, strict=True):
        _compare(folder / (name + SUFFIX), first, other)
    return StemFolder(
        folder,
        stems,
        sample_rate=first.samplerate,
        n_samples=first.frames,
        audio_channels=first.channels,
        unused=tuple(sorted(names - {MIXTURE, ACCOMPANIMENT, *stems})),
    )


def _needed(stems: Sequence[str], sources: Sequence[str]) -> Iterator[str]:
    """The files without which a track does not have the sources."""
    for source in sources:
        if source != ACCOMPANIMENT:
            yield source
        elif ACCOMPANIMENT not in stems:  # then it is a sum, of all but the vocals
            yield "vocals"
            if not {*stems} - {"vocals"}:
                yield ACCOMPANIMENT


def _remedy(name: str, files: Sequence[str]) -> str:
    """What to do about a missing file, by what lies in its place."""
    for file in files:
        if Path(file).stem.casefold() != name.casefold():
            continue
        if file.lower().endswith(SUFFIX):
            return f"there is {file}: rename it to {name}{SUFFIX}"
        return f"there is {file}: convert it (ffmpeg -i {file} {name}{SUFFIX})"
    audio = [file.removesuffix(SUFFIX) for file in files if file.endswith(SUFFIX)]
    if audio:
        return f"the folder has {', '.join(audio)}"
    return f"the folder has no WAV file, only {', '.join(files[:6])}" if files else "it is empty"


def _header(path: Path) -> "soundfile._SoundFileInfo":
    track = path.parent.name
    try:
        header = patiently(lambda: soundfile.info(os.fsencode(path)), path)
    except (OSError, soundfile.SoundFileError) as error:
        raise _unreadable(path, track, error) from error
    if not header.frames:
        raise DataError(
            "holds no samples; copy it again, or remove the track", path=path, track=track
        )
    return header


def _compare(
    path: Path, mixture: "soundfile._SoundFileInfo", stem: "soundfile._SoundFileInfo"
) -> None:
    """Refuse a stem that is unlike its mixture.

    Raises:
        DataError: another length, rate or number of channels.
    """
    for what, unit, advice in (
        ("frames", "samples", "cut or pad the stems to one length"),
        ("samplerate", "Hz", "resample it"),
        ("channels", "channels", "convert it"),
    ):
        ours, theirs = getattr(stem, what), getattr(mixture, what)
        if ours != theirs:
            raise DataError(
                f"has {ours} {unit}, the mixture has {theirs}; {advice}, or remove the track",
                path=path,
                track=path.parent.name,
            )


def _unreadable(path: Path, track: str, error: Exception) -> DataError:
    if is_dangling(path):
        message = f"is a link to {path.readlink()}, which is not there; restore that"
        return DataError(f"{message}, or remove the track", path=path, track=track)
    system = error.strerror if isinstance(error, OSError) else None
    reason = system or getattr(error, "error_string", str(error)).rstrip(".")
    message = f"cannot be read ({reason}); copy it again, or remove the track"
    return DataError(stand_in(path) or message, path=path, track=track)


def write_track(
    folder: Path, stems: Mapping[str, Int16[np.ndarray, "N A"]], *, sample_rate: int
) -> None:
    """Write 16-bit stems and their sum as the mixture.

    Whole numbers add without rounding, and a float32 holds the sum of four 16-bit values
    exactly, so the files' mixture is the sum of the files' stems to the bit.

    Raises:
        DataError: the sum does not fit into 16 bits, or the folder cannot be written.
    """
    total: Int64[np.ndarray, "N A"] = np.stack([*stems.values()]).sum(0, dtype=np.int64)
    mixture = total.astype(np.int16)
    if not np.array_equal(mixture, total):
        raise DataError("the sum of the stems clips; quantise them together", path=folder)
    try:
        folder.mkdir(parents=True)
        for name, samples in {MIXTURE: mixture, **stems}.items():
            path = os.fsencode(folder / (name + SUFFIX))
            soundfile.write(path, samples, sample_rate, subtype="PCM_16")
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(f"cannot be written ({error})", path=folder) from error


def quantise(
    stems: Mapping[str, Float32[np.ndarray, "A N"] | Float64[np.ndarray, "A N"]],
) -> tuple[dict[str, Int16[np.ndarray, "N A"]], float]:
    """Stems as 16-bit numbers after one gain for all, and that gain (never above 1).

    The gain keeps the mixture and every stem under −1 dB of full scale.
    """
    total = np.sum([*stems.values()], axis=0)
    loudest = max(float(np.abs(part).max(initial=0)) for part in (total, *stems.values()))
    gain = min(1.0, PEAK / loudest) if loudest else 1.0
    scaled = {name: np.rint(gain * FULL_SCALE * stem) for name, stem in stems.items()}
    return {name: stem.T.astype(np.int16) for name, stem in scaled.items()}, gain


T = TypeVar("T")

CLUTTER = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "#recycle", "lost+found"}
    | {"$recycle.bin", "system volume information"}
)
"""What systems put into folders of their own accord, in lower case; hidden names beside."""

PASSING = frozenset(
    getattr(errno, name)
    for name in (
        *("EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "EINTR", "EBUSY", "ECONNABORTED", "ECONNREFUSED"),
        *("ECONNRESET", "ENOTCONN", "ESHUTDOWN", "EPIPE", "ENETDOWN", "ENETRESET", "ENETUNREACH"),
        *("EHOSTDOWN", "EHOSTUNREACH", "EREMOTEIO", "ENOLINK", "EPROTO"),
    )
    if hasattr(errno, name)
)
"""Failures of a network or a device that may have passed a moment later."""

PAUSES_S = (0.3, 1.0, 3.0)
"""Seconds before each further try."""


def listed(folder: Path) -> list[Path]:
    """The entries of a folder by name, without hidden ones and what systems put there.

    `._drums.wav` beside `drums.wav` is what a Mac leaves on other systems' disks.

    Raises:
        DataError: the folder cannot be listed.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"cannot be listed ({cause_of(error)})", path=folder) from error
    return [
        entry
        for entry in entries
        if not entry.name.startswith(".") and entry.name.lower() not in CLUTTER
    ]


def is_dangling(path: Path) -> bool:
    """Whether a path is a link to nothing."""
    return path.is_symlink() and not path.exists()


def patiently(read: Callable[[], T], path: Path) -> T:
    """The result of a read, tried again where it fails as networks fail.

    Decoders hide what the system said (libsndfile calls a network's failure an unknown format), so
    a file at which one fails is read through once as bytes: what that raises is the reason.

    Args:
        read: reads from one file.
        path: of the file.

    Raises:
        OSError: what the system says, after the last try.
        Exception: what the decoder says, of a file that the system can read.
    """
    pauses = [*PAUSES_S]
    while True:
        try:
            return read()
        except Exception as error:
            system = error if isinstance(error, OSError) else _read_through(path)
            if system is None:  # the bytes are there now: did the failure pass?
                return read()
            if system.errno not in PASSING or not pauses:
                if system is error:
                    raise
                raise system from error
        time.sleep(pauses.pop(0))


def _read_through(path: Path) -> OSError | None:
    """What the system raises when a file's bytes are read; None where it has them all."""
    try:
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
    except OSError as error:
        return error
    return None
