"""From audio files to one file a source: reading, fitting to a model, separating, writing."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import soundfile
import torch
from jaxtyping import Float
from torch import Tensor
from torchaudio.functional import resample

from msdemucs.errors import DataError, UsageError
from msdemucs.evaluate.overlap_add import separate
from msdemucs.model import Separator

SUFFIX = ".wav"

Subtype = Literal["FLOAT", "PCM_16"]
"""32-bit floats, which nothing clips, or 16-bit integers, which everything plays."""

MOST_PHASES = 4096
"""Filters of the resampler above which a pair of rates is refused: it would fill the memory."""


def output_folders(
    audio: Sequence[Path], folder: Path, *, sources: Sequence[str], overwrite: bool
) -> list[Path]:
    """The folder for each file's sources, named after it; checked before anything is separated.

    Args:
        audio: the files to separate.
        folder: what holds the folders.
        sources: what will be written there.
        overwrite: whether files that are there already may be replaced.

    Raises:
        UsageError: two files of the same name, or estimates that are there already.
    """
    folders = [folder / path.stem for path in audio]
    for index, one in enumerate(folders):
        if one in folders[:index]:
            first = audio[folders.index(one)]
            raise UsageError(f"{first} and {audio[index]} would both be written to {one}")
    written = [one / (source + SUFFIX) for one in folders for source in sources]
    there = [path for path in written if path.exists()]
    if there and not overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(f"{there[0]}{more} would be overwritten; allow it by --overwrite")
    return folders


def check_audio(path: Path, *, audio_channels: int) -> None:
    """Nothing, for a file that can be read.

    Raises:
        DataError: it is not there, is no audio, is empty, or has channels that do not fit.
    """
    try:
        header = soundfile.info(path)
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(_reason(path, error), path=path) from None
    if not header.frames:
        raise DataError("is empty", path=path)
    if header.channels != audio_channels and max(header.channels, audio_channels) > 2:
        raise DataError(
            f"has {header.channels} channels, the model takes {audio_channels}; only mono and "
            "stereo are turned into each other",
            path=path,
        )


def read_mixture(path: Path, *, sample_rate: int, audio_channels: int) -> Float[Tensor, "A N"]:
    """The whole file at the model's rate and channels, full scale ±1.

    A mono file is given to both channels of a stereo model; a mono model gets the mean of two.

    Raises:
        DataError: it cannot be read, has values that are not finite, or a rate that cannot be
            resampled.
    """
    check_audio(path, audio_channels=audio_channels)
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(_reason(path, error), path=path) from None
    waveform = torch.from_numpy(samples.T)
    if not bool(waveform.isfinite().all()):
        raise DataError("has samples that are not finite", path=path)
    if len(waveform) != audio_channels:
        waveform = waveform.mean(0, keepdim=True).expand(audio_channels, -1)
    if rate == sample_rate:
        return waveform.contiguous()
    if sample_rate // math.gcd(rate, sample_rate) > MOST_PHASES:
        message = f"has {rate} Hz, which has no small ratio to {sample_rate} Hz; convert it first"
        raise DataError(message, path=path)
    return resample(waveform.contiguous(), rate, sample_rate)


def separate_mixture(
    model: Separator,
    mixture: Float[Tensor, "A N"],
    *,
    normalised: bool,
    overlap: float = 0.25,
    on_chunks: Callable[[int, int], None] | None = None,
) -> Float[Tensor, "S A N"]:
    """The estimates of the model's sources, in chunks of its segment, one at a time.

    Args:
        model: used in evaluation mode; its modes are restored.
        mixture: at the model's rate.
        normalised: bring the mono mixture to zero mean and unit deviation first and undo it after,
            as weights need that were trained so (those of Demucs).
        overlap: the fraction of a chunk shared with the next; in [0, 1).
        on_chunks: is told after each chunk how many are done, and of how many.

    Raises:
        UsageError: an argument outside its range.

    Source: shared/systems/base.md, section 8.1.
    """
    mean, deviation = torch.zeros(()), torch.ones(())
    if normalised:
        mono = mixture.mean(0)
        mean, deviation = mono.mean(), mono.std(correction=min(1, mono.numel() - 1)) + 1e-8
    estimates = separate(
        model,
        (mixture - mean) / deviation,
        segment_samples=model.spec.n_samples,
        overlap=overlap,
        batch_size=1,
        on_chunks=on_chunks,
    )
    return estimates.mul_(deviation).add_(mean)


def write_estimates(
    estimates: Float[Tensor, "S A N"],
    folder: Path,
    *,
    sources: Sequence[str],
    sample_rate: int,
    subtype: Subtype = "FLOAT",
) -> int:
    """Write `source.wav` for each source; a file is complete or not there.

    Returns:
        How many samples lay beyond full scale, where the subtype clips them.

    Raises:
        DataError: an estimate that is not finite, or a file that cannot be written.
    """
    if not bool(estimates.isfinite().all()):
        raise DataError("the estimates are not finite; nothing was written", path=folder)
    for source, estimate in zip(sources, estimates, strict=True):
        path = folder / (source + SUFFIX)
        partial = path.with_suffix(".partial")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            samples = estimate.T.numpy()
            soundfile.write(partial, samples, sample_rate, subtype=subtype, format="WAV")
            partial.replace(path)
        except (OSError, soundfile.SoundFileError) as error:
            raise DataError(f"cannot be written: {error}", path=path) from None
    return int((estimates.abs() > 1).sum()) if subtype == "PCM_16" else 0


def _reason(path: Path, error: Exception) -> str:
    return f"cannot be read as audio: {error}" if path.exists() else "there is no such file"
