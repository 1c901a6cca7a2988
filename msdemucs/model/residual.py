"""Residual branches of dilated convolutions inside a level (DConv)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.spec.plan import Axis, ResidualPlan


class LayerScale(nn.Module):
    """A learned gain a channel, small at first, so that a residual branch begins as almost nothing.

    Source: Touvron et al. 2021 (Going deeper with image transformers), section 2.
    """

    def __init__(self, channels: int, init: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((channels,), init))

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C F T"]:
        """Each channel times its gain."""
        return self.gain[:, None, None] * x


class RowNorm(nn.Module):
    """Normalisation of each row over channels and frames, with a gain and bias a channel.

    It is GroupNorm with one group on maps whose rows are items of their own.
    """

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.epsilon = epsilon

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C F T"]:
        """Zero mean and unit variance in each row, then the affine pair."""
        variance, mean = torch.var_mean(x, dim=(1, 3), correction=0, keepdim=True)  # [B, 1, F, 1]
        scale = torch.rsqrt(variance + self.epsilon) * self.weight[:, None, None]  # [B, C, F, 1]
        return torch.addcmul(self.bias[:, None, None] - mean * scale, x, scale)


class ResidualBranch(nn.Sequential):
    """Sub-layers dilated by 1, 2, 4 …, each added to what enters it."""

    def __init__(self, plan: ResidualPlan, axis: Axis) -> None:
        super().__init__(*(SubLayer(plan, axis, dilation) for dilation in plan.dilations))


class SubLayer(nn.Module):
    """x + gain · GLU(norm(expand(GELU(norm(compress(x))))), convolving along frames.

    Source: Défossez 2021 (arXiv:2111.03600), section 3.2.
    """

    def __init__(self, plan: ResidualPlan, axis: Axis, dilation: int) -> None:
        super().__init__()
        c, h = plan.channels, plan.hidden
        self.compress = nn.Conv2d(c, h, (1, 3), dilation=(1, dilation), padding=(0, dilation))
        self.norm1 = _norm(h, axis)
        self.expand = nn.Conv2d(h, 2 * c, 1)
        self.norm2 = _norm(2 * c, axis)
        self.scale = LayerScale(c, plan.init)

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C F T"]:
        """Same size as the input."""
        hidden = F.gelu(self.norm1(self.compress(x)))
        return x + self.scale(F.glu(self.norm2(self.expand(hidden)), dim=1))


def _norm(channels: int, axis: Axis) -> nn.Module:
    """Rows are items of their own; a waveform has one row, and torch's fused norm does the same."""
    return RowNorm(channels) if axis is Axis.ROWS else nn.GroupNorm(1, channels)
