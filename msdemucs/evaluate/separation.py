"""A track of any length separated, chunk by chunk, and given as stems by name."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, TypedDict, Unpack

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from msdemucs.data import statistics
from msdemucs.data.tracks import ACCOMPANIMENT
from msdemucs.errors import UsageError
from msdemucs.evaluate.audio import read_mixture
from msdemucs.measure import Precision, autocast
from msdemucs.measure.inference import device_of, inference, memory_explained
from msdemucs.model import Separator
from msdemucs.model.weights import find_weights, load_weights, read_about
from msdemucs.spec import Spec

Weighting = Literal["triangle", "fade"]

LESS_MEMORY = "a shorter segment or a smaller batch of chunks needs less"

OnChunks = Callable[[int, int], None]


class Source(Protocol):
    """Where a mixture comes from, from its beginning to its end."""

    @property
    def n_samples(self) -> int:
        """Its length."""

    def read(self, start: int, stop: int) -> Float[Tensor, "A N"]:
        """A stretch that lies inside; starts may fall by less than half a segment."""


class InMemory:
    """A mixture that is held as a whole."""

    def __init__(self, mixture: Float[Tensor, "A N"]) -> None:
        self.mixture, self.n_samples = mixture, mixture.shape[-1]

    def read(self, start: int, stop: int) -> Float[Tensor, "A N"]:
        """A view of it."""
        return self.mixture[:, start:stop]


@dataclass(frozen=True)
class Chunking:
    """How a track is cut into chunks, and how their estimates are joined.

    Attributes:
        segment_samples: length of a chunk.
        overlap: the fraction of a chunk shared with the next; in [0, 1).
        batch_size: chunks at a time.
        weighting: "triangle" weighs each chunk by a triangle that peaks at its middle, as Demucs
            does; "fade" by 1, and along lines over what it shares with its neighbours, as
            torchaudio's tutorial does.
        power: of the triangle: more listens more to the middles (Demucs's transition_power).
        shifts: how often all is separated, each time with chunks that begin elsewhere; the
            estimates are averaged with their weights.
        most_shift: samples by which chunks begin earlier at most.
        seed: of the shifts.
    """

    segment_samples: int
    overlap: float = 0.25
    batch_size: int = 4
    weighting: Weighting = "triangle"
    power: float = 1.0
    shifts: int = 1
    most_shift: int = 22050
    seed: int = 0

    def __post_init__(self) -> None:
        if self.segment_samples < 1 or self.batch_size < 1:
            raise UsageError(
                "a chunk needs at least 1 sample and a batch at least 1 chunk; found "
                f"segment_samples {self.segment_samples} and batch_size {self.batch_size}"
            )
        if not 0 <= self.overlap < 1:
            raise UsageError(f"overlap must be at least 0 and less than 1; found {self.overlap}")
        if self.shifts < 1 or self.most_shift < 0:
            raise UsageError(
                f"shifts must be at least 1 and most_shift at least 0; found {self.shifts} and "
                f"{self.most_shift}"
            )
        if not 0 < self.power < 100:
            raise UsageError(f"power must be above 0 and below 100; found {self.power}")

    def starts(self, n_samples: int) -> list[int]:
        """The first sample of each chunk, rising; below 0 where a shift begins before the track."""
        cut = partial(chunk_starts, segment_samples=self.segment_samples, overlap=self.overlap)
        starts = [*cut(n_samples)]
        generator = torch.Generator().manual_seed(self.seed)
        most = min(self.most_shift, self.segment_samples - 1)
        for lead in torch.randint(most + 1, (self.shifts - 1,), generator=generator).tolist():
            starts += [start - lead for start in cut(n_samples + lead)]
        return sorted(starts)

    def weights(self) -> Float[Tensor, " N"]:
        """Of a chunk's samples: never 0, so that every sample has some."""
        length = self.segment_samples
        rising = torch.arange(1, length + 1, dtype=torch.float32)
        if self.weighting == "fade":
            shared = length - _stride(length, self.overlap)
            rising = (rising / (shared + 1)).clamp(max=1)
        triangle = torch.minimum(rising, rising.flip(0))
        return triangle if self.power == 1 else (triangle / triangle.max()) ** self.power


class Chunks(TypedDict, total=False):
    """Arguments of functions that separate, which `Chunking` explains; each may be left away."""

    overlap: float
    batch_size: int
    weighting: Weighting
    power: float
    shifts: int
    seed: int


def separate_waveform(
    model: nn.Module,
    mixture: Float[Tensor, "A N"],
    *,
    segment_samples: int,
    on_chunks: OnChunks | None = None,
    **chunks: Unpack[Chunks],
) -> Float[Tensor, "S A N"]:
    """The estimate of every source: overlapping chunks, separated in batches and cross-faded.

    Each sample is divided by the sum of the weights that reached it, so that a model which returns
    its input is heard unchanged. A last chunk that the track does not fill is given what comes
    before it, and zeros after it, as in Demucs. Beside the mixture and the estimate, which lie on
    the mixture's device, no more than one batch is held.

    Args:
        model: [B, A, n] → [B, S, A, n]; used in evaluation mode, its modes are restored.
        mixture: waveform; at least one sample.
        segment_samples: length of a chunk.
        on_chunks: is told after each batch how many chunks are done, and of how many.
        chunks: overlap (0.25), batch_size (4), weighting, power, shifts and seed, as in `Chunking`.

    Raises:
        UsageError: an argument outside its range.
    """
    chunking = Chunking(segment_samples, **chunks)
    n_samples = mixture.shape[-1]
    estimate: Tensor | None = None
    done = 0
    for block in separate_blocks(model, InMemory(mixture), chunking, on_chunks=on_chunks):
        if estimate is None:
            estimate = mixture.new_empty((*block.shape[:2], n_samples))
        estimate[..., done : done + block.shape[-1]] = block
        done += block.shape[-1]
    assert estimate is not None
    return estimate


def separate_blocks(
    model: nn.Module,
    source: Source,
    chunking: Chunking,
    *,
    on_chunks: OnChunks | None = None,
) -> Iterator[Float[Tensor, "S A n"]]:
    """The estimates from beginning to end, each stretch as soon as no further chunk reaches it.

    Memory does not grow with the track.

    Args:
        model: as for `separate_waveform`.
        source: of the mixture.
        chunking: how it is cut and joined.
        on_chunks: as for `separate_waveform`.

    Raises:
        UsageError: a mixture without samples.
    """
    n_samples = source.n_samples
    if n_samples < 1:
        raise UsageError("a mixture to separate needs at least 1 sample")
    starts = chunking.starts(n_samples)
    joined = _Joined(chunking, n_samples)
    place = device_of(model)
    for first in range(0, len(starts), chunking.batch_size):
        group = starts[first : first + chunking.batch_size]
        inputs = torch.stack([_cut(source, start, chunking.segment_samples) for start in group])
        with inference(model):
            estimates = model(inputs.to(place)).cpu().float()
        for start, estimate in zip(group, estimates, strict=True):
            joined.add(start, estimate)
        if on_chunks is not None:
            on_chunks(first + len(group), len(starts))
        following = starts[first + len(group) :][:1]
        yield joined.pop(max(0, following[0]) if following else n_samples)


class _Joined:
    """Weighted sums of chunks, for as much of a track as further chunks may reach.

    In float64: where many chunks overlap, float32 would round an identity by more than 1e-6.
    """

    def __init__(self, chunking: Chunking, n_samples: int) -> None:
        self.weights = chunking.weights()
        self.n_samples, self.done = n_samples, 0
        self.sums: Tensor | None = None
        self.totals = torch.zeros(0, dtype=torch.float64)

    def add(self, start: int, chunk: Float[Tensor, "S A N"]) -> None:
        """A chunk's part that lies inside the track."""
        first, stop = max(0, start), min(start + chunk.shape[-1], self.n_samples)
        if stop <= first:
            return
        lead = lead_of(start, chunk.shape[-1], self.n_samples)
        weights = self.weights[first - start : stop - start]
        part = chunk[..., first - start + lead : stop - start + lead]
        missing = stop - self.done - self.totals.shape[-1]
        if self.sums is None:
            self.sums = torch.zeros((*chunk.shape[:2], 0), dtype=torch.float64)
        if missing > 0:
            self.sums = F.pad(self.sums, (0, missing))
            self.totals = F.pad(self.totals, (0, missing))
        place = slice(first - self.done, stop - self.done)
        self.sums[..., place] += weights * part
        self.totals[place] += weights

    def pop(self, stop: int) -> Float[Tensor, "S A n"]:
        """The finished stretch up to a sample, which is forgotten here."""
        assert self.sums is not None
        count = max(0, stop - self.done)
        stretch = (self.sums[..., :count] / self.totals[:count]).float()
        self.sums, self.totals = self.sums[..., count:].clone(), self.totals[count:].clone()
        self.done += count
        return stretch


def chunk_starts(n_samples: int, *, segment_samples: int, overlap: float) -> range:
    """The first sample of each chunk; none lies wholly inside the one before it."""
    stride = _stride(segment_samples, overlap)
    return range(0, max(1, n_samples - segment_samples + stride), stride)


def _stride(segment_samples: int, overlap: float) -> int:
    return max(1, int((1 - overlap) * segment_samples))  # as Demucs rounds


def lead_of(start: int, segment_samples: int, n_samples: int) -> int:
    """How much earlier the model's input begins than its chunk: half of what lies beyond the end.

    As in Demucs, a last chunk that the track does not fill is put in the middle of a segment, after
    what comes before it in the track.
    """
    return max(0, start + segment_samples - n_samples) // 2


def _cut(source: Source, start: int, segment_samples: int) -> Float[Tensor, "A n"]:
    """The input for the chunk that begins at a start, with zeros beyond the mixture's ends."""
    begin = start - lead_of(start, segment_samples, source.n_samples)
    first = max(0, begin)
    stop = max(first, min(begin + segment_samples, source.n_samples))
    return F.pad(source.read(first, stop), (first - begin, begin + segment_samples - stop))


def check_stems(stems: Sequence[str], sources: Sequence[str]) -> None:
    """Raise UsageError for a stem that the model cannot give.

    Raises:
        UsageError: one that it cannot, or one that is named twice.
    """
    can_accompany = ACCOMPANIMENT in sources or "vocals" in sources  # else nobody knows it
    known = list(dict.fromkeys((*sources, *([ACCOMPANIMENT] if can_accompany else []))))
    for stem in stems:
        if stem not in known:
            raise UsageError(f"the model gives no “{stem}”; it gives {', '.join(known)}")
        if stems.count(stem) > 1:
            raise UsageError(f"“{stem}” is named twice among the stems")


def chunking_for(spec: Spec, segment: float | None = None, **chunks: Unpack[Chunks]) -> Chunking:
    """Return how a track is cut for a model: its shifts reach half a second, as Demucs's do.

    Args:
        spec: of the model.
        segment: seconds of a chunk; None takes the spec's.
        chunks: see `Chunking`.

    Raises:
        UsageError: an argument outside its range.
    """
    if segment is not None and not math.isfinite(segment):
        raise UsageError(f"a segment is a length in seconds; found {segment}")
    samples = spec.n_samples if segment is None else round(segment * spec.sample_rate)
    return Chunking(samples, most_shift=spec.sample_rate // 2, **chunks)


def stems_of(
    estimates: Float[Tensor, "S A N"],
    mixture: Float[Tensor, "A N"] | None,
    stems: Sequence[str],
    sources: Sequence[str],
) -> Float[Tensor, "K A N"]:
    """The stems that are wanted, of the sources that were estimated.

    Args:
        estimates: of the sources.
        mixture: None where no stem is what an estimate leaves of it: with a source “other”.
        stems: that `check_stems` has seen.
        sources: the model's.
    """
    waveforms = []
    for stem in stems:
        if stem in sources:
            waveforms.append(estimates[sources.index(stem)])
        elif "other" in sources:  # which is what no other source is, so that they are all there
            others = [index for index, source in enumerate(sources) if source != "vocals"]
            waveforms.append(estimates[others].sum(0))
        else:
            assert mixture is not None
            waveforms.append(mixture - estimates[sources.index("vocals")])
    return torch.stack(waveforms)


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


def separate(  # noqa: PLR0913 (one a thing that a user may decide)
    model: Separator | str | Path,
    audio: Float[Tensor, "A N"] | str | Path,
    *,
    stems: Sequence[str] | None = None,
    segment: float | None = None,
    precision: Precision = "float32",
    normalised: bool | None = None,
    on_chunks: OnChunks | None = None,
    **chunks: Unpack[Chunks],
) -> dict[str, Float[Tensor, "A N"]]:
    """Stems by name, of audio of any length, at the model's rate.

    For files in and files out, in bounded memory, see `msdemucs separate` and
    `msdemucs.evaluate.files.separate_file`. Python's `warnings` tell of a file that is not what its
    header says.

    Args:
        model: a built model, or weights: a safetensors file or a name in the folder of weights.
        audio: a waveform at the model's rate and of its channels, or an audio file of any rate.
        stems: sources of the model, or "accompaniment": the sum of all but the vocals, or, of a
            model that does not estimate all stems, the mixture without its vocals; None gives all
            sources.
        segment: seconds of a chunk; None takes the spec's.
        precision: "bfloat16" runs the model under torch's autocast.
        normalised: bring the mono mixture to zero mean and unit deviation first; None does as the
            weights say, and does not for a built model.
        on_chunks: is told after each batch how many chunks are done, and of how many.
        chunks: overlap (0.25), batch_size (1), weighting ("triangle", as Demucs, or "fade", as
            torchaudio's tutorial), shifts (1), their seed (0) and power (1), as in `Chunking`.

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
    names = tuple(stems) if stems is not None else spec.sources
    check_stems(names, spec.sources)
    chunking = chunking_for(spec, segment, **(Chunks(batch_size=1) | chunks))
    if isinstance(audio, Tensor):
        mixture = audio.float()
        if mixture.ndim != 2 or mixture.shape[0] != spec.audio_channels or not mixture.shape[1]:
            raise UsageError(
                f"the model takes a waveform of shape [{spec.audio_channels}, samples]; found "
                f"{list(mixture.shape)}"
            )
        if not bool(mixture.isfinite().all()):
            raise UsageError("the waveform has samples that are not finite")
    else:
        mixture = read_mixture(
            Path(audio), sample_rate=spec.sample_rate, audio_channels=spec.audio_channels
        )
    with memory_explained(LESS_MEMORY), autocast(device_of(model), precision):
        estimates = separate_mixture(
            model, mixture, normalised=bool(normalised), chunking=chunking, on_chunks=on_chunks
        )
    return dict(zip(names, stems_of(estimates, mixture, names, spec.sources), strict=True))
