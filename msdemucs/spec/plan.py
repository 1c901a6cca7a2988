"""Spec → plan: every branch and level with its sizes, or the reason why it cannot be built.

A plan is resolved: no defaults, no schedules, no rules are left. `cost` adds up its operators and
`model` turns its cells into modules.
"""

from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from msdemucs.errors import PlanError, Problem
from msdemucs.spec.attention import AttentionOptions, block_operators
from msdemucs.spec.fusion import BottleneckFusion
from msdemucs.spec.operators import (
    Convolution,
    Fourier,
    Normalisation,
    Operator,
    Scale,
    Table,
    TransposedConvolution,
)
from msdemucs.spec.schedules import AnySchedule, expand
from msdemucs.spec.schema import FrequencyEmbedding, Norm, Residual, Resolution, Spec


class Axis(Enum):
    """The axis of a feature map [B, C, F, T] along which a branch's levels shrink it."""

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


@dataclass(frozen=True, slots=True)
class ResidualPlan:
    """The sub-layers of one residual branch."""

    channels: int
    hidden: int
    dilations: tuple[int, ...]
    init: float

    def operators(self, positions: int) -> tuple[Operator, ...]:
        """The operators of all sub-layers."""
        c, h = self.channels, self.hidden
        one = (
            Convolution(c, h, 3, positions),
            Normalisation(h, h * positions),
            Convolution(h, 2 * c, 1, positions),
            Normalisation(2 * c, 2 * c * positions),
            Scale(c, c * positions),
        )
        return one * len(self.dilations)


@dataclass(frozen=True, slots=True)
class Cell:
    """One level of an encoder or decoder.

    Attributes:
        kernel_size: taps along `axis`; the other axis is left alone.
        padding: rows or frames of zeros on both sides before an encoder's convolution, and cropped
            on both sides after a decoder's transposed convolution.
        norm_groups: None for no normalisation.
        is_outermost: a decoder's last level, without activation.
        input: what enters; for an encoder before it is padded to a multiple of the stride.
        output: what leaves.
    """

    axis: Axis
    kernel_size: int
    stride: int
    padding: int
    norm_groups: int | None
    residual: ResidualPlan | None
    input: Grid
    output: Grid
    is_outermost: bool = False

    @property
    def in_channels(self) -> int:
        """Channels that enter."""
        return self.input.channels

    @property
    def out_channels(self) -> int:
        """Channels that leave."""
        return self.output.channels

    def encoder_operators(self) -> tuple[Operator, ...]:
        """Convolution, norm, residual branch, 1 × 1 rewrite, norm."""
        c, positions = self.out_channels, self.output.positions
        return (
            Convolution(self.in_channels, c, self.kernel_size, positions),
            *self._norm(c, positions),
            *(self.residual.operators(positions) if self.residual else ()),
            Convolution(c, 2 * c, 1, positions),
            *self._norm(2 * c, positions),
        )

    def decoder_operators(self) -> tuple[Operator, ...]:
        """Rewrite over neighbours, norm, residual branch, transposed convolution, norm."""
        c, positions = self.in_channels, self.input.positions
        rows, frames = self.axis.along(3, 3 if self.axis is Axis.ROWS else 1)
        along, across = (
            (self.input.rows, self.input.frames)
            if self.axis is Axis.ROWS
            else (self.input.frames, self.input.rows)
        )
        uncropped = ((along - 1) * self.stride + self.kernel_size) * across
        return (
            Convolution(c, 2 * c, rows * frames, positions),
            *self._norm(2 * c, positions),
            *(self.residual.operators(positions) if self.residual else ()),
            TransposedConvolution(c, self.out_channels, self.kernel_size, positions),
            *self._norm(self.out_channels, uncropped),
        )

    def _norm(self, channels: int, positions: int) -> tuple[Operator, ...]:
        return () if self.norm_groups is None else (Normalisation(channels, channels * positions),)


@dataclass(frozen=True, slots=True)
class EmbeddingPlan:
    """A frequency embedding of `rows` × `channels`."""

    rows: int
    channels: int
    options: FrequencyEmbedding


@dataclass(frozen=True, slots=True)
class BranchPlan:
    """One path through the network.

    Attributes:
        name: "waveform" or "spectral.<index of the resolution>".
        resolution: None for the waveform branch.
        encoder: from the outermost level in.
        decoder: from the deepest level out.
    """

    name: str
    resolution: Resolution | None
    embedding: EmbeddingPlan | None
    encoder: tuple[Cell, ...]
    decoder: tuple[Cell, ...]

    @property
    def bottom(self) -> Grid:
        """The deepest feature map."""
        return self.encoder[-1].output


@dataclass(frozen=True, slots=True)
class PlanNode:
    """A part of the model with the operators it is made of.

    Attributes:
        path: where it is, such as "spectral.0.encoder.1".
        part: what costs are summed by: transform, encoder, embedding, attention, fusion, decoder.
        output: the size of what leaves it, where it is one feature map.
        cell: the level that it is, if it is one.
    """

    path: str
    part: str
    operators: tuple[Operator, ...]
    output: Grid | None = None
    cell: Cell | None = None


@dataclass(frozen=True)
class Plan:
    """A spec, resolved and shape-checked.

    Attributes:
        spectral: one branch a resolution; empty without a spectral branch.
        waveform: None without one.
        bottleneck_fusion: None where no attention needs the resolutions as one.
    """

    spec: Spec
    spectral: tuple[BranchPlan, ...]
    waveform: BranchPlan | None
    attention: tuple[AttentionOptions, ...]
    bottleneck_fusion: BottleneckFusion | None

    @property
    def branches(self) -> tuple[BranchPlan, ...]:
        """The spectral branches, then the waveform branch."""
        return (*self.spectral, *((self.waveform,) if self.waveform else ()))

    @property
    def width(self) -> int:
        """Features at the bottleneck."""
        return self.branches[0].bottom.channels

    @property
    def middle(self) -> int:
        """Index of the resolution to which the others are resized at the bottleneck."""
        return len(self.spectral) // 2

    @cached_property
    def streams(self) -> tuple[Grid, ...]:
        """What the attention blocks work on: the fused spectral map, the waveform's, or both."""
        spectral = (self.spectral[self.middle].bottom,) if self.spectral else ()
        return (*spectral, *((self.waveform.bottom,) if self.waveform else ()))

    @cached_property
    def nodes(self) -> tuple[PlanNode, ...]:
        """Every part in the order in which audio meets it."""
        before = [node for branch in self.branches for node in _down(branch, self.spec)]
        after = [node for branch in self.branches for node in _up(branch, self.spec)]
        return (*before, *self._bottleneck(), *after, *self._output())

    def _bottleneck(self) -> list[PlanNode]:
        nodes = []
        if self.bottleneck_fusion:
            elements = sum(branch.bottom.elements for branch in self.spectral)
            mix = self.bottleneck_fusion.operators(len(self.spectral), elements)
            nodes.append(PlanNode("bottleneck.fusion", "fusion", mix, self.streams[0]))
        tokens = tuple(grid.positions for grid in self.streams)
        for index, block in enumerate(self.attention):
            operators = block_operators(block, self.width, tokens)
            nodes.append(PlanNode(f"attention.{index}", "attention", operators))
        return nodes

    def _output(self) -> list[PlanNode]:
        if not self.spectral:
            return []
        spec = self.spec
        operators = spec.fusion.output.operators(
            len(spec.sources), spec.audio_channels, len(self.spectral), spec.n_samples
        )
        return [PlanNode("output.fusion", "fusion", operators)]


def plan(spec: Spec) -> Plan:
    """The plan of a spec.

    Raises:
        PlanError: what cannot be built, each with the field at fault.
    """
    return _Planner(spec).plan()


class _Planner:
    """Derives a plan and collects what stands in its way."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.problems: list[Problem] = []

    def plan(self) -> Plan:
        spec = self.spec
        if spec.spectral is None and spec.waveform is None:
            self.refuse("waveform", "there is neither a waveform nor a spectral branch")
        self.channels = self.schedule("channels", spec.channels)
        self.kernels = self.schedule("kernel_size", spec.kernel_size)
        self.strides = self.schedule("stride", spec.stride)
        self.stop_on_problems()
        self.check_cells()
        self.check_attention()
        self.check_fusion()
        self.stop_on_problems()
        spectral = tuple(self.spectral_branch(i, r) for i, r in enumerate(spec.resolutions))
        self.stop_on_problems()
        waveform = self.waveform_branch() if spec.waveform else None
        fuses = len(spectral) > 1 and bool(spec.attention)
        fusion = spec.fusion.bottleneck if fuses else None
        return Plan(spec, spectral, waveform, spec.attention, fusion)

    def refuse(self, field: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(message, field, hint=hint))

    def stop_on_problems(self) -> None:
        if self.problems:
            raise PlanError(self.problems)

    def schedule(self, field: str, schedule: AnySchedule) -> tuple[int, ...]:
        try:
            return expand(schedule, self.spec.depth)
        except ValueError as error:
            self.refuse(field, str(error))
            return ()

    def check_cells(self) -> None:
        for level, (kernel, stride) in enumerate(zip(self.kernels, self.strides, strict=True)):
            if kernel < stride or (kernel - stride) % 2:
                message = (
                    f"kernel_size − stride must be even and not negative; at level {level} "
                    f"it is {kernel} − {stride}"
                )
                self.refuse("kernel_size", message, f"try a kernel_size of {2 * stride}")
        for level, channels in enumerate(self.channels):
            groups = self.norm_groups(level)
            before = self.channels[level - 1] if level else self.final_channels()
            if groups and (2 * channels) % groups:
                self.refuse(
                    "norm.groups",
                    f"{groups} does not divide {2 * channels} channels of level {level}",
                )
            if groups and (channels % groups or before % groups):
                self.refuse(
                    "norm.groups",
                    f"{groups} does not divide {channels} or {before} channels at level {level}",
                )

    def final_channels(self) -> int:
        """The fewest channels that an outermost decoder gives."""
        parts = 1 if self.spec.waveform else 2  # a spectrum's are real and imaginary
        return parts * len(self.spec.sources) * self.spec.audio_channels

    def check_attention(self) -> None:
        width, deepest = self.channels[-1], self.spec.depth - 1
        both = self.spec.spectral is not None and self.spec.waveform is not None
        for index, block in enumerate(self.spec.attention):
            if width % block.heads:
                fitting = [str(heads) for heads in range(1, 17) if width % heads == 0]
                self.refuse(
                    f"attention.{index}.heads",
                    f"{block.heads} heads do not divide {width} channels of level {deepest}",
                    f"{', '.join(fitting)} heads would",
                )
            if width % 4:
                message = (
                    f"position tables need a width that 4 divides; level {deepest} has "
                    f"{width} channels"
                )
                self.refuse(f"attention.{index}", message)
            if block.is_cross(1) and not both:
                self.refuse(
                    f"attention.{index}.kind",
                    "alternating attention crosses between a spectral and a waveform branch; "
                    "there is one branch",
                    "use kind: self",
                )

    def check_fusion(self) -> None:
        output = self.spec.fusion.output
        count = len(self.spec.resolutions)
        if output.kind in ("weighted", "per_source") and count < 2:
            self.refuse(
                "fusion.output.kind",
                f"{output.kind} weighs several resolutions against each other; "
                f"there is {count or 'none'}",
                "use kind: sum",
            )
        if output.kind == "convolution" and output.width % 2 == 0:
            self.refuse("fusion.output.width", f"must be odd, found {output.width}")

    def norm_groups(self, level: int) -> int | None:
        norm: Norm | None = self.spec.norm
        return norm.groups if norm and level >= norm.starts else None

    def residual(self, channels: int, *, is_decoder: bool) -> ResidualPlan | None:
        options: Residual | None = self.spec.residual
        if options is None or not (options.decoder if is_decoder else options.encoder):
            return None
        hidden = max(1, int(channels / options.compress))
        dilations = tuple(2**index for index in range(options.depth))
        return ResidualPlan(channels, hidden, dilations, options.init)

    def spectral_branch(self, index: int, resolution: Resolution) -> BranchPlan:
        spec = self.spec
        field = f"spectral.resolutions.{index}"
        if resolution.n_fft > spec.n_samples:
            self.refuse(
                field,
                f"n_fft {resolution.n_fft} is longer than the segment: {spec.segment:g} s × "
                f"{spec.sample_rate} Hz = {spec.n_samples} samples",
                "use a smaller n_fft or a longer segment",
            )
        rows = resolution.n_fft // 2
        for level, stride in enumerate(self.strides):
            if rows % stride:
                self.refuse(
                    field,
                    f"{rows} frequency rows at level {level} are not divisible by its stride "
                    f"{stride} (n_fft {resolution.n_fft} / 2, divided by the strides above)",
                    "use a larger n_fft, a smaller stride or fewer levels",
                )
                break
            rows //= stride
        frames = -(-spec.n_samples // resolution.hop_length)
        top = Grid(2 * spec.audio_channels, resolution.n_fft // 2, frames)
        embedding = spec.spectral.frequency_embedding if spec.spectral else None
        first = resolution.n_fft // 2 // self.strides[0]
        table = EmbeddingPlan(first, self.channels[0], embedding) if embedding else None
        return self.branch(f"spectral.{index}", Axis.ROWS, top, resolution, table)

    def waveform_branch(self) -> BranchPlan:
        top = Grid(self.spec.audio_channels, 1, self.spec.n_samples)
        return self.branch("waveform", Axis.FRAMES, top, None, None)

    def branch(
        self,
        name: str,
        axis: Axis,
        top: Grid,
        resolution: Resolution | None,
        embedding: EmbeddingPlan | None,
    ) -> BranchPlan:
        encoder, decoder = [], []
        above = top
        for level, channels in enumerate(self.channels):
            stride, kernel = self.strides[level], self.kernels[level]
            size = above.rows if axis is Axis.ROWS else above.frames
            rows, frames = axis.along(
                -(-size // stride), above.frames if axis is Axis.ROWS else above.rows
            )
            below = Grid(channels, rows, frames)
            cell = Cell(
                axis=axis,
                kernel_size=kernel,
                stride=stride,
                padding=(kernel - stride) // 2,
                norm_groups=self.norm_groups(level),
                residual=self.residual(channels, is_decoder=False),
                input=above,
                output=below,
            )
            encoder.append(cell)
            leaving = (
                replace(above, channels=len(self.spec.sources) * top.channels)
                if level == 0
                else above
            )
            decoder.append(
                replace(
                    cell,
                    residual=self.residual(channels, is_decoder=True),
                    input=below,
                    output=leaving,
                    is_outermost=level == 0,
                )
            )
            above = below
        return BranchPlan(name, resolution, embedding, tuple(encoder), tuple(reversed(decoder)))


def _down(branch: BranchPlan, spec: Spec) -> list[PlanNode]:
    """The front end and the encoder of a branch."""
    nodes = []
    if branch.resolution:
        nodes.append(_transform(branch, branch.resolution, spec.audio_channels, "analyse"))
    for level, cell in enumerate(branch.encoder):
        path = f"{branch.name}.encoder.{level}"
        nodes.append(PlanNode(path, "encoder", cell.encoder_operators(), cell.output, cell))
        if level == 0 and branch.embedding:
            table = Table(branch.embedding.rows, branch.embedding.channels, cell.output.elements)
            nodes.append(PlanNode(f"{branch.name}.embedding", "embedding", (table,), cell.output))
    return nodes


def _up(branch: BranchPlan, spec: Spec) -> list[PlanNode]:
    """The decoder and the back end of a branch."""
    nodes = [
        PlanNode(
            f"{branch.name}.decoder.{index}",
            "decoder",
            cell.decoder_operators(),
            cell.output,
            cell,
        )
        for index, cell in enumerate(branch.decoder)
    ]
    if branch.resolution:
        signals = spec.audio_channels * len(spec.sources)
        nodes.append(_transform(branch, branch.resolution, signals, "synthesise"))
    return nodes


def _transform(branch: BranchPlan, resolution: Resolution, signals: int, name: str) -> PlanNode:
    frames = branch.encoder[0].input.frames
    fourier = Fourier(resolution.n_fft, frames * signals)
    return PlanNode(f"{branch.name}.{name}", "transform", (fourier,))
