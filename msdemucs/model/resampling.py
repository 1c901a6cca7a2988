"""Resampling by a whole factor with a windowed sinc, as Demucs does it."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.spec.plan import RESAMPLER_ROLLOFF, RESAMPLER_ZEROS, resampler_taps


class Resampler(nn.Module):
    """`new` samples for every `old` ones; the ends are repeated, so that nothing fades there.

    torchaudio's resampling has the same filter and pads with zeros instead.
    Source: Smith 2002 (Digital audio resampling), in the form of julius's resample_frac.
    """

    filters: Tensor

    def __init__(self, old: int, new: int) -> None:
        super().__init__()
        self.old, self.new = old, new
        self.edge = (resampler_taps(old, new) - old) // 2
        self.register_buffer("filters", sinc_filters(old, new), persistent=False)

    def forward(self, x: Float[Tensor, "B A N"]) -> Float[Tensor, "B A M"]:
        """M = ⌊new · N / old⌋."""
        if self.old == self.new:
            return x
        B, A, N = x.shape
        padded = F.pad(x, (self.edge, self.edge + self.old), mode="replicate")
        phases = F.conv1d(padded.reshape(B * A, 1, -1), self.filters, stride=self.old)
        samples = phases.transpose(1, 2).reshape(B, A, -1)
        return samples[..., : self.new * N // self.old]


def sinc_filters(old: int, new: int) -> Float[Tensor, "P 1 K"]:
    """One filter for each of the `new` phases, each with unit gain at 0 Hz."""
    taps = resampler_taps(old, new)
    half = (taps - old) // 2
    cutoff = min(old, new) * RESAMPLER_ROLLOFF
    place = torch.arange(-half, half + old, dtype=torch.float64) / old
    phase = torch.arange(new, dtype=torch.float64)[:, None] / new
    angle = ((place - phase) * cutoff).clamp(-RESAMPLER_ZEROS, RESAMPLER_ZEROS) * math.pi
    window = torch.cos(angle / RESAMPLER_ZEROS / 2).square()
    filters = torch.sinc(angle / math.pi) * window
    return (filters / filters.sum(1, keepdim=True)).float()[:, None]
