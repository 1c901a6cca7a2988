"""A whole mixture separated: normalised as its weights need it, given as stems by name."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from msdemucs.data import statistics
from msdemucs.errors import UsageError
from msdemucs.evaluate.audio import read_mixture
from msdemucs.evaluate.overlap_add import Chunking, InMemory, Weighting, separate_blocks
from msdemucs.measure import Precision, autocast
from msdemucs.measure.inference import device_of, memory_explained
from msdemucs.model import Separator
from msdemucs.model.pretrained import find_weights
from msdemucs.model.weights import load_weights, read_about
from msdemucs.spec import Spec

ACCOMPANIMENT = "accompaniment"

LESS_MEMORY = "a shorter segment or a smaller batch of chunks needs less"

OnChunks = Callable[[int, int], None]


def check_stems(stems: Sequence[str], sources: Sequence[str]) -> None:
    """Raise UsageError for a stem that the model cannot give.

    Raises:
        UsageError: one that it cannot, or one that is named twice.
    """
    can_accompany = ACCOMPANIMENT in sources or "vocals" in sources  # else nobody knows it
    known = [*sources, *([ACCOMPANIMENT] if can_accompany and ACCOMPANIMENT not in sources else [])]
    for stem in stems:
        if stem not in known:
            raise UsageError(f"the model gives no “{stem}”; it gives {', '.join(known)}")
        if stems.count(stem) > 1:
            raise UsageError(f"“{stem}” is named twice among the stems")


def chunk_samples(spec: Spec, seconds: float | None) -> int:
    """Return the samples of a chunk, of the spec's segment for None.

    Raises:
        UsageError: a length that is not finite.
    """
    if seconds is None:
        return spec.n_samples
    if not math.isfinite(seconds):
        raise UsageError(f"a segment is a length in seconds; found {seconds}")
    return round(seconds * spec.sample_rate)


def needs_mixture(stems: Sequence[str], sources: Sequence[str]) -> bool:
    """Whether a stem is what an estimate leaves of the mixture."""
    return any(stem not in sources for stem in stems) and "other" not in sources


def stems_of(
    estimates: Float[Tensor, "S A N"],
    mixture: Float[Tensor, "A N"] | None,
    stems: Sequence[str],
    sources: Sequence[str],
) -> Float[Tensor, "K A N"]:
    """The stems that are wanted, of the sources that were estimated.

    Args:
        estimates: of the sources.
        mixture: None where `needs_mixture` says that none is needed.
        stems: that `check_stems` has seen.
        sources: the model's.
    """
    found = []
    for stem in stems:
        if stem in sources:
            found.append(estimates[sources.index(stem)])
            continue
        if "other" in sources:  # which is what no other source is, so that they are all there
            others = [index for index, source in enumerate(sources) if source != "vocals"]
            found.append(estimates[others].sum(0))
        else:
            assert mixture is not None
            found.append(mixture - estimates[sources.index("vocals")])
    return torch.stack(found)


@dataclass(frozen=True)
class Separation:
    """How mixtures are separated.

    Attributes:
        chunking: of the track.
        normalised: as for `separate_mixture`.
        precision: bfloat16 runs the model under torch's autocast.
    """

    chunking: Chunking
    normalised: bool = False
    precision: Precision = "float32"


def separate_mixture(
    model: Separator,
    mixture: Float[Tensor, "A N"],
    *,
    normalised: bool,
    chunking: Chunking | None = None,
    on_chunks: OnChunks | None = None,
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
    source = InMemory((mixture - mean) / deviation if normalised else mixture)
    blocks = list(separate_blocks(model, source, chunking, on_chunks=on_chunks))
    return torch.cat(blocks, dim=-1).mul_(deviation).add_(mean)


def separate(  # noqa: PLR0913 (one argument a thing that a user may decide)
    model: Separator | str | Path,
    audio: Float[Tensor, "A N"] | str | Path,
    *,
    stems: Sequence[str] | None = None,
    segment: float | None = None,
    overlap: float = 0.25,
    weighting: Weighting = "triangle",
    shifts: int = 1,
    seed: int = 0,
    batch_size: int = 1,
    precision: Precision = "float32",
    normalised: bool | None = None,
    on_chunks: OnChunks | None = None,
) -> dict[str, Float[Tensor, "A N"]]:
    """Stems by name, of audio of any length, at the model's rate.

    For files in and files out, in bounded memory, see `msdemucs separate` and
    `msdemucs.evaluate.separate_file`. Python's `warnings` tell of a file that is not what its
    header says.

    Args:
        model: a built model, or weights: a safetensors file or a name in the folder of weights.
        audio: a waveform at the model's rate and of its channels, or an audio file of any rate.
        stems: sources of the model, or "accompaniment": the sum of all but the vocals, or, of a
            model that does not estimate all stems, the mixture without its vocals; None gives all
            sources.
        segment: seconds of a chunk; None takes the spec's.
        overlap: share of a chunk that the next one repeats; in [0, 1).
        weighting: "triangle", as Demucs, or "fade", as torchaudio's tutorial; see `Chunking`.
        shifts: how often all is separated, with chunks that begin elsewhere, and averaged.
        seed: of the shifts.
        batch_size: chunks at a time.
        precision: "bfloat16" runs the model under torch's autocast.
        normalised: bring the mono mixture to zero mean and unit deviation first; None does as the
            weights say, and does not for a built model.
        on_chunks: is told after each batch how many chunks are done, and of how many.

    Raises:
        DataError: the file cannot be read.
        MsdemucsError: memory does not suffice.
        SpecError: the weights' spec is at fault.
        UsageError: an argument outside its range, a stem that the model does not give, no such
            weights.
    """
    if isinstance(model, str | Path):
        path = find_weights(str(model))
        normalised = read_about(path).normalised if normalised is None else normalised
        model = load_weights(path)
    spec = model.spec
    wanted = tuple(stems) if stems is not None else spec.sources
    check_stems(wanted, spec.sources)
    chunking = Chunking(
        chunk_samples(spec, segment),
        overlap,
        batch_size,
        weighting,
        shifts=shifts,
        most_shift=spec.sample_rate // 2,
        seed=seed,
    )
    if isinstance(audio, Tensor):
        mixture = audio.float()
        _check_waveform(mixture, spec.audio_channels)
    else:
        mixture = read_mixture(
            Path(audio), sample_rate=spec.sample_rate, audio_channels=spec.audio_channels
        )
    with memory_explained(LESS_MEMORY), autocast(device_of(model), precision):
        estimates = separate_mixture(
            model, mixture, normalised=bool(normalised), chunking=chunking, on_chunks=on_chunks
        )
    return dict(zip(wanted, stems_of(estimates, mixture, wanted, spec.sources), strict=True))


def _check_waveform(waveform: Tensor, audio_channels: int) -> None:
    """Raise UsageError for a waveform that the model cannot be given.

    Raises:
        UsageError: another shape, or samples that are not finite.
    """
    if waveform.ndim != 2 or waveform.shape[0] != audio_channels or not waveform.shape[1]:
        raise UsageError(
            f"the model takes a waveform of shape [{audio_channels}, samples]; found "
            f"{list(waveform.shape)}"
        )
    if not bool(waveform.isfinite().all()):
        raise UsageError("the waveform has samples that are not finite")
