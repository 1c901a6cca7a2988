"""Front ends: mixture → features of a branch, and features → estimates."""

from functools import reduce, singledispatch

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from torch import Tensor, nn

from msdemucs.model.resampling import Resampler
from msdemucs.spec.plan import WaveformFront
from msdemucs.spec.schema import Resolution


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
        windows = torch.fft.irfft(with_nyquist(pairs), norm="ortho")  # [B, C, T, n_fft]
        waveforms = overlap_add(windows * self.window, self.hop_length, self.envelope)
        return waveforms[..., self.left : self.left + n_samples]


def with_nyquist(pairs: Float[Tensor, "B C T F 2"]) -> Complex[Tensor, "B C T G"]:
    """The complex spectrum of G = F + 1 rows, the last one zero."""
    # padding also brings real and imaginary parts side by side: one copy for both
    return torch.view_as_complex(F.pad(pairs, (0, 0, 0, 1)).contiguous())


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
