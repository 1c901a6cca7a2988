"""A spec drawn as SVG: one lane a branch, from the mixture on the left to the sources."""

from collections.abc import Mapping, Sequence
from html import escape

from msdemucs.cost import NodeCost
from msdemucs.spec import Plan, Resolution
from msdemucs.spec.levels import DecoderLevel, EncoderLevel, Level
from msdemucs.spec.plan import BranchPlan
from msdemucs.units import count, format_count, percent

LANE_PX, LANE_GAP_PX = 58, 12
LEVEL_PX, BAR_PX, FRONT_PX, GAP_PX = 46, 22, 78, 12
TEXT_PX = 17
ARC_PX = 4
"""Height between the skip connections of neighbouring levels."""

FAINTEST = 0.12
"""Opacity of a level without MACs; the one with the most is opaque to 0.12 + 0.6."""


def draw_plan(plan: Plan, costs: Sequence[NodeCost]) -> str:
    """The plan as an SVG element that styles itself by the page's classes.

    Encoders stand left of the bottleneck, decoders right of it; the darker a level, the more MACs
    it has; lines above a lane are skip connections; bars across lanes are where branches meet, and
    are explained below them.

    Args:
        plan: of the spec.
        costs: of its nodes, as `cost` gives them.
    """
    return _Drawing(plan, costs).svg()


class _Drawing:
    """The elements so far, and how far to the right they reach."""

    def __init__(self, plan: Plan, costs: Sequence[NodeCost]) -> None:
        self.plan = plan
        self.costs: Mapping[str, NodeCost] = {cost.path: cost for cost in costs}
        self.most = max((cost.macs for cost in costs), default=0) or 1
        self.total = sum(cost.macs for cost in costs) or 1
        self.parts: list[str] = []
        self.notes: list[str] = []
        self.wires: list[str] = []
        self.x = 0.0
        self.trunk_ends = (0.0, 0.0)
        self.starts: dict[tuple[str, int], float] = {}
        self.lanes = len(plan.branches)
        self.outer = len(plan.branches[0].encoder)

    def svg(self) -> str:
        """Everything, in the order in which audio meets it."""
        self.fronts("STFT", "")
        for level in range(self.outer):
            self.levels(level, "encoder")
            self.site(f"encoder {level}")
        self.middle()
        for level in range(self.outer):
            self.levels(level, "decoder")
            self.site(f"decoder {self.plan.spec.depth - self.outer + level}")
        self.fronts("iSTFT", "end")
        self.output()
        return self.wrapped()

    def wrapped(self) -> str:
        bottom = self.top(self.lanes)
        notes = [
            f'<text class="note" x="0" y="{bottom + TEXT_PX * (index + 1)}">{escape(note)}</text>'
            for index, note in enumerate(self.notes)
        ]
        width, height = max(self.x, 480), bottom + TEXT_PX * len(notes) + 8
        name = escape(f"Architecture of {self.plan.spec.name}", quote=True)
        return (
            f'<svg class="architecture" role="img" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'style="width: {width:.0f}px" aria-label="{name}"><title>{name}</title>'
            f"{''.join(self.wires)}{''.join(self.parts)}{''.join(notes)}</svg>"
        )

    def top(self, lane: float) -> float:
        """The upper edge of a lane."""
        return lane * (LANE_PX + LANE_GAP_PX)

    def middle_of(self, lane: float) -> float:
        """Where a lane's boxes are centred, below its skip connections."""
        return self.top(lane) + LANE_PX / 2 + ARC_PX * self.plan.spec.depth / 2

    def wire(self, lane: float, start: float, end: float) -> None:
        """A line in a lane, behind the boxes."""
        y = self.middle_of(lane)
        self.wires.append(f'<path class="wire" d="M{start:.1f} {y:.1f}H{end:.1f}"/>')

    def lane_wires(self) -> None:
        """A line through every lane, bent into the trunk and out of it where there is one."""
        begin, stop = self.trunk_ends
        middle = self.middle_of((self.lanes - 1) / 2)
        for lane in range(self.lanes):
            if stop == 0.0:
                self.wire(lane, 4, self.x)
                continue
            self.wire(lane, 4, begin - GAP_PX)
            self.wire(lane, stop, self.x)
            y = self.middle_of(lane)
            bends = f"M{begin - GAP_PX:.1f} {y:.1f}L{begin:.1f} {middle:.1f}H{stop - GAP_PX:.1f}"
            self.wires.append(f'<path class="wire" d="{bends}L{stop:.1f} {y:.1f}"/>')

    def fronts(self, transform: str, kind: str) -> None:
        """Each lane's way in or out."""
        for lane, branch in enumerate(self.plan.branches):
            front = branch.front
            if isinstance(front, Resolution):
                lines = [f"{transform} {front.n_fft}", f"hop {front.hop_length}"]
            else:
                factor = front.options.resample
                lines = ["waveform", *([f"× {factor} rate"] if factor > 1 else [])]
                if kind == "end" and front.options.estimate == "discard":
                    lines = ["discarded"]
            self.box(lane, (FRONT_PX, 32), "front", lines if not kind else lines[:1])
        self.x += FRONT_PX + GAP_PX

    def levels(self, index: int, side: str) -> None:
        """One level of every branch."""
        for lane, branch in enumerate(self.plan.branches):
            level = branch.encoder[index] if side == "encoder" else branch.decoder[index]
            depth = index if side == "encoder" else self.outer - 1 - index
            self.level(lane, f"{branch.name}.{side}.{index}", level, depth, branch)
        self.x += LEVEL_PX + GAP_PX

    def level(
        self, lane: float, path: str, level: Level, depth: int, branch: BranchPlan | None = None
    ) -> None:
        """A level's box with its channels, and its skip connection where it is a decoder's."""
        height = max(18, 40 - 4 * depth)
        is_encoder = isinstance(level, EncoderLevel)
        grid = level.output if is_encoder else level.shifts[0].inner
        cost = self.costs[path]
        shared = f", weights of {branch.shares}" if branch and branch.shares else ""
        title = (
            f"{path}: {grid.channels} channels × {grid.rows} rows × {grid.frames} frames, "
            f"kernel {level.shifts[0].kernel_size}, stride {level.shifts[0].stride}; "
            f"{format_count(cost.parameters)} parameters, {format_count(cost.macs, 'MAC')} "
            f"({percent(cost.macs / self.total)}){shared}"
        )
        owner = branch.name if branch else "trunk"
        if is_encoder:
            self.starts[owner, depth] = self.x + LEVEL_PX / 2
        else:
            self.skip(lane, owner, depth, height)
        opacity = FAINTEST + 0.6 * cost.macs / self.most
        kind = "encoder" if isinstance(level, EncoderLevel) else "decoder"
        assert isinstance(level, EncoderLevel | DecoderLevel)
        self.box(lane, (LEVEL_PX, height), kind, [str(grid.channels)], title=title, opacity=opacity)

    def skip(self, lane: float, owner: str, depth: int, height: float) -> None:
        """A line from an encoder's level to the decoder's of the same depth."""
        if (owner, depth) not in self.starts:
            return
        start, end = self.starts[owner, depth], self.x + LEVEL_PX / 2
        edge = self.middle_of(lane) - height / 2
        y = self.top(lane) + ARC_PX * (depth + 0.5)
        line = f"M{start:.1f} {edge:.1f}V{y:.1f}H{end:.1f}V{edge:.1f}"
        self.wires.append(f'<path class="skip" d="{line}"/>')

    def middle(self) -> None:
        """The trunk, an LSTM and the attention at the bottleneck."""
        trunk = self.plan.trunk
        begin = self.x
        lane = (self.lanes - 1) / 2
        for index, level in enumerate(trunk.encoder if trunk else ()):
            self.level(lane, f"trunk.encoder.{index}", level, self.outer + index)
            self.x += LEVEL_PX + GAP_PX
            self.site(f"encoder {self.outer + index}")
        if self.plan.spec.lstm:
            self.bar(
                "L",
                "lstm",
                f"LSTM, {count(self.plan.spec.lstm.layers, 'layer')} in both directions",
            )
        self.site("bottleneck")
        for index, up in enumerate(trunk.decoder if trunk else ()):
            self.level(lane, f"trunk.decoder.{index}", up, self.plan.spec.depth - 1 - index)
            self.x += LEVEL_PX + GAP_PX
            self.site(f"decoder {index}")
        self.trunk_ends = (begin, self.x) if trunk else (0.0, 0.0)

    def site(self, place: str) -> None:
        """The fusion and the attention blocks at a place."""
        site = self.plan.site(place)
        if site is None:
            return
        n_spectral = site.n_spectral
        where = f"at the {place}" if place == "bottleneck" else f"after {place}"
        if self.plan.fusion and n_spectral > 1:
            kind = getattr(self.plan.fusion, "kind", "")
            path = f"{place}.fusion".replace(" ", ".")
            note = f"resolutions meet {where}: {kind}"
            self.bar("F", "fusion", note, lanes=n_spectral, path=path)
        for index in site.blocks:
            options, width = self.plan.blocks[index].options, self.plan.blocks[index].width
            kind = getattr(options, "kind", "")
            note = (
                f"attention {where}: {kind}, {options.mechanism}, "
                f"{count(options.layers, 'layer')}, {options.heads} heads, width {width}"
            )
            self.bar(f"A{index}" if index else "A", "attention", note, path=f"attention.{index}")

    def bar(
        self, mark: str, kind: str, note: str, *, lanes: int | None = None, path: str = ""
    ) -> None:
        """A bar across lanes, explained below the drawing."""
        last = self.lanes - 1 if lanes is None else lanes - 1
        top = self.middle_of(0) - 24
        height = self.middle_of(last) + 24 - top
        cost = self.costs.get(path)
        share = f"; {percent(cost.macs / self.total)} of the MACs" if cost and cost.macs else ""
        line = f"{mark}  {note}{share}"
        if line not in self.notes:
            self.notes.append(line)
        opacity = FAINTEST + 0.6 * (cost.macs if cost else 0) / self.most
        self.parts.append(
            f'<g class="{kind}"><title>{escape(note + share)}</title>'
            f'<rect class="paper" x="{self.x:.1f}" y="{top:.1f}" width="{BAR_PX}" '
            f'height="{height:.1f}" rx="4"/>'
            f'<rect x="{self.x:.1f}" y="{top:.1f}" width="{BAR_PX}" height="{height:.1f}" rx="4" '
            f'fill-opacity="{opacity:.2f}"/>'
            f'<text x="{self.x + BAR_PX / 2:.1f}" y="{top + height / 2 + 4:.1f}">{mark}</text></g>'
        )
        self.x += BAR_PX + GAP_PX

    def output(self) -> None:
        """Where resolutions and branches become the sources' waveforms."""
        self.lane_wires()
        n_spectral = len(self.plan.spectral)
        if n_spectral:
            kind = getattr(self.plan.spec.fusion.output, "kind", "")
            if n_spectral > 1:
                if self.plan.waveform:
                    self.wire(self.lanes - 1, self.x - GAP_PX, self.x + BAR_PX + GAP_PX)
                note = f"waveforms of all resolutions become one: {kind}"
                self.bar("O", "fusion", note, lanes=n_spectral, path="output.fusion")
        wave = self.plan.spec.waveform
        if n_spectral and wave and wave.estimate == "add":
            self.bar("+", "sum", "waveforms of both branches are added")
        self.wire((self.lanes - 1) / 2, self.x - GAP_PX, self.x - 4)
        sources = self.plan.spec.sources
        top = self.middle_of((self.lanes - 1) / 2) - TEXT_PX * (len(sources) - 1) / 2 + 4
        longest = max(len(source) for source in sources)
        for index, source in enumerate(sources):
            y = top + TEXT_PX * index
            self.parts.append(
                f'<text class="source" x="{self.x:.1f}" y="{y:.1f}">{escape(source)}</text>'
            )
        self.x += 7.5 * longest + GAP_PX

    def box(
        self,
        lane: float,
        size: tuple[float, float],
        kind: str,
        lines: Sequence[str],
        *,
        title: str = "",
        opacity: float = FAINTEST,
    ) -> None:
        """A labelled box in a lane, at the current x."""
        (width, height), y = size, self.middle_of(lane)
        hint = f"<title>{escape(title)}</title>" if title else ""
        start = y + 4 - 7 * (len(lines) - 1)
        texts = "".join(
            f'<text x="{self.x + width / 2:.1f}" y="{start + 14 * index:.1f}">{escape(line)}</text>'
            for index, line in enumerate(lines)
        )
        rect = f'x="{self.x:.1f}" y="{y - height / 2:.1f}" width="{width}" height="{height}" rx="3"'
        self.parts.append(
            f'<g class="{kind}">{hint}<rect class="paper" {rect}/>'
            f'<rect {rect} fill-opacity="{opacity:.2f}"/>{texts}</g>'
        )
