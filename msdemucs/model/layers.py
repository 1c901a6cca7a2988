"""One level of an encoder or decoder; the same for every branch and for the merged trunk."""

from functools import reduce

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.model.norms import GroupNorm
from msdemucs.model.residual import ResidualBranch, glu
from msdemucs.spec.levels import Axis, DecoderLevel, EncoderLevel, Level, Shift
from msdemucs.spec.schema import Activation

ACTIVATIONS: dict[Activation | None, type[nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    None: nn.Identity,
}


class Down(nn.Module):
    """A convolution with a stride along one axis, which is filled up to a multiple of it first."""

    def __init__(self, plan: Shift) -> None:
        super().__init__()
        self.axis, self.multiple = plan.axis, plan.multiple
        self.conv = nn.Conv2d(
            plan.outer.channels,
            plan.inner.channels,
            plan.axis.along(plan.kernel_size),
            plan.axis.along(plan.stride),
            plan.axis.along(plan.padding, 0),
        )

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C_in F_in T_in"]:
        """The axis shrinks by the stride."""
        missing = -size_along(x, self.axis) % self.multiple
        if missing:
            rows, frames = self.axis.along(missing, 0)
            x = F.pad(x, (0, frames, 0, rows))
        return self.conv(x)


class Up(nn.Module):
    """A transposed convolution with a stride along one axis, norm, crop and activation.

    A norm takes its statistics before the crop, as in the reference.
    """

    def __init__(self, plan: Shift, level: DecoderLevel) -> None:
        super().__init__()
        # what no norm looks at need not be made: the convolution's own padding crops both ends
        self.axis = plan.axis
        self.padding = 0 if plan.is_even and level.norm_groups is None else plan.padding
        self.conv = nn.ConvTranspose2d(
            plan.inner.channels,
            plan.outer.channels,
            plan.axis.along(plan.kernel_size),
            plan.axis.along(plan.stride),
            plan.axis.along(plan.padding - self.padding, 0),
        )
        self.norm = _norm(level, plan.outer.channels)
        self.activation = ACTIVATIONS[level.activation]()

    def forward(self, x: Float[Tensor, "B C F T"], size: int) -> Float[Tensor, "B C_o F_o T_o"]:
        """The axis grows to `size`, what the encoder's level was given."""
        z = self.norm(self.conv(x))
        if size_along(z, self.axis) != size:  # to cut nothing off would still copy the gradient
            crop = slice(self.padding, self.padding + size)
            z = z[:, :, crop] if self.axis is Axis.ROWS else z[..., crop]
        return self.activation(z)


class EncoderCell(nn.Module):
    """Convolution with stride, GELU, residual branch, rewrite with GLU.

    Where branches merge each has a convolution of its own, and their results are added.
    Source: Défossez 2021 (arXiv:2111.03600), section 3.1.
    """

    def __init__(self, level: EncoderLevel) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Down(shift) for shift in level.shifts)
        self.norm = _norm(level, level.output.channels)
        self.activation = ACTIVATIONS[level.activation]()
        self.residual = _residual(level)
        self.rewrite = _rewrite(level)

    def forward(self, *maps: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C_in F_in T_in"]:
        """One map for each convolution; one map leaves."""
        pairs = list(zip(self.convs, maps, strict=True))
        y = reduce(torch.add, [conv(x) for conv, x in reversed(pairs)])  # the waveform's first
        return self.rewrite(self.residual(self.activation(self.norm(y))))


class DecoderCell(nn.Module):
    """Rewrite over neighbours with GLU, residual branch, transposed convolution, GELU.

    Where the trunk splits, each branch has a transposed convolution of its own.
    """

    def __init__(self, level: DecoderLevel) -> None:
        super().__init__()
        self.rewrite = _rewrite(level)
        self.residual = _residual(level)
        self.ups = nn.ModuleList(Up(shift, level) for shift in level.shifts)

    def forward(
        self, x: Float[Tensor, "B C F T"], skip: Float[Tensor, "B C F T"], *sizes: int
    ) -> list[Tensor]:
        """A map for each size, what the encoder's level was given."""
        y = self.residual(self.rewrite(x + skip))
        return [up(y, size) for up, size in zip(self.ups, sizes, strict=True)]


class Rewrite(nn.Module):
    """A convolution over neighbours to twice the channels, norm, GLU."""

    def __init__(self, level: Level, channels: int, taps: tuple[int, int]) -> None:
        super().__init__()
        padding = (taps[0] // 2, taps[1] // 2)
        self.conv = nn.Conv2d(channels, 2 * channels, taps, padding=padding)
        self.norm = _norm(level, 2 * channels)

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C F T"]:
        """Same size as the input."""
        return glu(self.norm(self.conv(x)))


def size_along(x: Float[Tensor, "B C F T"], axis: Axis) -> int:
    """Rows or frames of a map."""
    return x.shape[2] if axis is Axis.ROWS else x.shape[3]


def _norm(level: Level, channels: int) -> nn.Module:
    return nn.Identity() if level.norm_groups is None else GroupNorm(level.norm_groups, channels)


def _rewrite(level: Level) -> nn.Module:
    channels = level.shifts[0].inner.channels
    return nn.Identity() if level.rewrite is None else Rewrite(level, channels, level.rewrite)


def _residual(level: Level) -> nn.Module:
    if level.residual is None:
        return nn.Identity()
    return ResidualBranch(level.residual)
