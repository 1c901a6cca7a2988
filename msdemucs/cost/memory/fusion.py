"""What fusions of resolutions hold; mirrors `model.fusion`."""

from collections.abc import Sequence
from functools import singledispatch

from msdemucs.cost.formulas import activations
from msdemucs.cost.memory.parts import activation, convolve
from msdemucs.cost.memory.tape import Tape, Tensor
from msdemucs.spec.fusion import (
    ConvolutionOutput,
    Estimates,
    OutputOptions,
    PerSourceOutput,
    SumOutput,
    TimeUNet2DOutput,
    WeightedOutput,
)
from msdemucs.spec.levels import Grid
from msdemucs.spec.operators import Convolution, Operator


def fuse(tape: Tape, grids: Sequence[Grid], maps: Sequence[Tensor]) -> Tensor:
    """The resolutions' maps resized to the middle one's size and averaged."""
    middle = grids[len(grids) // 2]
    parts = [
        tape.apply(middle.elements, (one,), kept=(one,), extra=middle.elements)
        for one in (_resize(tape, x, middle) for x in maps)
    ]
    stacked = tape.apply(sum(part.size for part in parts), (), passed=tuple(parts))
    return tape.apply(middle.elements, (), passed=(stacked,))


def give_back(tape: Tape, grids: Sequence[Grid], maps: Sequence[Tensor], x: Tensor) -> list[Tensor]:
    """A mean of what each resolution was and what became of all."""
    resized = (_resize(tape, x, grid) for grid in grids)
    return [
        tape.apply(old.size, (old, new), kept=(old, new), extra=old.size)
        for old, new in zip(maps, resized, strict=True)
    ]


def _resize(tape: Tape, x: Tensor, grid: Grid) -> Tensor:
    return x if x.size == grid.elements else tape.make(grid.elements, x)


@singledispatch
def fuse_estimates(options: OutputOptions, tape: Tape, estimates: Estimates, x: Tensor) -> Tensor:
    """One estimate of each source.

    A kind without a description of its own is taken as a chain of its operators, each of which
    keeps what it is given.
    """
    result = x
    for operator in options.operators(estimates):
        result = _unknown(tape, operator, result)
    return tape.make(x.size // estimates.resolutions, result)


def _unknown(tape: Tape, operator: Operator, x: Tensor) -> Tensor:
    return tape.apply(activations(operator), (x,), kept=(x,), parameters=operator.parameters)


@fuse_estimates.register
def _(options: SumOutput, tape: Tape, estimates: Estimates, x: Tensor) -> Tensor:  # noqa: ARG001
    return tape.apply(x.size // estimates.resolutions, (), passed=(x,))


@fuse_estimates.register(WeightedOutput)
@fuse_estimates.register(PerSourceOutput)
def _(options: OutputOptions, tape: Tape, estimates: Estimates, x: Tensor) -> Tensor:  # noqa: ARG001
    weighted = tape.apply(x.size, (x,), kept=(x,), parameters=1, extra=x.size)
    return tape.apply(x.size // estimates.resolutions, (), passed=(weighted,))


@fuse_estimates.register
def _(options: ConvolutionOutput, tape: Tape, estimates: Estimates, x: Tensor) -> Tensor:
    (operator,) = options.operators(estimates)
    assert isinstance(operator, Convolution)
    return convolve(tape, operator, tape.make(x.size, x))


@fuse_estimates.register
def _(options: TimeUNet2DOutput, tape: Tape, estimates: Estimates, x: Tensor) -> Tensor:
    stacked = y = tape.make(x.size, x)
    skips = []
    operators = options.operators(estimates)
    for index, operator in enumerate(operators):
        assert isinstance(operator, Convolution)
        if index < options.depth:
            y = _convolve_activated(tape, options, operator, y)
            skips.append(y)
        else:
            y = _convolve_activated(tape, options, operator, tape.add(y, skips.pop()))
    del stacked
    return y


def _convolve_activated(
    tape: Tape, options: TimeUNet2DOutput, operator: Convolution, x: Tensor
) -> Tensor:
    y = convolve(tape, operator, x, scratch=_columns(operator, x))
    return activation(tape, y) if options.activation == "gelu" else y


def _columns(operator: Convolution, x: Tensor) -> int:
    """What oneDNN lays out for the gradient of a map that is not channels last.

    All that every position looks at, unless that is too much; the bounds were read off torch 2.11's
    allocator.
    """
    seen = operator.in_channels * operator.kernel * operator.positions
    made = operator.out_channels * operator.positions
    return seen if 4 * seen <= 2**30 and seen <= 15 * (x.size + made) else 0
