"""Group norms of maps that are channels last, exact to float32's rounding on the CPU too."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

EPSILON = 1e-5
CHUNK = 8192
"""Values of which moments are taken at once, at least where there are as many."""

LAST = torch.channels_last


class GroupNorm(nn.GroupNorm):
    """Zero mean and unit variance of each group of channels, then a gain and bias a channel."""

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C F T"]:
        """Same size as the input."""
        return group_norm(x, self.num_groups, self.weight, self.bias)


def group_norm(
    x: Float[Tensor, "B C F T"], groups: int, weight: Float[Tensor, " C"], bias: Float[Tensor, " C"]
) -> Float[Tensor, "B C F T"]:
    """Normalise as torch's function does, without its loss of digits on the CPU.

    For maps that are channels last torch's kernel takes the variance as E[x²] − E[x]² and adds up
    value by value: up to three digits of a float32 are lost on long or nearly constant maps.
    """
    is_exact = x.device.type == "cpu" and x.dtype == torch.float32
    if is_exact and not torch.compiler.is_exporting():
        return _ExactGroupNorm.apply(x, groups, weight, bias)  # type: ignore[no-untyped-call]
    return torch.group_norm(x, groups, weight, bias, EPSILON)


class _ExactGroupNorm(torch.autograd.Function):
    """Moments of chunks by the kernel of layer norms, which are exact, put together."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, groups: int, weight: Tensor, bias: Tensor) -> Tensor:
        x = x.contiguous(memory_format=LAST)
        B, C, F_, T = x.shape
        chunks = _chunks(x, groups)  # [B, K, G, L]
        # its normalised chunks are not used, but the room that they take is
        room, means, rstds = torch.native_layer_norm(chunks, [chunks.shape[-1]], None, None, 0.0)
        mean = means.mean(1)  # [B, G, 1]
        variance = (rstds.pow(-2) + (means - mean[:, None]).square()).mean(1)
        rstd = (variance + EPSILON).rsqrt()
        gain = rstd * weight.view(groups, -1)  # [B, G, C / G]
        offset = bias.view(groups, -1) - mean * gain
        y = room.view(B, F_ * T, C)
        values = x.permute(0, 2, 3, 1).reshape(B, F_ * T, C)
        torch.addcmul(offset.view(B, 1, C), values, gain.view(B, 1, C), out=y)
        ctx.groups = groups
        ctx.save_for_backward(x, mean[..., 0], rstd[..., 0], weight)
        return y.view(B, F_, T, C).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, weight = ctx.saved_tensors
        B, C, F_, T = x.shape
        gradient = gradient.contiguous(memory_format=LAST)
        # torch's kernel subtracts sums of values times the mean from each other: with none, exactly
        means = mean[..., None].expand(B, ctx.groups, C // ctx.groups).reshape(B, C, 1, 1)
        dx, dweight, dbias = torch.ops.aten.native_group_norm_backward(
            *(gradient, x - means, torch.zeros_like(mean), rstd, weight),
            *(B, C, F_ * T, ctx.groups, [True] * 3),
        )
        return dx, None, dweight, dbias


def _chunks(x: Float[Tensor, "B C F T"], groups: int) -> Float[Tensor, "B K G L"]:
    """The values of each group in chunks of one size that each lie in one piece."""
    B, C, F_, T = x.shape
    values = x.permute(0, 2, 3, 1)
    if groups > 1:
        return values.reshape(B, F_ * T, groups, C // groups)
    size = F_ * T * C
    count = math.gcd(size, 1 << max(0, (size // CHUNK).bit_length() - 1))
    return values.reshape(B, count, 1, size // count)
