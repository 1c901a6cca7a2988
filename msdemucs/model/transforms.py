"""Front ends: mixture → features of a branch, and features → estimates."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.spec import Resolution


class Waveform(nn.Module):
    """The waveform branch's front end: samples are the frames of a map with a single row."""

    def analyse(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B A 1 N"]:
        """The mixture as a feature map."""
        return mixture[:, :, None]

    def synthesise(
        self, features: Float[Tensor, "B C 1 N"], n_samples: int
    ) -> Float[Tensor, "B C N"]:
        """The feature map as waveforms."""
        return features[:, :, 0, :n_samples]


class Spectrogram(nn.Module):
    """Short-time Fourier transform with complex values as channels, and its inverse.

    Frames number T = ceil(N / hop_length): both ends are reflected by (n_fft − hop_length) / 2
    samples, so that frames line up with the strides of the waveform branch. The Nyquist row is
    dropped: F = n_fft / 2. The inverse divides by the steady sum of squared windows, so that the
    outermost (n_fft − hop_length) / 2 samples of an untouched spectrogram come back attenuated;
    the waveform branch fills them in.

    Source: Défossez 2021 (arXiv:2111.03600), section 3.1.
    """

    window: Tensor
    envelope: Tensor

    def __init__(self, resolution: Resolution) -> None:
        super().__init__()
        self.n_fft, self.hop_length = resolution.n_fft, resolution.hop_length
        self.pad = (self.n_fft - self.hop_length) // 2
        window = torch.hann_window(self.n_fft)
        envelope = window.square().view(-1, self.hop_length).sum(0)
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("envelope", envelope, persistent=False)

    def analyse(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B A2 F T"]:
        """Channels are audio channel by audio channel, its real part then its imaginary part."""
        B, A, N = mixture.shape
        frames = -(-N // self.hop_length)
        padded = reflect(mixture.float(), self.pad, self.pad + frames * self.hop_length - N)
        windows = padded.unfold(-1, self.n_fft, self.hop_length) * self.window  # [B, A, T, n_fft]
        spectrum = torch.fft.rfft(windows, norm="ortho")[..., :-1]  # [B, A, T, F]
        parts = torch.view_as_real(spectrum).permute(0, 1, 4, 3, 2)  # [B, A, 2, F, T]
        return parts.reshape(B, 2 * A, self.n_fft // 2, frames)

    def synthesise(
        self, features: Float[Tensor, "B C2 F T"], n_samples: int
    ) -> Float[Tensor, "B C N"]:
        """Pairs of channels are real and imaginary parts; each pair becomes one waveform."""
        B, C2, F_, T = features.shape
        parts = features.float().view(B, C2 // 2, 2, F_, T).permute(0, 1, 4, 3, 2)
        spectrum = F.pad(torch.view_as_complex(parts.contiguous()), (0, 1))  # the Nyquist row
        windows = torch.fft.irfft(spectrum, norm="ortho") * self.window  # [B, C, T, n_fft]
        waveforms = overlap_add(windows, self.hop_length, self.envelope)
        return waveforms[..., self.pad : self.pad + n_samples]


def overlap_add(
    windows: Float[Tensor, "B C T W"], hop_length: int, envelope: Float[Tensor, " H"]
) -> Float[Tensor, "B C N"]:
    """Windows added at their hops and divided by the envelope, a function of the hop's sample."""
    overlap = windows.shape[-1] // hop_length
    hops = windows.view(*windows.shape[:3], overlap, hop_length)  # [B, C, T, overlap, H]
    shifted = [F.pad(hops[..., i, :], (0, 0, i, overlap - 1 - i)) for i in range(overlap)]
    total = torch.stack(shifted).sum(0) / envelope  # [B, C, T + overlap - 1, H]
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
