"""One formula a primitive operator: the multiply-accumulates (MACs) that it needs.

A MAC is one multiplication whose result is added to something; FLOPs are 2 × MACs. Counted are
convolutions, transposed convolutions (at their input's positions: what a later crop throws away
was computed), linear layers, LSTMs, resamplers' filters and the products inside attention. Norms,
activations, gains, tables and additions are elementwise and are counted apart, in elements;
Fourier transforms apart too.
"""

import math
from functools import singledispatch

from msdemucs.spec.operators import (
    AttentionProducts,
    Convolution,
    Filter,
    Fourier,
    Linear,
    Mix,
    Normalisation,
    Operator,
    Pointwise,
    Recurrent,
    Scale,
    Table,
    TransposedConvolution,
)


@singledispatch
def macs(operator: Operator) -> int:
    """The MACs of one operator; 0 for elementwise work and transforms, which are counted apart.

    Raises:
        TypeError: an operator without a formula.
    """
    raise TypeError(f"no formula for {type(operator).__name__}")


@macs.register
def _(operator: Convolution) -> int:
    per_position = operator.in_channels // operator.groups * operator.out_channels * operator.kernel
    return per_position * operator.positions


@macs.register
def _(operator: TransposedConvolution) -> int:
    return operator.in_channels * operator.out_channels * operator.kernel * operator.positions


@macs.register
def _(operator: Linear) -> int:
    return operator.in_features * operator.out_features * operator.positions


@macs.register
def _(operator: Filter) -> int:
    return operator.taps * operator.positions


@macs.register
def _(operator: Recurrent) -> int:
    # four gates of what comes in and of what was, in both directions
    gates = 8 * operator.width
    return operator.steps * sum(gates * (inputs + operator.width) for inputs in operator.inputs)


@macs.register
def _(operator: AttentionProducts) -> int:
    if operator.mechanism != "linear":
        # scores q·k and their sums over values, over all heads
        return operator.sequences * 2 * operator.queries * operator.keys * operator.width
    # φ(k)ᵀv of every key, φ(q) times that, and φ(q) times the sum of keys (its normaliser)
    per_head = operator.width // operator.heads
    products = (operator.keys + operator.queries) * operator.width * per_head
    return operator.sequences * (products + operator.queries * operator.width)


@macs.register(Normalisation)
@macs.register(Scale)
@macs.register(Table)
@macs.register(Mix)
@macs.register(Fourier)
@macs.register(Pointwise)
def _(operator: Operator) -> int:  # noqa: ARG001
    return 0


def elementwise(operator: Operator) -> int:
    """Values touched by norms, gains, tables and mixes."""
    if isinstance(operator, Normalisation | Scale | Table | Mix):
        return operator.elements
    return 0


def transform_flops(operator: Operator) -> int:
    """Floating-point operations of the real Fourier transforms: 2.5 n log2 n each.

    Source: half of the usual 5 n log2 n of a complex radix-2 transform (Cooley and Tukey 1965).
    """
    if not isinstance(operator, Fourier):
        return 0
    return round(2.5 * operator.n_fft * math.log2(operator.n_fft)) * operator.frames


@singledispatch
def result(operator: Operator) -> int:
    """Values that an operator makes."""
    return elementwise(operator)


@result.register(Convolution)
def _(operator: Convolution) -> int:
    return operator.out_channels * operator.positions


@result.register
def _(operator: TransposedConvolution) -> int:
    return operator.out_channels * operator.made


@result.register
def _(operator: Filter) -> int:
    return operator.positions


@result.register
def _(operator: Linear) -> int:
    return operator.out_features * operator.positions


@result.register
def _(operator: Recurrent) -> int:
    return 2 * operator.width * operator.steps


@result.register
def _(operator: AttentionProducts) -> int:
    return operator.sequences * operator.queries * operator.width


@result.register
def _(operator: Fourier) -> int:
    return operator.n_fft * operator.frames


@result.register
def _(operator: Pointwise) -> int:
    return operator.elements


@singledispatch
def activations(operator: Operator) -> int:
    """Values that training keeps of an operator for the way back: its result, unless said here."""
    return result(operator)


@activations.register(Recurrent)
def _(operator: Recurrent) -> int:
    # fitted to oneDNN's, within 4 %: of every direction the gates, what enters and the states, in
    # rows of whole blocks, then what leaves
    return (
        2
        * operator.steps
        * sum(
            3 * blocks(4 * operator.width) // 2
            + 5 * blocks(inputs)
            + 2 * blocks(operator.width)
            + 6 * operator.width
            for inputs in operator.inputs
        )
    )


@activations.register
def _(operator: AttentionProducts) -> int:
    made, sequences = result(operator), operator.sequences
    if operator.mechanism == "local":  # weights, and distances as 64-bit integers
        return made + (sequences * operator.heads + 2) * operator.queries * operator.keys
    if (
        operator.mechanism == "linear"
    ):  # φ of queries and keys, and the sums before they are divided
        return 3 * made + sequences * operator.keys * operator.width
    return made


BLOCK = 16
"""float32 values that oneDNN has side by side with AVX-512."""


def blocks(size: int) -> int:
    """Values in whole blocks."""
    return -(-size // BLOCK) * BLOCK
