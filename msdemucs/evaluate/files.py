"""From audio files to one file a stem, block by block: memory does not grow with the track."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import soundfile
import torch
from jaxtyping import Float
from torch import Tensor

from msdemucs.errors import DataError, UsageError
from msdemucs.evaluate.overlap_add import Chunking, Source, separate_blocks
from msdemucs.evaluate.resampling import MOST_PHASES, BlockResampler
from msdemucs.measure import Precision, autocast
from msdemucs.measure.inference import device_of
from msdemucs.model import Separator

Format = Literal["wav", "flac"]

ACCOMPANIMENT = "accompaniment"

BLOCK = 2**18
"""Samples that are read at once: six seconds at 44.1 kHz."""

DEPTHS = {"same": None, "int16": "PCM_16", "int24": "PCM_24", "float": "FLOAT"}
KEPT = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
"""Subtypes of files that estimates are written in alike; of others (MP3 …) as 16-bit integers."""

EPSILON = 1e-8


@dataclass(frozen=True)
class Output:
    """What is written of a separation.

    Attributes:
        folder: gets a file a stem.
        stems: sources of the model, or "accompaniment": the sum of all that is not vocals, or the
            mixture without the vocals where the model knows nothing else.
        format: of the files.
        depth: "same" as the file's that was separated (16-bit integers for one that has no such
            depth), int16, int24 or float.
    """

    folder: Path
    stems: tuple[str, ...]
    format: Format = "wav"
    depth: str = "same"

    def paths(self) -> list[Path]:
        """The file of every stem."""
        return [self.folder / f"{stem}.{self.format}" for stem in self.stems]

    def subtype(self, subtype: str) -> str:
        """How samples are written, for a file that was read with a subtype."""
        wanted = DEPTHS[self.depth] or (subtype if subtype in KEPT else "PCM_16")
        if self.format == "flac" and wanted not in ("PCM_16", "PCM_24"):
            return "PCM_24"  # the most that FLAC keeps
        return wanted


def check_stems(stems: Sequence[str], sources: Sequence[str]) -> None:
    """Nothing, for stems that a model can give.

    Raises:
        UsageError: one that it cannot.
    """
    can_accompany = ACCOMPANIMENT in sources or "vocals" in sources
    known = [*sources, *([ACCOMPANIMENT] if can_accompany and ACCOMPANIMENT not in sources else [])]
    for stem in stems:
        if stem not in known:
            raise UsageError(f"the model gives no “{stem}”; it gives {', '.join(known)}")


def outputs(audio: Sequence[Path], wanted: Output, *, overwrite: bool) -> list[Output]:
    """Where each file's stems go, in a folder named after it; checked before anything is separated.

    Args:
        audio: the files to separate.
        wanted: with the folder that holds the folders.
        overwrite: whether files that are there already may be replaced.

    Raises:
        UsageError: two files of the same name, or estimates that are there already.
    """
    folders = [wanted.folder / path.stem for path in audio]
    for index, one in enumerate(folders):
        if one in folders[:index]:
            first = audio[folders.index(one)]
            raise UsageError(f"{first} and {audio[index]} would both be written to {one}")
    found = [Output(one, wanted.stems, wanted.format, wanted.depth) for one in folders]
    there = [path for one in found for path in one.paths() if path.exists()]
    if there and not overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(f"{there[0]}{more} would be overwritten; allow it by --overwrite")
    return found


def check_audio(path: Path, *, sample_rate: int, audio_channels: int) -> None:
    """Nothing, for a file whose header can be read.

    Raises:
        DataError: it is not there, is no audio, is empty, or has channels or a rate that do not
            fit.
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
    rate = header.samplerate
    if max(sample_rate, rate) // math.gcd(rate, sample_rate) > MOST_PHASES:
        message = f"has {rate} Hz, which has no small ratio to {sample_rate} Hz; convert it first"
        raise DataError(message, path=path)


class AudioSource:
    """A file at a model's rate and channels, read once from beginning to end, full scale ±1.

    A mono file is given to both channels of a stereo model; a mono model gets the mean of two.

    Args:
        path: a file that `check_audio` has seen.
        sample_rate: the model's.
        audio_channels: the model's.
        mean: is subtracted from every sample.
        deviation: every sample is divided by it.
        kept: samples before the last start that may be asked for again.

    Raises:
        DataError: it cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        sample_rate: int,
        audio_channels: int,
        mean: float = 0.0,
        deviation: float = 1.0,
        kept: int = 0,
    ) -> None:
        self.path, self.audio_channels, self.kept = path, audio_channels, kept
        self.mean, self.deviation = mean, deviation
        try:
            self.file = soundfile.SoundFile(path)
        except (OSError, soundfile.SoundFileError) as error:
            raise DataError(_reason(path, error), path=path) from None
        self.rate, self.subtype = int(self.file.samplerate), str(self.file.subtype)
        self.resampler = BlockResampler(self.rate, sample_rate)
        ratio = self.resampler
        self.n_samples = math.ceil(self.file.frames * ratio.new / ratio.old)
        self._held, self._first = torch.zeros(audio_channels, 0), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def read(self, start: int, stop: int) -> Float[Tensor, "A N"]:
        """A stretch; what lies more than `kept` samples before its start is forgotten."""
        while self._first + self._held.shape[-1] < stop:
            self._held = torch.cat([self._held, self._next()], dim=-1)
        forgotten = max(0, start - self.kept - self._first)
        self._held = self._held[:, forgotten:]
        self._first += forgotten
        return self._held[:, start - self._first : stop - self._first]

    def blocks(self) -> Iterator[Float[Tensor, "A N"]]:
        """All of it, a block at a time."""
        for start in range(0, self.n_samples, BLOCK):
            yield self.read(start, min(start + BLOCK, self.n_samples))

    def _next(self) -> Float[Tensor, "A N"]:
        """The next samples of the file, at the model's rate; zeros after a header's false promise.

        Raises:
            DataError: damaged, or samples that are not finite.
        """
        try:
            samples = self.file.read(BLOCK, dtype="float32", always_2d=True)
        except (OSError, soundfile.SoundFileError) as error:
            raise DataError(_reason(self.path, error), path=self.path) from None
        if not len(samples):
            rest = self.resampler.finish()
            return torch.zeros(self.audio_channels, BLOCK) if rest is None else self._scaled(rest)
        waveform = torch.from_numpy(samples.T.copy())
        if not bool(waveform.isfinite().all()):
            raise DataError("has samples that are not finite", path=self.path)
        if len(waveform) != self.audio_channels:
            waveform = waveform.mean(0, keepdim=True).expand(self.audio_channels, -1)
        return self._scaled(self.resampler.push(waveform))

    def _scaled(self, waveform: Tensor) -> Tensor:
        return (waveform - self.mean) / self.deviation


def read_mixture(path: Path, *, sample_rate: int, audio_channels: int) -> Float[Tensor, "A N"]:
    """The whole file at the model's rate and channels, full scale ±1.

    Raises:
        DataError: it cannot be read, has values that are not finite, or a rate that cannot be
            resampled.
    """
    check_audio(path, sample_rate=sample_rate, audio_channels=audio_channels)
    with AudioSource(path, sample_rate=sample_rate, audio_channels=audio_channels) as source:
        return torch.cat(list(source.blocks()), dim=-1)


def statistics(blocks: Iterator[Float[Tensor, "A N"]]) -> tuple[float, float]:
    """Mean and deviation of the mono mixture, as Demucs normalises each track.

    Source: shared/systems/base.md, section 8.1.
    """
    count, total, squares = 0, 0.0, 0.0
    for block in blocks:
        mono = block.mean(0).double()
        count += mono.numel()
        total += float(mono.sum())
        squares += float(mono.square().sum())
    mean = total / count
    variance = max(0.0, squares - count * mean**2) / max(1, count - 1)
    return mean, math.sqrt(variance) + EPSILON


class Shown(Source):
    """A source whose samples are normalised."""

    def __init__(self, mixture: Float[Tensor, "A N"], mean: float, deviation: float) -> None:
        self.mixture, self.mean, self.deviation = mixture, mean, deviation

    @property
    def n_samples(self) -> int:
        """Its length."""
        return self.mixture.shape[-1]

    def read(self, start: int, stop: int) -> Float[Tensor, "A N"]:
        """A stretch."""
        return (self.mixture[:, start:stop] - self.mean) / self.deviation


def separate_mixture(
    model: Separator,
    mixture: Float[Tensor, "A N"],
    *,
    normalised: bool,
    chunking: Chunking | None = None,
    on_chunks: Callable[[int, int], None] | None = None,
) -> Float[Tensor, "S A N"]:
    """The estimates of the model's sources.

    Args:
        model: used in evaluation mode; its modes are restored.
        mixture: at the model's rate.
        normalised: bring the mono mixture to zero mean and unit deviation first and undo it after,
            as weights need that were trained so (those of Demucs).
        chunking: None takes chunks of the spec's segment, one at a time.
        on_chunks: is told after each batch how many chunks are done, and of how many.

    Raises:
        UsageError: an argument outside its range.
    """
    chunking = chunking or Chunking(model.spec.n_samples, batch_size=1)
    mean, deviation = statistics(iter([mixture])) if normalised else (0.0, 1.0)
    source = Shown(mixture, mean, deviation)
    blocks = list(separate_blocks(model, source, chunking, on_chunks=on_chunks))
    return torch.cat(blocks, dim=-1).mul_(deviation).add_(mean)


@dataclass(frozen=True)
class Separation:
    """How files are separated.

    Attributes:
        chunking: of the track.
        normalised: as for `separate_mixture`.
        precision: bfloat16 runs the model under torch's autocast.
    """

    chunking: Chunking
    normalised: bool = False
    precision: Precision = "float32"


def separate_file(
    model: Separator,
    path: Path,
    output: Output,
    how: Separation,
    *,
    on_chunks: Callable[[int, int], None] | None = None,
) -> int:
    """Separate a file into files at its own rate and depth; they are complete or not there.

    The file is read twice where it is to be normalised. Whatever its length, a few segments of it
    are in memory.

    Args:
        model: used in evaluation mode; its modes are restored.
        path: WAV, FLAC, MP3, OGG or what else libsndfile reads.
        output: what is written, and where.
        how: chunks, normalisation, precision.
        on_chunks: is told after each batch how many chunks are done, and of how many.

    Returns:
        How many samples lay beyond full scale, where integers clip them.

    Raises:
        DataError: the file cannot be read, an estimate is not finite, a file cannot be written.
        UsageError: a stem that the model does not give.
    """
    spec = model.spec
    check_stems(output.stems, spec.sources)
    check_audio(path, sample_rate=spec.sample_rate, audio_channels=spec.audio_channels)
    rates = {"sample_rate": spec.sample_rate, "audio_channels": spec.audio_channels}
    mean, deviation = 0.0, 1.0
    if how.normalised:
        with AudioSource(path, **rates) as source:
            mean, deviation = statistics(source.blocks())
    with (
        AudioSource(
            path, **rates, mean=mean, deviation=deviation, kept=how.chunking.segment_samples
        ) as source,
        AudioSource(path, **rates) as mixture,
        _writing(output, source) as write,
        autocast(device_of(model), how.precision),
    ):
        done = clipped = 0
        for block in separate_blocks(model, source, how.chunking, on_chunks=on_chunks):
            estimates = block * deviation + mean
            if not bool(estimates.isfinite().all()):
                raise DataError("the estimates are not finite; nothing was written", path=path)
            heard = mixture.read(done, done + block.shape[-1])
            done += block.shape[-1]
            clipped += write(_stems(estimates, heard, output.stems, spec.sources), done)
    return clipped


def _stems(
    estimates: Float[Tensor, "S A N"],
    mixture: Float[Tensor, "A N"],
    stems: Sequence[str],
    sources: Sequence[str],
) -> Float[Tensor, "K A N"]:
    """The stems that are wanted, of the sources that were estimated."""
    found = []
    for stem in stems:
        if stem in sources:
            found.append(estimates[sources.index(stem)])
            continue
        others = [index for index, source in enumerate(sources) if source != "vocals"]
        vocals = [index for index, source in enumerate(sources) if source == "vocals"]
        found.append(estimates[others].sum(0) if others else mixture - estimates[vocals].sum(0))
    return torch.stack(found)


@contextmanager
def _writing(output: Output, source: AudioSource) -> Iterator[Callable[[Tensor, int], int]]:
    """A function that writes blocks of all stems; at the end the files get their names.

    Raises:
        DataError: a file that cannot be written; none is left.
    """
    subtype = output.subtype(source.subtype)
    limits = subtype.startswith("PCM")
    paths = output.paths()
    partial = [path.with_suffix(".partial") for path in paths]
    back = BlockResampler(source.resampler.new, source.resampler.old)
    frames = source.file.frames
    written = 0
    try:
        output.folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            files = [
                stack.enter_context(
                    soundfile.SoundFile(
                        one,
                        "w",
                        source.rate,
                        source.audio_channels,
                        subtype,
                        format=output.format.upper(),
                    )
                )
                for one in partial
            ]

            def put(stems: Tensor) -> int:
                nonlocal written
                stems = stems[..., : frames - written]
                written += stems.shape[-1]
                for file, stem in zip(files, stems, strict=True):
                    file.write(stem.T.numpy())
                return int((stems.abs() > 1).sum()) if limits else 0

            def write(stems: Tensor, done: int) -> int:
                clipped = put(back.push(stems))
                if done == source.n_samples:
                    rest = back.finish()
                    clipped += put(rest) if rest is not None else 0
                return clipped

            yield write
        for one, path in zip(partial, paths, strict=True):
            one.replace(path)
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(f"cannot be written: {error}", path=output.folder) from None
    finally:
        for one in partial:
            with suppress(OSError):  # the folder may be no folder
                one.unlink()


def _reason(path: Path, error: Exception) -> str:
    return f"cannot be read as audio: {error}" if path.exists() else "there is no such file"
