"""From audio files to one file a stem, block by block: memory does not grow with the track."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import soundfile
from torch import Tensor

from msdemucs.data import statistics
from msdemucs.errors import DataError, UsageError
from msdemucs.evaluate.audio import AudioSource, BlockResampler, check_audio
from msdemucs.evaluate.separation import (
    LESS_MEMORY,
    OnChunks,
    Separation,
    check_stems,
    separate_blocks,
    stems_of,
)
from msdemucs.files import cause_of, sole_user, whole, within
from msdemucs.measure import autocast
from msdemucs.measure.inference import device_of, memory_explained
from msdemucs.model import Separator

Format = Literal["wav", "flac"]

DEPTHS = {"same": None, "int16": "PCM_16", "int24": "PCM_24", "float": "FLOAT"}
KEPT = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")
"""Subtypes of files that estimates are written in alike; of others (MP3 …) as 16-bit integers."""

BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}

MOST_WAV_BYTES = 2**32 - 2**16
"""Of samples in a WAV file, whose header counts bytes in 32 bits."""


@dataclass(frozen=True)
class Output:
    """What is written of a separation.

    Attributes:
        folder: gets a file a stem.
        stems: sources of the model, or "accompaniment": the sum of all that is not vocals, or, of
            a model that does not estimate all stems, the mixture without its vocals.
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
        return [within(self.folder, stem, f".{self.format}") for stem in self.stems]

    def subtype(self, subtype: str) -> str:
        """How samples are written, for a file that was read with a subtype."""
        depth = DEPTHS[self.depth] or (subtype if subtype in KEPT else "PCM_16")
        if self.format == "flac" and depth not in ("PCM_16", "PCM_24"):
            return "PCM_24"  # the most that FLAC keeps
        return depth

    def container(self, n_values: int, subtype: str) -> str:
        """The file's format in libsndfile's terms: RF64 where a WAV file's sizes would overflow."""
        if self.format == "flac":
            return "FLAC"
        return "RF64" if n_values * BYTES[subtype] > MOST_WAV_BYTES else "WAV"


def outputs(audio: Sequence[Path], output: Output, *, overwrite: bool) -> list[Output]:
    """Where each file's stems go, in a folder named after it; checked before anything is separated.

    Files of one name (`A/mixture.wav`, `B/mixture.wav`) have their folders' names before theirs.

    Args:
        audio: the files to separate.
        output: with the folder that holds the folders.
        overwrite: whether files that are there already may be replaced.

    Raises:
        UsageError: two files of the same name, or estimates that are there already.
    """
    names = [path.stem for path in audio]
    names = [
        f"{path.resolve().parent.name} - {path.stem}" if names.count(path.stem) > 1 else path.stem
        for path in audio
    ]
    folders = [within(output.folder, name) for name in names]
    for index, folder in enumerate(folders):
        if folder in folders[:index]:
            first = audio[folders.index(folder)]
            raise UsageError(f"{first} and {audio[index]} would both be written to {folder}")
    places = [replace(output, folder=folder) for folder in folders]
    there = [path for place in places for path in place.paths() if path.exists()]
    if there and not overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UsageError(f"{there[0]}{more} would be overwritten; allow it by --overwrite")
    return places


@dataclass(frozen=True)
class Written:
    """What is to be said of a file's separation.

    Attributes:
        seconds: the file's length.
        clipped: samples that lay beyond full scale, where integers clip them.
        shortfall: what is to be told of a file that is not what its header says; "" of others.
    """

    seconds: float
    clipped: int
    shortfall: str


def separate_file(
    model: Separator,
    path: Path,
    output: Output,
    how: Separation,
    *,
    on_chunks: OnChunks | None = None,
) -> Written:
    """Separate a file into files at its own rate and depth; they are complete or not there.

    The file is read twice where it is to be normalised. Whatever its length, a few segments of it
    are in memory.

    Args:
        model: used in evaluation mode; its modes are restored.
        path: WAV, FLAC, MP3, OGG or what else libsndfile reads.
        output: what is written, and where.
        how: chunks, normalisation, precision.
        on_chunks: is told after each batch how many chunks are done, and of how many.

    Raises:
        DataError: the file cannot be read, an estimate is not finite, a file cannot be written,
            memory does not suffice.
        UsageError: a stem that the model does not give; another process separates into the folder.
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
        memory_explained(LESS_MEMORY, partial(DataError, path=path)),
        AudioSource(
            path, **rates, mean=mean, deviation=deviation, kept=how.chunking.segment_samples
        ) as source,
        AudioSource(path, **rates) as mixture,
        sole_user(output.folder, "a separation"),
        _writing(output, source) as write,
        autocast(device_of(model), how.precision),
    ):
        done = clipped = 0
        is_heard = "other" not in spec.sources and not {*output.stems} <= {*spec.sources}
        for block in separate_blocks(model, source, how.chunking, on_chunks=on_chunks):
            estimates = block * deviation + mean
            if not bool(estimates.isfinite().all()):
                raise DataError("the estimates are not finite; nothing was written", path=path)
            heard = mixture.read(done, done + block.shape[-1]) if is_heard else None
            done += block.shape[-1]
            clipped += write(stems_of(estimates, heard, output.stems, spec.sources), done)
        seconds = source.file.frames / source.rate
        return Written(seconds, clipped, source.shortfall)


@contextmanager
def _writing(output: Output, source: AudioSource) -> Iterator[Callable[[Tensor, int], int]]:
    """A function that writes blocks of all stems; at the end the files get their names.

    Raises:
        DataError: a file that cannot be written; none is left.
    """
    subtype = output.subtype(source.subtype)
    limits = subtype.startswith("PCM")
    paths = output.paths()
    back = BlockResampler(source.resampler.new, source.resampler.old)
    frames = source.file.frames
    container = output.container(frames * source.audio_channels, subtype)
    written = 0
    try:
        with ExitStack() as stack:
            files = [
                stack.enter_context(
                    soundfile.SoundFile(
                        os.fsencode(stack.enter_context(whole(path))),
                        "w",
                        source.rate,
                        source.audio_channels,
                        subtype,
                        format=container,
                    )
                )
                for path in paths
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
                    tail = back.finish()
                    clipped += put(tail) if tail is not None else 0
                return clipped

            yield write
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(f"cannot be written: {cause_of(error)}", path=output.folder) from None
