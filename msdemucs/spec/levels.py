"""Levels of encoders and decoders with their sizes, and the operators they are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from msdemucs.spec.operators import (
    AttentionProducts,
    Convolution,
    Linear,
    Normalisation,
    Operator,
    Pointwise,
    Recurrent,
    Scale,
    TransposedConvolution,
)
from msdemucs.spec.schema import Activation, ResidualAttention, ResidualLstm


class Axis(Enum):
    """The axis of a feature map [B, C, F, T] along which a level shrinks it."""

    ROWS = "rows"
    FRAMES = "frames"

    def along(self, size: int, across: int = 1) -> tuple[int, int]:
        """`size` on this axis and `across` on the other, as (rows, frames)."""
        return (size, across) if self is Axis.ROWS else (across, size)


@dataclass(frozen=True, slots=True)
class Grid:
    """The size of one item's feature map: C channels × F rows × T frames."""

    channels: int
    rows: int
    frames: int

    @property
    def positions(self) -> int:
        """Rows × frames."""
        return self.rows * self.frames

    @property
    def elements(self) -> int:
        """Channels × rows × frames."""
        return self.channels * self.positions

    def along(self, axis: Axis) -> int:
        """The size of one axis."""
        return self.rows if axis is Axis.ROWS else self.frames


@dataclass(frozen=True, slots=True)
class Shift:
    """A convolution with a stride along one axis, and the transposed one that undoes it.

    Attributes:
        kernel_size: taps along `axis`; the other axis is left alone.
        padding: zeros on both sides before the convolution, and positions cropped on both sides
            after the transposed one.
        multiple: the outer size is filled up with zeros to a multiple of this first.
        outer: the larger map.
        inner: the smaller map.
    """

    axis: Axis
    kernel_size: int
    stride: int
    padding: int
    multiple: int
    outer: Grid
    inner: Grid

    @classmethod
    def of(
        cls,
        axis: Axis,
        kernel_size: int,
        stride: int,
        outer: Grid,
        channels: int,
        *,
        is_padded: bool,
    ) -> "Shift":
        """A shift from a map to `channels`; padded, it divides the axis by its stride, rounded up.

        Where kernel_size − stride is odd, padding takes one zero less, the result is one shorter.
        """
        padding = (kernel_size - stride) // 2 if is_padded else 0
        multiple = stride if is_padded else 1
        filled = -(-outer.along(axis) // multiple) * multiple
        size = (filled + 2 * padding - kernel_size) // stride + 1
        rows, frames = axis.along(size, outer.frames if axis is Axis.ROWS else outer.rows)
        inner = Grid(channels, rows, frames)
        return cls(axis, kernel_size, stride, padding, multiple, outer, inner)

    @property
    def uncropped_along(self) -> int:
        """Rows or frames that the transposed convolution gives before the crop."""
        return (self.inner.along(self.axis) - 1) * self.stride + self.kernel_size

    @property
    def across(self) -> int:
        """Positions on the other axis."""
        return self.inner.frames if self.axis is Axis.ROWS else self.inner.rows

    @property
    def uncropped(self) -> int:
        """Positions that the transposed convolution gives before the crop."""
        return self.uncropped_along * self.across

    @property
    def convolution(self) -> Convolution:
        """Outer to inner."""
        inner = self.inner
        return Convolution(self.outer.channels, inner.channels, self.kernel_size, inner.positions)

    @property
    def is_even(self) -> bool:
        """Whether the transposed convolution's own padding can do the whole crop."""
        return self.kernel_size - self.stride == 2 * self.padding

    def transposed(self, *, is_normed: bool) -> TransposedConvolution:
        """Inner to outer; a norm looks at what is cropped later, so that it must be made."""
        crop = 2 * self.padding if self.is_even and not is_normed else 0
        return TransposedConvolution(
            self.inner.channels,
            self.outer.channels,
            self.kernel_size,
            self.inner.positions,
            self.uncropped,
            (self.uncropped_along - crop) * self.across,
        )

    def smallest(self, inner: int) -> int:
        """The shortest outer size that leaves `inner` positions at least."""
        filled = (inner - 1) * self.stride + self.kernel_size - 2 * self.padding
        multiples = -(-filled // self.multiple)
        return max(1, (multiples - 1) * self.multiple + 1)


@dataclass(frozen=True, slots=True)
class ResidualPlan:
    """The sub-layers of one residual branch.

    Attributes:
        hidden: channels inside each sub-layer.
        dilations: of each sub-layer.
        init: gain of each sub-layer's output at first.
    """

    channels: int
    hidden: int
    dilations: tuple[int, ...]
    init: float
    lstm: ResidualLstm | None = None
    attention: ResidualAttention | None = None

    def operators(self, grid: Grid) -> tuple[Operator, ...]:
        """The operators of all sub-layers on a map of that many positions."""
        c, h, positions, frames = self.channels, self.hidden, grid.positions, grid.frames
        recurrence: tuple[Operator, ...] = ()
        if self.lstm:
            span = self.lstm.span
            if span and frames > span:
                frames = -(-frames // (span // 2)) * span  # spans that overlap by half
            recurrence = recurrent(h, self.lstm.layers, grid.rows * frames)
        sub_layer = (
            Convolution(c, h, 3, positions),
            Normalisation(h, h * positions),
            Pointwise(h * positions),
            *recurrence,
            *self._attention(grid),
            Convolution(h, 2 * c, 1, positions),
            Normalisation(2 * c, 2 * c * positions),
            Pointwise(c * positions),
            Scale(c, c * positions),
        )
        return sub_layer * len(self.dilations)

    def _attention(self, grid: Grid) -> tuple[Operator, ...]:
        if self.attention is None:
            return ()
        h, heads, frames = self.hidden, self.attention.heads, grid.frames
        decays = heads * self.attention.decays
        return (
            *(Linear(h, h, grid.positions) for _ in range(3)),
            Linear(h, decays, grid.positions),
            AttentionProducts(frames, frames, h, heads, "local", grid.rows),
            Linear(h, h, grid.positions),
        )


def recurrent(width: int, layers: int, steps: int) -> tuple[Operator, ...]:
    """A bidirectional LSTM and the matrix that brings its two directions back to one width."""
    return (Recurrent(width, layers, steps), Linear(2 * width, width, steps))


@dataclass(frozen=True, slots=True)
class EncoderLevel:
    """One level of an encoder.

    Attributes:
        shifts: one for each map that enters; their results are added up.
        norm_groups: None for no normalisation.
        rewrite: taps of its second convolution over rows and frames; None for none.
    """

    shifts: tuple[Shift, ...]
    norm_groups: int | None
    activation: Activation
    residual: ResidualPlan | None
    rewrite: tuple[int, int] | None

    @property
    def output(self) -> Grid:
        """What leaves."""
        return self.shifts[0].inner

    def operators(self) -> tuple[Operator, ...]:
        """Convolutions, norm, activation, residual branch, rewrite."""
        grid = self.output
        return (
            *(shift.convolution for shift in self.shifts),
            *norm_operators(self.norm_groups, grid.channels, grid.positions),
            Pointwise(grid.elements),
            *(self.residual.operators(grid) if self.residual else ()),
            *rewrite_operators(self.rewrite, self.norm_groups, grid),
        )


@dataclass(frozen=True, slots=True)
class DecoderLevel:
    """One level of a decoder.

    Attributes:
        shifts: one for each map that leaves.
        activation: None for the outermost level.
    """

    shifts: tuple[Shift, ...]
    norm_groups: int | None
    activation: Activation | None
    residual: ResidualPlan | None
    rewrite: tuple[int, int] | None

    @property
    def input(self) -> Grid:
        """What enters."""
        return self.shifts[0].inner

    @property
    def output(self) -> Grid:
        """What leaves, into the first branch."""
        return self.shifts[0].outer

    def operators(self) -> tuple[Operator, ...]:
        """Rewrite, residual branch; for each exit a transposed convolution, norm, activation."""
        grid = self.input
        return (
            *rewrite_operators(self.rewrite, self.norm_groups, grid),
            *(self.residual.operators(grid) if self.residual else ()),
            *(
                operator
                for shift in self.shifts
                for operator in (
                    shift.transposed(is_normed=self.norm_groups is not None),
                    *norm_operators(self.norm_groups, shift.outer.channels, shift.uncropped),
                    *((Pointwise(shift.outer.elements),) if self.activation else ()),
                )
            ),
        )


Level = EncoderLevel | DecoderLevel


def norm_operators(groups: int | None, channels: int, positions: int) -> tuple[Operator, ...]:
    """A group norm, where there is one."""
    return () if groups is None else (Normalisation(channels, channels * positions),)


def rewrite_operators(
    taps: tuple[int, int] | None, groups: int | None, grid: Grid
) -> tuple[Operator, ...]:
    """A convolution to twice the channels, its norm and GLU, where there is one."""
    if taps is None:
        return ()
    c = grid.channels
    return (
        Convolution(c, 2 * c, taps[0] * taps[1], grid.positions),
        *norm_operators(groups, 2 * c, grid.positions),
        Pointwise(grid.elements),
    )


def shortest(shifts: Sequence[Shift], inner: int = 1) -> int:
    """The shortest input of a chain of shifts that leaves `inner` positions at its end."""
    for shift in reversed(shifts):
        inner = shift.smallest(inner)
    return inner
