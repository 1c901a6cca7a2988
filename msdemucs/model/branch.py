"""One path through the network: a front end there and back, encoder levels and decoder levels."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce, singledispatch
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.model.attention import FrequencyEmbedding
from msdemucs.model.layers import DecoderCell, EncoderCell, size_along
from msdemucs.spec.levels import DecoderLevel, EncoderLevel
from msdemucs.spec.plan import (
    RESAMPLER_ROLLOFF,
    RESAMPLER_ZEROS,
    BranchPlan,
    WaveformFront,
    resampler_taps,
)
from msdemucs.spec.schema import Resolution

EPSILON = 1e-5

LevelPlan = TypeVar("LevelPlan", EncoderLevel, DecoderLevel)


@dataclass
class Signal:
    """What a branch carries through the network for one batch.

    Attributes:
        features: the current map [B, C, F, T].
        mean: of each item before normalisation, [B, 1, 1, 1].
        std: likewise.
        sizes: the length of the branch's axis before each level.
        skips: what each decoder level will be given beside its input.
    """

    features: Tensor
    mean: Tensor
    std: Tensor
    sizes: list[int]
    skips: list[Tensor]


class Branch(nn.Module):
    """A branch of the separator, spectral or waveform.

    Args:
        plan: its levels.
        sources: estimates to make.
        shared: a branch whose levels it uses; None for its own.
    """

    encoder: nn.ModuleList
    decoder: nn.ModuleList

    def __init__(self, plan: BranchPlan, sources: int, shared: "Branch | None" = None) -> None:
        super().__init__()
        self.sources = sources
        self.axis = plan.encoder[0].shifts[0].axis
        self.front: FrontEnd = front_end(plan.front)
        is_raw = isinstance(plan.front, WaveformFront) and not plan.front.options.normalize
        self.standardise = AsItIs() if is_raw else Standardise()
        self.encoder = shared.encoder if shared else _cells(EncoderCell, plan.encoder)
        self.decoder = shared.decoder if shared else _cells(DecoderCell, plan.decoder)
        embedding = FrequencyEmbedding(plan.embedding) if plan.embedding else nn.Identity()
        rest = [nn.Identity() for _ in plan.encoder[1:]]
        self.embeddings = nn.ModuleList([embedding, *rest])

    def analyse(self, mixture: Float[Tensor, "B A N"]) -> Signal:
        """The mixture in the branch's domain, each item normalised to zero mean, unit deviation."""
        features, mean, std = self.standardise(self.front.analyse(mixture))
        # Convolutions and norms of rows are fastest so, and every module keeps the layout.
        features = features.contiguous(memory_format=torch.channels_last)
        return Signal(features, mean, std, [], [])

    def encode(self, signal: Signal, level: int) -> None:
        """One level down; what leaves it is kept as the decoder's skip."""
        signal.sizes.append(size_along(signal.features, self.axis))
        signal.features = self.encoder[level](signal.features)
        signal.skips.append(signal.features)

    def embed(self, signal: Signal, level: int) -> None:
        """Tell where each row is, after the first level; the skip becomes what is there now."""
        signal.features = self.embeddings[level](signal.features)
        signal.skips[-1] = signal.features

    def decode(self, signal: Signal, level: int) -> None:
        """One level up; `level` counts from the branch's deepest."""
        skip, size = signal.skips.pop(), signal.sizes.pop()
        (signal.features,) = self.decoder[level](signal.features, skip, size)

    def synthesise(self, signal: Signal, n_samples: int) -> Float[Tensor, "B S A N"]:
        """The estimates as waveforms, the normalisation undone."""
        features = torch.addcmul(signal.mean, signal.features, signal.std)
        waveforms = self.front.synthesise(features, n_samples)  # [B, S · A, N]
        return waveforms.view(len(waveforms), self.sources, -1, n_samples)


class Standardise(nn.Module):
    """Each item to zero mean and unit deviation."""

    def forward(self, features: Float[Tensor, "B C F T"]) -> tuple[Tensor, Tensor, Tensor]:
        """What it becomes, its mean and its deviation [B, 1, 1, 1]."""
        correction = min(1, features[0].numel() - 1)  # a lone value has no deviation
        std, mean = torch.std_mean(features, dim=(1, 2, 3), correction=correction, keepdim=True)
        return (features - mean) / (EPSILON + std), mean, std


class AsItIs(nn.Module):
    """No normalisation."""

    def forward(self, features: Float[Tensor, "B C F T"]) -> tuple[Tensor, Tensor, Tensor]:
        """The features, zeros and ones."""
        zeros = features.new_zeros(len(features), 1, 1, 1)
        return features, zeros, zeros + 1


def _cells(cell: Callable[[LevelPlan], nn.Module], levels: Sequence[LevelPlan]) -> nn.ModuleList:
    return nn.ModuleList(cell(level) for level in levels)


class Waveform(nn.Module):
    """The waveform branch's front end: samples are the frames of a map with a single row."""

    def analyse(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B A 1 N"]:
        """The mixture as a feature map."""
        return mixture[:, :, None]

    def synthesise(
        self, features: Float[Tensor, "B C 1 N"], n_samples: int
    ) -> Float[Tensor, "B C N"]:
        """The feature map as waveforms."""
        return features.squeeze(2)[..., :n_samples]


class FittedWaveform(nn.Module):
    """A waveform padded on both sides to a length that its levels divide, perhaps resampled.

    Source: Défossez et al. 2019 (arXiv:1911.13254), sections 4.1 and 4.2.
    """

    def __init__(self, plan: WaveformFront) -> None:
        super().__init__()
        factor = plan.options.resample
        self.plan = plan
        self.upsample, self.downsample = Resampler(1, factor), Resampler(factor, 1)

    def analyse(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B A 1 M"]:
        """Padded with zeros, then upsampled."""
        n_samples = mixture.shape[-1]
        missing = self.plan.length(n_samples) - n_samples
        padded = F.pad(mixture, (missing // 2, missing - missing // 2))
        return self.upsample(padded)[:, :, None, : self.plan.fitted(n_samples)]

    def synthesise(
        self, features: Float[Tensor, "B C 1 M"], n_samples: int
    ) -> Float[Tensor, "B C N"]:
        """Downsampled, then the middle of it."""
        waveforms = self.downsample(features[:, :, 0])
        start = (waveforms.shape[-1] - n_samples) // 2
        return waveforms[..., start : start + n_samples]


class Spectrogram(nn.Module):
    """Short-time Fourier transform with complex values as channels, and its inverse.

    Frames number T = ceil(N / hop_length). With framing “half” both ends are reflected by
    (n_fft − hop_length) / 2 samples, so that frames line up with the strides of the waveform
    branch; with “grid” the start is reflected by n_fft / 2. The Nyquist row is dropped:
    F = n_fft / 2. The inverse divides by the steady sum of squared windows, so that the outermost
    samples of an untouched spectrogram come back attenuated; the waveform branch fills them in.

    Source: Défossez 2021 (arXiv:2111.03600), section 3.1.
    """

    window: Tensor
    envelope: Tensor

    def __init__(self, resolution: Resolution) -> None:
        super().__init__()
        self.n_fft, self.hop_length = resolution.n_fft, resolution.hop_length
        overlap = self.n_fft - self.hop_length
        self.left = overlap // 2 if resolution.framing == "half" else self.n_fft // 2
        self.right = overlap - self.left
        window = torch.hann_window(self.n_fft)
        envelope = window.square().view(-1, self.hop_length).sum(0)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("envelope", envelope, persistent=False)

    def analyse(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B A2 F T"]:
        """Channels are audio channel by audio channel, its real part then its imaginary part."""
        B, A, N = mixture.shape
        frames = -(-N // self.hop_length)
        padded = reflect(mixture.float(), self.left, self.right + frames * self.hop_length - N)
        windows = padded.unfold(-1, self.n_fft, self.hop_length) * self.window  # [B, A, T, n_fft]
        spectrum = torch.fft.rfft(windows, norm="ortho")[..., :-1]  # [B, A, T, F]
        parts = torch.view_as_real(spectrum).permute(0, 1, 4, 3, 2)  # [B, A, 2, F, T]
        return parts.reshape(B, 2 * A, self.n_fft // 2, frames)

    def synthesise(
        self, features: Float[Tensor, "B C2 F T"], n_samples: int
    ) -> Float[Tensor, "B C N"]:
        """Pairs of channels are real and imaginary parts; each pair becomes one waveform."""
        B, C2, F_, T = features.shape
        pairs = features.float().view(B, C2 // 2, 2, F_, T).permute(0, 1, 4, 3, 2)
        # a last row of zeros; padding also brings real and imaginary parts side by side: one copy,
        # without a name, so that it is gone when the windows are added
        windows = torch.fft.irfft(  # [B, C, T, n_fft]
            torch.view_as_complex(F.pad(pairs, (0, 0, 0, 1)).contiguous()), norm="ortho"
        )
        waveforms = overlap_add(windows * self.window, self.hop_length, self.envelope)
        return waveforms[..., self.left : self.left + n_samples]


def overlap_add(
    windows: Float[Tensor, "B C T W"], hop_length: int, envelope: Float[Tensor, " H"]
) -> Float[Tensor, "B C N"]:
    """Windows added at their hops and divided by the envelope, a function of the hop's sample."""
    overlap = windows.shape[-1] // hop_length
    hops = windows.view(*windows.shape[:3], overlap, hop_length)  # [B, C, T, overlap, H]
    # one at a time: this is where training holds most memory
    shifted = (F.pad(hops[..., i, :], (0, 0, i, overlap - 1 - i)) for i in range(overlap))
    total = reduce(torch.add, shifted) / envelope  # [B, C, T + overlap - 1, H]
    return total.flatten(-2)


def reflect(waveform: Float[Tensor, "B A N"], left: int, right: int) -> Float[Tensor, "B A M"]:
    """The waveform with its ends mirrored; what is too short to mirror is padded with zeros first.

    The zeros count as part of the padding, so that M = left + N + right always.
    """
    missing = max(left, right) - waveform.shape[-1] + 1
    if missing > 0:
        zeros_right = min(right, missing)
        zeros_left = missing - zeros_right
        waveform = F.pad(waveform, (zeros_left, zeros_right))
        left, right = left - zeros_left, right - zeros_right
    return F.pad(waveform, (left, right), mode="reflect")


FrontEnd = Waveform | FittedWaveform | Spectrogram


@singledispatch
def front_end(plan: object) -> FrontEnd:
    """The module of a branch's front end.

    Raises:
        TypeError: a front end without a module.
    """
    raise TypeError(f"no module for {type(plan).__name__}")


@front_end.register
def _(plan: Resolution) -> FrontEnd:
    return Spectrogram(plan)


@front_end.register
def _(plan: WaveformFront) -> FrontEnd:
    is_plain = not plan.fits and plan.options.resample == 1
    return Waveform() if is_plain else FittedWaveform(plan)


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
