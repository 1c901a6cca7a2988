"""One formula a primitive operator: the multiply-accumulates (MACs) that it needs.

A MAC is one multiplication whose result is added to something; FLOPs are 2 × MACs. Counted are
convolutions, transposed convolutions (at their input's positions: what a later crop throws away
was computed), linear layers and the products inside attention. Norms, activations, gains, tables
and additions are elementwise and are counted apart, in elements; Fourier transforms apart too.
"""

import math
from functools import singledispatch

from msdemucs.spec.operators import (
    AttentionProducts,
    Convolution,
    Fourier,
    Linear,
    Mix,
    Normalisation,
    Operator,
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
def _(operator: AttentionProducts) -> int:
    if operator.mechanism == "softmax":
        # scores q·k and their sums over values, over all heads
        return 2 * operator.queries * operator.keys * operator.width
    # φ(k)ᵀv of every key, φ(q) times that, and φ(q) times the sum of keys (its normaliser)
    per_head = operator.width // operator.heads
    products = (operator.keys + operator.queries) * operator.width * per_head
    return products + operator.queries * operator.width


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
