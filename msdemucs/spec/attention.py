"""Attention blocks: how tokens of the branches look at each other."""

from abc import abstractmethod
from typing import Annotated, Literal

from pydantic import Field

from msdemucs.spec.base import Section
from msdemucs.spec.operators import (
    AttentionProducts,
    Linear,
    Normalisation,
    Operator,
    Scale,
)

Mechanism = Literal["softmax", "linear"]


class AttentionOptions(Section):
    """What every kind of attention block has."""

    mechanism: Mechanism = "softmax"
    """softmax: scaled dot products (Vaswani et al. 2017), quadratic in tokens; linear: the feature
    map ELU + 1 in place of the exponential (Katharopoulos et al. 2020), linear in tokens."""
    layers: Annotated[int, Field(ge=1, le=64)] = 5
    """Transformer layers of each stream."""
    heads: Annotated[int, Field(ge=1)] = 8
    """Attention heads; they must divide the width, which is the deepest level's channels."""
    ffn: Annotated[float, Field(gt=0)] = 4.0
    """Width of the feed-forward layer, as a multiple of the block's width."""

    @abstractmethod
    def is_cross(self, layer: int) -> bool:
        """Whether a layer, counted from 0, attends to the other stream."""


class Alternating(AttentionOptions):
    """Layers alternate between self- and cross-attention of the spectral and waveform streams.

    Source: Rouard et al. 2023 (Hybrid Transformers for Music Source Separation), section 3.
    """

    kind: Literal["alternating"] = "alternating"

    def is_cross(self, layer: int) -> bool:
        """Odd layers cross."""
        return layer % 2 == 1


class SelfOnly(AttentionOptions):
    """Each stream attends to itself alone; works with one branch as well."""

    kind: Literal["self"] = "self"

    def is_cross(self, layer: int) -> bool:  # noqa: ARG002
        """No layer crosses."""
        return False


Attention = Annotated[Alternating | SelfOnly, Field(discriminator="kind")]


def block_operators(
    options: AttentionOptions, width: int, tokens: tuple[int, ...]
) -> tuple[Operator, ...]:
    """The operators of one block over one or two streams.

    Args:
        options: the block.
        width: features of a token.
        tokens: tokens of each stream.
    """
    operators: list[Operator] = [Normalisation(width, width * count) for count in tokens]
    for layer in range(options.layers):
        for index, count in enumerate(tokens):
            is_cross = options.is_cross(layer)
            keys = tokens[1 - index] if is_cross else count
            operators += _layer_operators(options, width, count, keys, is_cross=is_cross)
    return tuple(operators)


def _layer_operators(
    options: AttentionOptions, width: int, queries: int, keys: int, *, is_cross: bool
) -> list[Operator]:
    hidden = int(width * options.ffn)
    norms = [Normalisation(width, width * queries)] * 2
    if is_cross:
        norms.append(Normalisation(width, width * keys))
    return [
        *norms,
        Linear(width, width, queries),
        Linear(width, 2 * width, keys),
        AttentionProducts(queries, keys, width, options.heads, options.mechanism),
        Linear(width, width, queries),
        Scale(width, width * queries),
        Linear(width, hidden, queries),
        Linear(hidden, width, queries),
        Scale(width, width * queries),
        Normalisation(width, width * queries),
    ]
