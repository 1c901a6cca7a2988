"""How does a model made for short segments separate a track of any length?"""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from msdemucs.errors import UsageError
from msdemucs.measure.inference import device_of, inference


def separate(
    model: nn.Module,
    mixture: Float[Tensor, "A N"],
    *,
    segment_samples: int,
    overlap: float = 0.25,
    batch_size: int = 4,
    on_chunks: Callable[[int, int], None] | None = None,
) -> Float[Tensor, "S A N"]:
    """The estimate of every source: overlapping chunks, separated in batches and cross-faded.

    Each chunk is weighted by a triangle that peaks at its middle, and each sample divided by the
    sum of the weights that reached it, so that a model which returns its input is heard unchanged.
    The last chunk is padded with zeros. Beside the mixture and the estimate, which lie on the
    mixture's device, no more than one batch is held.

    Args:
        model: [B, A, n] → [B, S, A, n]; used in evaluation mode, its modes are restored.
        mixture: waveform; at least one sample.
        segment_samples: length of a chunk.
        overlap: the fraction of a chunk shared with the next; in [0, 1).
        batch_size: chunks at a time.
        on_chunks: is told after each batch how many chunks are done, and of how many.

    Raises:
        UsageError: an argument outside its range.
    """
    _check(mixture, segment_samples=segment_samples, overlap=overlap, batch_size=batch_size)
    n_samples = mixture.shape[-1]
    triangle = _triangle(segment_samples, mixture)
    total = mixture.new_zeros(n_samples)
    estimate: Tensor | None = None
    starts = chunk_starts(n_samples, segment_samples=segment_samples, overlap=overlap)
    with inference(model):
        for group in _groups(starts, batch_size):
            chunks = model(_cut(mixture, group, segment_samples).to(device_of(model)))
            if estimate is None:
                # An ordinary tensor, so that the caller may change it or train on it.
                with torch.inference_mode(False):
                    estimate = mixture.new_zeros((*chunks.shape[1:3], n_samples))
            for start, chunk in zip(group, chunks.to(mixture.device), strict=True):
                stop = min(start + segment_samples, n_samples)
                weights = triangle[: stop - start]
                estimate[..., start:stop] += weights * chunk[..., : stop - start]
                total[start:stop] += weights
            if on_chunks is not None:
                on_chunks(group[-1] // starts.step + 1, len(starts))
    assert estimate is not None
    return estimate.div_(total)


def chunk_starts(n_samples: int, *, segment_samples: int, overlap: float) -> range:
    """The first sample of each chunk; none lies wholly inside the one before it."""
    stride = max(1, round(segment_samples * (1 - overlap)))
    return range(0, max(1, n_samples - segment_samples + stride), stride)


def _check(mixture: Tensor, *, segment_samples: int, overlap: float, batch_size: int) -> None:
    if mixture.shape[-1] < 1:
        raise UsageError("a mixture to separate needs at least 1 sample")
    if segment_samples < 1 or batch_size < 1:
        raise UsageError(
            "a chunk needs at least 1 sample and a batch at least 1 chunk; found "
            f"segment_samples {segment_samples} and batch_size {batch_size}"
        )
    if not 0 <= overlap < 1:
        raise UsageError(f"overlap must be at least 0 and less than 1; found {overlap}")


def _triangle(length: int, like: Tensor) -> Float[Tensor, " N"]:
    """1, 2, …, 2, 1: never 0, so that every sample has some weight."""
    rising = torch.arange(1, length + 1, device=like.device, dtype=like.dtype)
    return torch.minimum(rising, rising.flip(0))


def _groups(starts: range, batch_size: int) -> Iterator[range]:
    """The starts, a batch at a time."""
    for first in range(0, len(starts), batch_size):
        yield starts[first : first + batch_size]


def _cut(
    mixture: Float[Tensor, "A N"], starts: range, segment_samples: int
) -> Float[Tensor, "B A n"]:
    """The chunks that begin at the starts, with zeros where the mixture has ended."""
    chunks = [mixture[:, start : start + segment_samples] for start in starts]
    return torch.stack([F.pad(chunk, (0, segment_samples - chunk.shape[-1])) for chunk in chunks])
