"""Attention blocks: how tokens of the branches look at each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from msdemucs.spec.operators import (
    AttentionProducts,
    Convolution,
    Linear,
    Mix,
    Normalisation,
    Operator,
    Pointwise,
    Scale,
)
from msdemucs.spec.sections import Kind, OneOf

Mechanism = Literal["softmax", "linear"]

BOTTLENECK = "bottleneck"
PLACE = re.compile(r"bottleneck|(encoder|decoder) (\d+)")


class AttentionOptions(Kind):
    """What every kind of attention block has."""

    mechanism: Mechanism = "softmax"
    """softmax: scaled dot products (Vaswani et al. 2017), quadratic in tokens; linear: the feature
    map ELU + 1 in place of the exponential (Katharopoulos et al. 2020), linear in tokens."""
    layers: Annotated[int, Field(ge=1, le=64)] = 5
    """Transformer layers of each stream."""
    heads: Annotated[int, Field(ge=1)] = 8
    """Attention heads; they must divide the width."""
    ffn: Annotated[float, Field(gt=0)] = 4.0
    """Width of the feed-forward layer, as a multiple of the block's width."""
    width: Annotated[int, Field(ge=4)] | None = None
    """Features of a token, with 1 × 1 convolutions to that width and back; null: the channels of
    the level where the block is."""
    at: Annotated[tuple[str, ...], Field(min_length=1)] = (BOTTLENECK,)
    """Where: bottleneck, encoder i (after level i), decoder j (after level j, counted from the
    deepest); several places share the block's weights."""
    mix: Literal["replace", "gate"] = "replace"
    """What goes on: the block's result, or its mean with what entered, weighed by a learned
    sigmoid that begins at one half, one a stream."""
    layer_scale: Annotated[float, Field(gt=0)] = 1e-4
    """Initial gain of each sub-layer's output (LayerScale)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of values dropped in training, of attention and of every sub-layer's output."""

    @field_validator("at")
    @classmethod
    def _places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place in value:
            if not PLACE.fullmatch(place):
                message = "“{place}” is no place; write bottleneck, encoder 2 or decoder 0"
                raise PydanticCustomError("place", message, {"place": place})
            if value.count(place) > 1:
                raise PydanticCustomError("place", "“{place}” is listed twice", {"place": place})
        return value

    def is_cross(self, layer: int) -> bool:
        """Whether a layer, counted from 0, attends to the other stream.

        Raises:
            NotImplementedError: a kind that does not say.
        """
        raise NotImplementedError

    @property
    def crosses(self) -> bool:
        """Whether any layer attends to the other stream."""
        return any(self.is_cross(layer) for layer in range(self.layers))


class Alternating(AttentionOptions):
    """Layers alternate between self- and cross-attention of the spectral and waveform streams.

    Source: Rouard et al. 2023 (Hybrid Transformers for Music Source Separation), section 3.
    """

    kind: Literal["alternating"] = "alternating"
    cross_first: bool = False
    """Begin with a layer of cross-attention."""

    def is_cross(self, layer: int) -> bool:
        """Every second layer crosses."""
        return layer % 2 == (0 if self.cross_first else 1)


class SelfOnly(AttentionOptions):
    """Each stream attends to itself alone; works with one stream as well."""

    kind: Literal["self"] = "self"

    def is_cross(self, layer: int) -> bool:  # noqa: ARG002
        """No layer crosses."""
        return False


class CrossOnly(AttentionOptions):
    """The spectral and the waveform stream attend to each other in every layer."""

    kind: Literal["cross"] = "cross"

    def is_cross(self, layer: int) -> bool:  # noqa: ARG002
        """Every layer crosses."""
        return True


Attention = Annotated[AttentionOptions, OneOf(AttentionOptions)]


def level_of(place: str) -> tuple[str, int]:
    """("encoder", 2) of "encoder 2"; ("bottleneck", 0) of the bottleneck."""
    side, _, number = place.partition(" ")
    return side, int(number or 0)


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """An attention block with its sizes; the same wherever it is used.

    Attributes:
        channels: of the maps that enter.
        width: features of a token inside.
        is_plane: for each stream, whether its tokens lie in frequency and time, or in time alone.
    """

    options: AttentionOptions
    channels: int
    width: int
    is_plane: tuple[bool, ...]

    def operators(self, tokens: Sequence[int]) -> tuple[Operator, ...]:
        """The operators of one use of the block on so many tokens of each stream."""
        options, width = self.options, self.width
        operators: list[Operator] = []
        for count, others in zip(tokens, reversed(tokens), strict=True):
            if width != self.channels:
                operators.append(Convolution(self.channels, width, 1, count))
            operators.append(Normalisation(width, width * count, "layer"))
            for layer in range(options.layers):
                is_cross = options.is_cross(layer)
                keys = others if is_cross else count
                operators += _layer_operators(options, width, count, keys, is_cross=is_cross)
            if width != self.channels:
                operators.append(Convolution(width, self.channels, 1, count))
            if options.mix == "gate":
                operators.append(Mix(1, self.channels * count))
        return tuple(operators)


def _layer_operators(
    options: AttentionOptions, width: int, queries: int, keys: int, *, is_cross: bool
) -> list[Operator]:
    hidden = int(width * options.ffn)
    in_multihead = options.mechanism == "softmax"
    if in_multihead:  # with dropout every weight is made by itself, and kept
        dropped = _dropout(options, options.heads * queries * keys, results=3)
    else:
        dropped = _dropout(options, width * queries)
    norms = [Normalisation(width, width * queries, "layer")] * 2
    if is_cross:
        norms.append(Normalisation(width, width * keys, "layer"))
    return [
        *norms,
        Linear(width, width, queries, in_multihead),
        Linear(width, 2 * width, keys, in_multihead),
        AttentionProducts(queries, keys, width, options.heads, options.mechanism),
        *dropped,
        Linear(width, width, queries, in_multihead),
        *_dropout(options, width * queries),
        Scale(width, width * queries),
        Linear(width, hidden, queries),
        Pointwise(hidden * queries),
        *_dropout(options, hidden * queries),
        Linear(hidden, width, queries),
        *_dropout(options, width * queries),
        Scale(width, width * queries),
        Normalisation(width, width * queries),
    ]


def _dropout(options: AttentionOptions, elements: int, *, results: int = 2) -> tuple[Operator, ...]:
    """Where there is dropout: its noise, and the values that are left."""
    return (Pointwise(elements, is_for_training=True),) * (results if options.dropout else 0)
