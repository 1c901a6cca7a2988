"""The tables that `msdemucs spec` prints."""

from rich.table import Table

from msdemucs.columns import COLUMNS
from msdemucs.cost import Cost
from msdemucs.cost.explain import Explanation
from msdemucs.spec import Plan, Spec, spec_hash
from msdemucs.spec.levels import EncoderLevel, Level
from msdemucs.spec.plan import PlanNode
from msdemucs.units import format_bytes, format_count, format_seconds

BAR = 12
"""Characters of the longest bar."""


def levels(resolved: Plan, costs: Cost) -> Table:
    """A line a part: what it is, the size of what leaves it, what it costs."""
    legend = "GN4: group norm, 4 groups; 12·2: residual branch, 12 channels in 2 sub-layers"
    table = Table(box=None, header_style="bold", caption=legend, caption_justify="left")
    table.add_column("part", no_wrap=True)
    for name in ("channels", "kernel / stride", "inside", "C×F×T after", "parameters", "MACs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    most = max(node.macs for node in costs.nodes) or 1
    for node, priced in zip(resolved.nodes, costs.nodes, strict=True):
        grid = node.output
        table.add_row(
            node.path,
            *(_level_cells(node.level) if node.level else [""] * 3),
            f"{grid.channels}×{grid.rows}×{grid.frames}" if grid else "",
            _parameters(node, priced.parameters),
            format_count(priced.macs) if priced.macs else "",
            "█" * round(BAR * priced.macs / most),
        )
    return table


def _parameters(node: PlanNode, count: int) -> str:
    return "shared" if node.shares else f"{count:,}" if count else ""


def _level_cells(level: Level) -> list[str]:
    """Channels; kernel and stride of every branch that enters or leaves; norm and residual."""
    is_encoder = isinstance(level, EncoderLevel)
    ends = [(shift.outer.channels, shift.inner.channels) for shift in level.shifts]
    ends = [pair if is_encoder else pair[::-1] for pair in ends]
    kernels = ["×".join(map(str, s.axis.along(s.kernel_size))) for s in level.shifts]
    strides = ["×".join(map(str, s.axis.along(s.stride))) for s in level.shifts]
    residual = level.residual
    inside = [f"GN{level.norm_groups}"] if level.norm_groups else []
    inside += [f"{residual.hidden}·{len(residual.dilations)}"] if residual else []
    inside += ["lstm"] if residual and residual.lstm else []
    inside += ["attn"] if residual and residual.attention else []
    return [
        ", ".join(f"{into}→{out}" for into, out in dict.fromkeys(ends)),
        f"{', '.join(kernels)} / {', '.join(strides)}",
        " ".join(inside),
    ]


def totals(spec: Spec, costs: Cost) -> list[str]:
    """What the whole model costs, in words."""
    further = [COLUMNS[name] for name in costs.figures if not hasattr(costs, name)]
    kinds = ", ".join(f"{kind} {format_count(n)}" for kind, n in costs.macs_by_kind.items() if n)
    return [
        "",
        f"[bold]{spec.name}[/bold]  {', '.join(spec.sources)}  ({spec_hash(spec)})",
        f"parameters  {costs.parameters:,}",
        f"MACs        {costs.macs:,} for a segment of {spec.segment:g} s",
        f"            {kinds}",
        f"            {format_count(costs.macs_per_second, 'MAC')} a second of audio; "
        "1 MAC = 2 FLOPs",
        f"memory      {format_bytes(costs.inference_bytes)} at most for a segment, "
        f"{format_bytes(costs.training_bytes)} to train on it, beside the model (float32)",
        f"apart       {format_count(costs.elementwise)} values normalised, scaled or mixed; "
        f"{format_count(costs.transform_flops, 'FLOP')} of Fourier transforms",
        *(f"{column.heading:<10}  {column.text(costs.figures[column.name])}" for column in further),
    ]


def views(explanation: Explanation) -> Table:
    """A line a part: sizes, strides, receptive fields, and a bar of its MACs."""
    table = Table(box=None, header_style="bold")
    table.add_column("part", no_wrap=True)
    for name in ("C×F×T after", "stride", "sees", "row", "sees", "parameters", "memory", "MACs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    most = max(part.cost.macs for part in explanation.parts) or 1
    for part in explanation.parts:
        view, grid = part.view, part.node.output
        table.add_row(
            part.node.path,
            f"{grid.channels}×{grid.rows}×{grid.frames}" if grid else "",
            f"{view.stride:g}" if view else "",
            f"{view.samples:g}" if view else "",
            f"{view.row_hz:.1f} Hz" if view and view.row_hz else "",
            f"{view.seen_hz:.0f} Hz" if view and view.seen_hz else "",
            _parameters(part.node, part.cost.parameters),
            format_bytes(part.activation_bytes) if part.activation_bytes else "",
            format_count(part.cost.macs) if part.cost.macs else "",
            "█" * round(BAR * part.cost.macs / most),
        )
    return table


def sight(explanation: Explanation, spec: Spec) -> list[str]:
    """Resolution, reach and latency of the whole model, in words."""
    lines = [
        "",
        f"[bold]{spec.name}[/bold]  strides and what is seen are in samples of the mixture",
    ]
    for name, view in explanation.bottleneck.items():
        frame = format_seconds(view.stride / spec.sample_rate)
        seen = format_seconds(view.samples / spec.sample_rate)
        rows = f", a row {view.row_hz:.1f} Hz" if view.row_hz else ""
        lines.append(f"bottleneck  {name}: a frame every {frame}{rows}; convolutions see {seen}")
    shortest = f"{explanation.shortest} samples; a shorter mixture is padded inside"
    lookahead = format_seconds(explanation.lookahead_seconds)
    return [
        *lines,
        f"shortest    {shortest}",
        f"latency     {format_seconds(explanation.latency_seconds)}, a segment: norms look at all "
        f"of it; convolutions alone would look {lookahead} ahead",
    ]
