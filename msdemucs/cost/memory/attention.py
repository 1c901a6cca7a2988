"""What attention blocks hold; mirrors `model.attention`."""

from msdemucs.cost.memory.parts import activation, convolve, group_norm, layer_norm, scale
from msdemucs.cost.memory.tape import Tape, Tensor
from msdemucs.spec.attention import AttentionOptions, BlockPlan
from msdemucs.spec.levels import Grid
from msdemucs.spec.operators import Convolution


def attend(tape: Tape, block: BlockPlan, grids: list[Grid], maps: list[Tensor]) -> list[Tensor]:
    """One use of a block: a map for each stream."""
    wide = [_adapt(tape, block, block.width, x, g) for x, g in zip(maps, grids, strict=True)]
    sequences = [_tokens(tape, block, x, grid) for x, grid in zip(wide, grids, strict=True)]
    for index in range(block.options.layers):
        is_cross = block.options.is_cross(index)
        others = sequences[::-1]
        sequences = [
            _layer(tape, block, own, other if is_cross else None)
            for own, other in zip(sequences, others, strict=True)
        ]
    return [
        _give_back(tape, block, grid, x, sequence)
        for grid, x, sequence in zip(grids, maps, sequences, strict=True)
    ]


def _adapt(tape: Tape, block: BlockPlan, width: int, x: Tensor, grid: Grid) -> Tensor:
    if block.width == block.channels:
        return x
    into = x.size // grid.positions
    return convolve(tape, Convolution(into, width, 1, grid.positions), x)


def _tokens(tape: Tape, block: BlockPlan, x: Tensor, grid: Grid) -> Tensor:
    in_order = x if grid.rows == 1 else tape.make(x.size, x)
    sequence = layer_norm(tape, in_order, block.width)
    return tape.apply(x.size, (), passed=(sequence,))


def _give_back(tape: Tape, block: BlockPlan, grid: Grid, x: Tensor, sequence: Tensor) -> Tensor:
    in_order = sequence if grid.rows == 1 else tape.make(sequence.size, sequence)
    new = _adapt(tape, block, block.channels, in_order, grid)
    if block.options.mix == "replace":
        return new
    return tape.apply(x.size, (x, new), kept=(x, new), parameters=1, extra=x.size)


def _layer(tape: Tape, block: BlockPlan, x: Tensor, other: Tensor | None) -> Tensor:
    options, width = block.options, block.width
    normed = layer_norm(tape, x, width)
    context = normed if other is None else layer_norm(tape, other, width)
    attended = _products(tape, options, width, normed, context)
    summed = scale(tape, x, attended, width)
    del attended
    if other is not None:  # its norms are temporary there
        del normed
        del context
    return _feed_forward(tape, options, width, summed)


def _linear(tape: Tape, width: int, features: int, x: Tensor) -> Tensor:
    return tape.apply(
        x.size // width * features, (x,), kept=(x,), parameters=width * features + features
    )


def _dropout(tape: Tape, options: AttentionOptions, x: Tensor) -> Tensor:
    if not (options.dropout and tape.is_training):
        return x
    noise = tape.make(x.size)
    return tape.apply(x.size, (x,), kept=(noise,))


def _products(
    tape: Tape, options: AttentionOptions, width: int, queries: Tensor, context: Tensor
) -> Tensor:
    q = _linear(tape, width, width, queries)
    k, v = _linear(tape, width, width, context), _linear(tape, width, width, context)
    if options.mechanism == "linear":
        attended = _linear_products(tape, options, width, q, k, v)
    elif options.dropout and tape.is_training:
        attended = _dropped_products(tape, options, width, q, k, v)
    else:
        statistics = tape.make(options.heads * q.size // width)
        attended = tape.keep(tape.apply(q.size, (q, k, v), kept=(q, k, v, statistics)))
        del statistics
    return _dropout(tape, options, _linear(tape, width, width, attended))


def _linear_products(
    tape: Tape, options: AttentionOptions, width: int, queries: Tensor, keys: Tensor, values: Tensor
) -> Tensor:
    q = tape.make(queries.size, tape.apply(queries.size, (queries,), kept=(queries,)))
    k = tape.make(keys.size, tape.apply(keys.size, (keys,), kept=(keys,)))
    per_head = width // options.heads
    memory = tape.apply(width * per_head, (k, values), kept=(k, values))
    total = tape.make(width, k)
    count = q.size // width * options.heads
    normaliser = tape.apply(count, (q, total), kept=(q, total))
    product = tape.apply(q.size, (q, memory), kept=(q, memory))
    divisor = tape.make(count, normaliser)
    attended = tape.apply(q.size, (product, divisor), kept=(product, divisor), extra=q.size)
    del product
    dropped = _dropout(tape, options, attended)
    return tape.make(dropped.size, dropped)  # heads side by side again


def _dropped_products(
    tape: Tape, options: AttentionOptions, width: int, queries: Tensor, keys: Tensor, values: Tensor
) -> Tensor:
    size = queries.size // width * (keys.size // width) * options.heads
    q, k = tape.make(queries.size, queries), tape.make(keys.size, keys)
    scores = tape.apply(size, (q, k), kept=(q, k))
    weights = tape.keep(tape.apply(size, (scores,)))
    del scores
    dropped = _dropout(tape, options, weights)
    attended = tape.apply(queries.size, (dropped, values), kept=(dropped, values))
    return tape.make(attended.size, attended)


def _feed_forward(tape: Tape, options: AttentionOptions, width: int, x: Tensor) -> Tensor:
    wide = int(width * options.ffn)
    hidden = _dropout(
        tape, options, activation(tape, _linear(tape, width, wide, layer_norm(tape, x, width)))
    )
    mapped = _dropout(tape, options, _linear(tape, wide, width, hidden))
    return group_norm(tape, scale(tape, x, mapped, width), width)
