"""What levels, residual branches and LSTMs hold; mirrors `model`, module by module."""

from functools import reduce

from msdemucs.cost.memory.tape import Tape, Tensor
from msdemucs.spec.levels import DecoderLevel, EncoderLevel, Grid, ResidualPlan, Shift
from msdemucs.spec.operators import Convolution, TransposedConvolution


def encode(tape: Tape, level: EncoderLevel, maps: list[Tensor]) -> Tensor:
    """An encoder's level: one map for each of its convolutions; one map leaves."""
    pairs = list(zip(level.shifts, maps, strict=True))
    y = reduce(tape.add, [down(tape, shift, x) for shift, x in reversed(pairs)])
    act = activation(tape, level_norm(tape, y, level.norm_groups, level.output.channels))
    return rewrite(tape, level, level.output, residual(tape, level.residual, level.output, act))


def decode(tape: Tape, level: DecoderLevel, x: Tensor, skip: Tensor) -> list[Tensor]:
    """A decoder's level: one map for each of its exits."""
    grid = level.input
    y = residual(tape, level.residual, grid, rewrite(tape, level, grid, tape.add(x, skip)))
    return [up(tape, shift, level, y) for shift in level.shifts]


def down(tape: Tape, shift: Shift, x: Tensor) -> Tensor:
    """A strided convolution of what is filled up to a multiple of the stride."""
    missing = -shift.outer.along(shift.axis) % shift.multiple
    if missing:
        across = shift.outer.positions // shift.outer.along(shift.axis)
        x = tape.make(x.size + missing * across * shift.outer.channels, x)
    return convolve(tape, shift.convolution, x)


def up(tape: Tape, shift: Shift, level: DecoderLevel, x: Tensor) -> Tensor:
    """A transposed convolution, its norm, crop and activation."""
    is_normed = level.norm_groups is not None
    made = convolve(tape, shift.transposed(is_normed=is_normed), x)
    z = level_norm(tape, made, level.norm_groups, shift.outer.channels)
    del made
    cropped = tape.view(z, shift.outer.elements)
    return cropped if level.activation is None else activation(tape, cropped)


def convolve(
    tape: Tape, operator: Convolution | TransposedConvolution, x: Tensor, *, scratch: int = 0
) -> Tensor:
    """A convolution, transposed or not, with oneDNN's own copies of the weights.

    Forward it takes a copy in the maps' layout and one of that in its own; backward four, with the
    gradient.

    Args:
        tape: where it is noted.
        operator: what is computed.
        x: its input.
        scratch: values that the way back needs beside, for all items together.
    """
    made = operator.made if isinstance(operator, TransposedConvolution) else operator.positions
    weights = operator.parameters if operator.kernel > 1 else 0
    result = tape.apply(
        operator.out_channels * made,
        (x,),
        kept=(x,),
        parameters=operator.parameters,
        shared=max(scratch, 2 * operator.parameters + weights),
    )
    again = result.size if isinstance(operator, TransposedConvolution) else 0  # before reordering
    tape.scratch(again, 2 * weights)
    return result


def activation(tape: Tape, x: Tensor) -> Tensor:
    """GELU or ReLU."""
    return tape.apply(x.size, (x,), kept=(x,))


def glu(tape: Tape, x: Tensor) -> Tensor:
    """One half of the channels times the sigmoid of the other."""
    return tape.apply(x.size // 2, (x,), kept=(x,))


def level_norm(tape: Tape, x: Tensor, groups: int | None, channels: int) -> Tensor:
    """A norm over all positions, where there is one."""
    return x if groups is None else group_norm(tape, x, channels)


def group_norm(tape: Tape, x: Tensor, channels: int) -> Tensor:
    """A norm over positions and channels with an affine pair a channel; its way back centres x."""
    return tape.apply(x.size, (x,), kept=(x,), parameters=2 * channels, extra=x.size)


def layer_norm(tape: Tape, x: Tensor, channels: int) -> Tensor:
    """A norm of each position with an affine pair a channel."""
    return tape.apply(x.size, (x,), kept=(x,), parameters=2 * channels)


def scale(tape: Tape, x: Tensor, branch: Tensor, channels: int) -> Tensor:
    """A sum of a map and a branch times a gain a channel."""
    return tape.apply(
        x.size, (branch,), kept=(branch,), passed=(x,), parameters=channels, extra=x.size
    )


def rewrite(tape: Tape, level: EncoderLevel | DecoderLevel, grid: Grid, x: Tensor) -> Tensor:
    """A convolution to twice the channels, norm and GLU, where there is one."""
    if level.rewrite is None:
        return x
    c, taps = grid.channels, level.rewrite[0] * level.rewrite[1]
    operator = Convolution(c, 2 * c, taps, grid.positions)
    return glu(tape, level_norm(tape, convolve(tape, operator, x), level.norm_groups, 2 * c))


def residual(tape: Tape, plan: ResidualPlan | None, grid: Grid, x: Tensor) -> Tensor:
    """The residual branch of a level, where it has one."""
    result = x
    for _ in plan.dilations if plan else ():
        assert plan is not None
        result = _sub_layer(tape, plan, grid, result)
    return result


def _sub_layer(tape: Tape, plan: ResidualPlan, grid: Grid, x: Tensor) -> Tensor:
    c, h, positions = plan.channels, plan.hidden, grid.positions
    compress, expand = Convolution(c, h, 3, positions), Convolution(h, 2 * c, 1, positions)
    hidden = activation(tape, group_norm(tape, convolve(tape, compress, x), h))
    if plan.lstm:
        hidden = _spanned_lstm(tape, plan.lstm.layers, plan.lstm.span, grid, h, hidden)
    if plan.attention:
        hidden = _local_attention(tape, plan.attention.heads, grid, h, hidden)
    return scale(tape, x, glu(tape, group_norm(tape, convolve(tape, expand, hidden), 2 * c)), c)


def _spanned_lstm(
    tape: Tape, layers: int, span: int | None, grid: Grid, width: int, x: Tensor
) -> Tensor:
    copy = tape.make(x.size, x)
    if span is None or grid.frames <= span:
        return tape.add(copy, lstm(tape, layers, width, copy))
    count = -(-grid.frames // (span // 2))
    steps = grid.rows * count * span
    filled = tape.make(grid.rows * width * (count + 1) * (span // 2), copy)
    spans = tape.make(steps * width, filled)
    done = lstm(tape, layers, width, spans)
    middles = tape.make(steps * width // 2, tape.view(done, steps * width // 2))
    joined = tape.make(x.size, middles)
    return tape.add(copy, joined)


def lstm(tape: Tape, layers: int, width: int, x: Tensor) -> Tensor:
    """A bidirectional LSTM and the matrix after it.

    What oneDNN's LSTM needs beside its results was read off torch's allocator.
    """
    steps, y = x.size // width, x
    held = []  # every direction's result, as long as torch's function runs
    for layer in range(layers):
        inputs = width if layer == 0 else 2 * width
        directions = [_direction(tape, width, inputs, y) for _ in range(2)]
        held += directions
        y = tape.make(2 * steps * width, *directions)
    held.clear()
    in_order = tape.make(y.size, y)
    parameters = 2 * width * width + width
    return tape.apply(steps * width, (in_order,), kept=(in_order,), parameters=parameters)


def _direction(tape: Tape, width: int, inputs: int, x: Tensor) -> Tensor:
    steps = x.size // inputs
    parameters = 4 * width * (inputs + width + 2)
    if not tape.is_training:
        result = tape.make(steps * width)
        tape.scratch(steps * 2 * (width + inputs), parameters)
        return result
    state = tape.make(steps * (9 * width + 6 * inputs))
    gates = 4 * steps * width
    result = tape.apply(
        steps * width, (x,), kept=(x, state), parameters=parameters, extra=2 * parameters + gates
    )
    tape.scratch(parameters + gates)
    return tape.keep(result)


def _local_attention(tape: Tape, heads: int, grid: Grid, width: int, x: Tensor) -> Tensor:
    positions, frames = grid.positions, grid.frames
    copy = tape.make(x.size, x)

    def linear(features: int) -> Tensor:
        return tape.apply(
            features * positions, (copy,), kept=(copy,), parameters=width * features + features
        )

    q, k = linear(width), linear(width)
    size = grid.rows * heads * frames * frames
    product = tape.apply(size, (q, k), kept=(q, k))
    scores = tape.make(size, product)
    del product
    distance = tape.make(2 * frames * frames)  # of 64-bit integers
    slopes = linear(heads)
    scores = tape.make(size, scores, tape.apply(size, (slopes,), kept=(distance,), extra=size))
    scores = tape.make(size, scores)
    content = linear(width)
    weights = tape.keep(tape.apply(size, (scores,)))
    attended = tape.apply(x.size, (weights, content), kept=(weights, content))
    out = tape.apply(x.size, (attended,), kept=(attended,), parameters=width * width + width)
    return tape.add(copy, out)
