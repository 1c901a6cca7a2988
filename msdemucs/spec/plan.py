"""The plan: every branch, level and meeting point of a spec with its sizes.

A plan is resolved: no defaults, no schedules, no rules are left. `cost` adds up its operators and
`model` turns its levels into modules. `planner` makes it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from msdemucs.spec.attention import BlockPlan
from msdemucs.spec.fusion import BottleneckOptions, Estimates
from msdemucs.spec.levels import DecoderLevel, EncoderLevel, Grid, Level, recurrent
from msdemucs.spec.operators import Filter, Fourier, Mix, Operator, Table
from msdemucs.spec.schema import FrequencyEmbedding, Lstm, Resolution, Spec, Waveform


@dataclass(frozen=True, slots=True)
class EmbeddingPlan:
    """A frequency embedding of `rows` × `channels`."""

    rows: int
    channels: int
    options: FrequencyEmbedding


@dataclass(frozen=True, slots=True)
class WaveformFront:
    """How the waveform branch takes the mixture in.

    Attributes:
        fits: (kernel_size, stride) of each level where nothing is padded, so that the mixture
            must be of a length that they divide; empty where levels pad.
    """

    options: Waveform
    fits: tuple[tuple[int, int], ...] = ()

    def fitted(self, samples: int) -> int:
        """What the first level is given of a mixture, at its own rate."""
        size = samples * self.options.resample
        for kernel, stride in self.fits:
            size = max(1, -(-(size - kernel) // stride) + 1)
        for kernel, stride in reversed(self.fits):
            size = (size - 1) * stride + kernel
        return size

    def length(self, samples: int) -> int:
        """Samples at the mixture's rate after padding: at least as many."""
        return -(-self.fitted(samples) // self.options.resample)


Front = Resolution | WaveformFront


@dataclass(frozen=True, slots=True)
class BranchPlan:
    """One path through the network, as far as it is on its own.

    Attributes:
        name: "waveform" or "spectral.<index of the resolution>".
        front: how it takes the mixture in.
        encoder: from the outermost level in.
        decoder: from the deepest level out.
        shares: the name of the branch whose levels it uses; None for its own.
    """

    name: str
    front: Front
    embedding: EmbeddingPlan | None
    encoder: tuple[EncoderLevel, ...]
    decoder: tuple[DecoderLevel, ...]
    shares: str | None = None

    @property
    def bottom(self) -> Grid:
        """The deepest feature map."""
        return self.encoder[-1].output


@dataclass(frozen=True, slots=True)
class TrunkPlan:
    """The levels after two branches have merged into one with a single row.

    Attributes:
        encoder: the first level takes in both branches.
        decoder: the last level gives back to both.
    """

    encoder: tuple[EncoderLevel, ...]
    decoder: tuple[DecoderLevel, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """A place where streams attend.

    Attributes:
        place: bottleneck, "encoder 2" or "decoder 0".
        maps: the maps that come in: one a branch, or the trunk's alone.
        n_spectral: how many of them are resolutions, which come first.
        blocks: indices of the blocks, in order.
    """

    place: str
    maps: tuple[Grid, ...]
    n_spectral: int
    blocks: tuple[int, ...]

    @property
    def streams(self) -> tuple[Grid, ...]:
        """What the blocks work on: resolutions count as one, of the middle one's size."""
        fused = self.maps[self.n_spectral // 2 : self.n_spectral // 2 + 1] * bool(self.n_spectral)
        return (*fused, *self.maps[self.n_spectral :])


@dataclass(frozen=True, slots=True)
class PlanNode:
    """A part of the model with the operators it is made of.

    Attributes:
        path: where it is, such as "spectral.0.encoder.1".
        part: what costs are summed by: transform, encoder, embedding, attention, recurrent,
            fusion, decoder, unused.
        output: the size of what leaves it, where it is one feature map.
        level: the level that it is, if it is one.
        shares: the path of the node whose parameters it uses; None for its own.
    """

    path: str
    part: str
    operators: tuple[Operator, ...]
    output: Grid | None = None
    level: Level | None = None
    shares: str | None = None


@dataclass(frozen=True)
class Plan:
    """A spec, resolved and shape-checked.

    Attributes:
        spectral: one branch a resolution; empty without a spectral branch.
        waveform: None without one.
        trunk: None where the branches stay apart.
        blocks: attention blocks, as the spec lists them.
        sites: where they are, in the order in which audio meets them.
        fusion: how resolutions meet at a site; None where there are not several, or no site.
        shortest: samples that a mixture must have, or is padded to.
    """

    spec: Spec
    spectral: tuple[BranchPlan, ...]
    waveform: BranchPlan | None
    trunk: TrunkPlan | None
    blocks: tuple[BlockPlan, ...]
    sites: tuple[Site, ...]
    fusion: BottleneckOptions | None
    shortest: int

    @property
    def branches(self) -> tuple[BranchPlan, ...]:
        """The spectral branches, then the waveform branch."""
        return (*self.spectral, *((self.waveform,) if self.waveform else ()))

    @property
    def deepest(self) -> tuple[Grid, ...]:
        """The maps at the bottleneck: one a branch, or the trunk's."""
        if self.trunk:
            return (self.trunk.encoder[-1].output,)
        return tuple(branch.bottom for branch in self.branches)

    def site(self, place: str) -> Site | None:
        """The site at a place, if there is one."""
        return next((site for site in self.sites if site.place == place), None)

    @cached_property
    def nodes(self) -> tuple[PlanNode, ...]:
        """Every part in the order in which audio meets it."""
        return tuple(_Walk(self).nodes())


class _Walk:
    """The nodes of a plan, and which blocks were met already."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.met: dict[int, str] = {}

    def nodes(self) -> Iterator[PlanNode]:
        plan, spec = self.plan, self.plan.spec
        for branch in plan.branches:
            yield from _transform(branch, spec.audio_channels, "analyse")
        outer = len(plan.branches[0].encoder)
        for level in range(outer):
            for branch in plan.branches:
                down = branch.encoder[level]
                yield _level(branch.name, "encoder", level, down, branch.shares)
                if level == 0 and branch.embedding:
                    rows, channels = branch.embedding.rows, branch.embedding.channels
                    table = Table(rows, channels, down.output.elements)
                    path = f"{branch.name}.embedding"
                    yield PlanNode(path, "embedding", (table,), down.output)
            yield from self.at(f"encoder {level}")
        if plan.trunk:
            yield from self.trunk(plan.trunk, outer)
        else:
            yield from self.bottleneck()
        inner = spec.depth - outer
        for index in range(outer):
            for branch in plan.branches:
                yield _level(branch.name, "decoder", index, branch.decoder[index], branch.shares)
            yield from self.at(f"decoder {inner + index}")
        for branch in plan.branches:
            yield from _transform(branch, spec.audio_channels * len(spec.sources), "synthesise")
        yield from self.output()

    def trunk(self, trunk: TrunkPlan, outer: int) -> Iterator[PlanNode]:
        for index, level in enumerate(trunk.encoder):
            yield _level("trunk", "encoder", index, level)
            yield from self.at(f"encoder {outer + index}")
        yield from self.bottleneck()
        for index, up in enumerate(trunk.decoder):
            yield _level("trunk", "decoder", index, up)
            yield from self.at(f"decoder {index}")

    def bottleneck(self) -> Iterator[PlanNode]:
        lstm: Lstm | None = self.plan.spec.lstm
        if lstm:
            (grid,) = self.plan.deepest
            operators = recurrent(grid.channels, lstm.layers, grid.frames)
            yield PlanNode("lstm", "recurrent", operators, grid)
        yield from self.at("bottleneck")

    def at(self, place: str) -> Iterator[PlanNode]:
        """The fusion and the attention blocks at a place."""
        site = self.plan.site(place)
        if site is None:
            return
        if self.plan.fusion:
            maps = site.maps[: site.n_spectral]
            mix = self.plan.fusion.operators(len(maps), sum(grid.elements for grid in maps))
            yield PlanNode(f"{place}.fusion".replace(" ", "."), "fusion", mix, site.streams[0])
        tokens = tuple(grid.positions for grid in site.streams)
        for index in site.blocks:
            operators = self.plan.blocks[index].operators(tokens)
            path = f"attention.{index}"
            if index in self.met:
                used = f"{path} at {place}"
                yield PlanNode(used, "attention", operators, shares=path)
            else:
                self.met[index] = path
                yield PlanNode(path, "attention", operators)

    def output(self) -> Iterator[PlanNode]:
        spec = self.plan.spec
        if self.plan.spectral:
            estimates = Estimates(
                len(self.plan.spectral), len(spec.sources), spec.audio_channels, spec.n_samples
            )
            yield PlanNode("output.fusion", "fusion", spec.fusion.output.operators(estimates))
        if spec.init.unused:
            yield PlanNode("unused", "unused", (Mix(spec.init.unused, 0),))


def _level(name: str, part: str, index: int, level: Level, shares: str | None = None) -> PlanNode:
    path = f"{part}.{index}"
    owner = f"{shares}.{path}" if shares else None
    return PlanNode(f"{name}.{path}", part, level.operators(), level.output, level, owner)


def _transform(branch: BranchPlan, signals: int, name: str) -> Iterator[PlanNode]:
    """A branch's way in or out of its domain, where that computes anything."""
    path = f"{branch.name}.{name}"
    top = branch.encoder[0].shifts[0].outer
    if isinstance(branch.front, Resolution):
        fourier = Fourier(branch.front.n_fft, top.frames * signals)
        yield PlanNode(path, "transform", (fourier,))
    elif branch.front.options.resample > 1:
        factor = branch.front.options.resample
        old, new = (1, factor) if name == "analyse" else (factor, 1)
        samples = -(-top.frames // factor) if name == "analyse" else top.frames
        outputs = new * (samples // old + 1)  # the last ones are cropped
        taps = resampler_taps(old, new)
        yield PlanNode(path, "transform", (Filter(taps, outputs * signals),))


RESAMPLER_ZEROS = 24
RESAMPLER_ROLLOFF = 0.945


def resampler_taps(old: int, new: int) -> int:
    """Taps of the windowed-sinc filter that turns `old` samples into `new`."""
    cutoff = min(old, new) * RESAMPLER_ROLLOFF
    return 2 * int(-(-RESAMPLER_ZEROS * old // cutoff)) + old
