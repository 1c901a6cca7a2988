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
def activations(operator: Operator) -> int:
    """Values of an operator's result, which training keeps for the way back."""
    return elementwise(operator)


@activations.register(Convolution)
def _(operator: Convolution) -> int:
    return operator.out_channels * operator.positions


@activations.register
def _(operator: TransposedConvolution) -> int:
    return operator.out_channels * operator.made


@activations.register
def _(operator: Filter) -> int:
    return operator.positions


@activations.register
def _(operator: Linear) -> int:
    return operator.out_features * operator.positions


@activations.register
def _(operator: Recurrent) -> int:
    # of each layer and direction: four gates, the cell and the output
    return 12 * operator.width * operator.layers * operator.steps


@activations.register
def _(operator: AttentionProducts) -> int:
    result = operator.sequences * operator.queries * operator.width
    if operator.mechanism == "local":  # the scores are kept too
        return result + operator.sequences * operator.queries * operator.keys * operator.heads
    return result


@activations.register
def _(operator: Fourier) -> int:
    return operator.n_fft * operator.frames
