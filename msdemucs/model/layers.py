"""One level of an encoder or decoder; the same for both kinds of branch."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.model.residual import ResidualBranch
from msdemucs.spec.plan import Axis, Cell


class EncoderCell(nn.Module):
    """Convolution with stride, GELU, residual branch, 1 × 1 rewrite with GLU.

    Source: Défossez 2021 (arXiv:2111.03600), section 3.1.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        c = cell.out_channels
        self.axis, self.stride = cell.axis, cell.stride
        self.conv = nn.Conv2d(
            cell.in_channels,
            c,
            cell.axis.along(cell.kernel_size),
            cell.axis.along(cell.stride),
            cell.axis.along(cell.padding, 0),
        )
        self.norm1 = _norm(cell, c)
        self.residual = _residual(cell, c)
        self.rewrite = nn.Conv2d(c, 2 * c, 1)
        self.norm2 = _norm(cell, 2 * c)

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C_out F_out T_out"]:
        """The axis shrinks by the stride, rounded up."""
        size = x.shape[2] if self.axis is Axis.ROWS else x.shape[3]
        rows, frames = self.axis.along(-size % self.stride, 0)
        y = F.gelu(self.norm1(self.conv(F.pad(x, (0, frames, 0, rows)))))
        return F.glu(self.norm2(self.rewrite(self.residual(y))), dim=1)


class DecoderCell(nn.Module):
    """Rewrite over neighbours with GLU, residual branch, transposed convolution, crop, GELU.

    Where nothing is normalised the crop is the transposed convolution's own padding; a norm takes
    its statistics before the crop, as in the reference.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        c = cell.in_channels
        context = (3, 3) if cell.axis is Axis.ROWS else (1, 3)
        self.axis, self.padding = cell.axis, cell.padding
        self.rewrite = nn.Conv2d(c, 2 * c, context, padding=(context[0] // 2, 1))
        self.norm1 = _norm(cell, 2 * c)
        self.residual = _residual(cell, c)
        self.conv = nn.ConvTranspose2d(
            c,
            cell.out_channels,
            cell.axis.along(cell.kernel_size),
            cell.axis.along(cell.stride),
        )
        self.norm2 = _norm(cell, cell.out_channels)
        self.activation = nn.Identity() if cell.is_outermost else nn.GELU()

    def forward(
        self, x: Float[Tensor, "B C F T"], skip: Float[Tensor, "B C F T"], size: int
    ) -> Float[Tensor, "B C_out F_out T_out"]:
        """The axis grows to `size`, what the encoder's level was given."""
        y = self.residual(F.glu(self.norm1(self.rewrite(x + skip)), dim=1))
        z = self.norm2(self.conv(y))
        dim = 2 if self.axis is Axis.ROWS else 3
        return self.activation(z.narrow(dim, self.padding, size))


def _norm(cell: Cell, channels: int) -> nn.Module:
    return nn.Identity() if cell.norm_groups is None else nn.GroupNorm(cell.norm_groups, channels)


def _residual(cell: Cell, channels: int) -> nn.Module:
    assert cell.residual is None or cell.residual.channels == channels
    return nn.Identity() if cell.residual is None else ResidualBranch(cell.residual, cell.axis)
