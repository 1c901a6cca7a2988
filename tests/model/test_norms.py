"""Norms against float64: long maps, means far from zero, and maps of a lone value."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from msdemucs.model.attention import SequenceNorm
from msdemucs.model.layers import RowNorm
from msdemucs.model.norms import GroupNorm

CHANNELS = 8
Size = tuple[int, ...]

LONG: list[tuple[Callable[[], nn.Module], Size, int]] = [
    (lambda: RowNorm(CHANNELS), (1, CHANNELS, 1, 441000), 1),
    (lambda: RowNorm(7), (1, 7, 3, 10007), 1),  # odd: one chunk a row
    (lambda: GroupNorm(4, CHANNELS), (1, CHANNELS, 16, 6891), 4),
    (lambda: SequenceNorm(CHANNELS), (1, 441000, CHANNELS), 1),
]
LONG_IDS = ["row", "rows", "groups", "sequence"]


@pytest.mark.parametrize("mean", [0.0, 100.0])
@pytest.mark.parametrize(("make", "size", "groups"), LONG, ids=LONG_IDS)
def test_long_maps_are_normalised_as_in_float64(
    make: Callable[[], nn.Module], size: Size, groups: int, mean: float
) -> None:
    norm, x = _moved(make()), torch.randn(size) + mean
    if x.dim() == 4:
        x = x.contiguous(memory_format=torch.channels_last)
    found, wanted = _with_gradients(norm, x), _reference(norm, x, groups)
    # a float32 near 100 has steps of 7.6e-6: the mean and each product are rounded to them
    assert _share(found[0], wanted[0]) < (3e-7 if mean == 0 else 1e-5)
    for ours, right in zip(found[1:], wanted[1:], strict=True):
        assert _share(ours, right) < (5e-5 if mean == 0 else 5e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("norm", [RowNorm(1), GroupNorm(1, 1)], ids=["row", "group"])
def test_a_lone_value_becomes_the_bias(norm: nn.Module, dtype: torch.dtype) -> None:
    norm.to(dtype)
    bias = norm.bias
    assert isinstance(bias, Tensor)
    with torch.no_grad():
        bias.fill_(0.5)
        assert norm(torch.full((1, 1, 1, 1), 3.0, dtype=dtype)).item() == 0.5


def test_a_constant_map_becomes_the_bias() -> None:
    norm = _moved(RowNorm(4))
    x = torch.full((2, 4, 3, 5000), 7.3, requires_grad=True)
    y = norm(x)
    # the mean's last digit, divided by the deviation that EPSILON stands for
    torch.testing.assert_close(
        y, norm.get_parameter("bias")[:, None, None].expand_as(y), rtol=0, atol=1e-3
    )
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.slow
def test_an_exported_norm_is_one_operator_that_learns() -> None:
    norm, x = _moved(RowNorm(4)), torch.randn(1, 4, 3, 50)
    exported = torch.export.export(norm, (x,)).module()
    y = exported(x)
    torch.testing.assert_close(y, norm(x))
    y.square().sum().backward()
    assert all(parameter.grad is not None for parameter in exported.parameters())


def _moved(norm: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.normal_()
    return norm


def _with_gradients(norm: nn.Module, x: Tensor) -> list[Tensor]:
    """The result, and gradients of the input, the gain and the bias from one random direction."""
    x = x.detach().requires_grad_()
    y = norm(x)
    gradients = torch.autograd.grad(y, [x, *norm.parameters()], _direction(y))
    return [y.detach(), *gradients]


def _reference(norm: nn.Module, x: Tensor, groups: int) -> list[Tensor]:
    """The same by the formula, in float64 on contiguous maps whose second axis is channels."""
    weight, bias = (parameter.detach().double().requires_grad_() for parameter in norm.parameters())
    x = x.detach().double().contiguous().requires_grad_()
    is_sequence = x.dim() == 3
    maps = x.transpose(1, 2) if is_sequence else x
    parts = torch.split(maps, 1, dim=2) if isinstance(norm, RowNorm) else [maps]
    normed = [torch.group_norm(part, groups, weight, bias, 1e-5) for part in parts]
    y = torch.cat(normed, dim=2)
    y = y.transpose(1, 2) if is_sequence else y
    gradients = torch.autograd.grad(y, [x, weight, bias], _direction(y))
    return [y.detach(), *gradients]


def _direction(y: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(y.shape, generator=generator).to(y.dtype) + 0.1


def _share(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).abs().max() / wanted.abs().max())
