"""`msdemucs spec`: look at specs, check them, compare them, say what they cost."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from msdemucs.cli.console import out, print_json, print_table
from msdemucs.columns import COLUMNS
from msdemucs.cost import (
    Cost,
    Limits,
    check_size,
    cost_of,
    ptflops_count,
    thop_count,
)
from msdemucs.cost.explain import Explanation
from msdemucs.cost.explain import explain as explained
from msdemucs.errors import PlanError, UsageError
from msdemucs.files import cause_of, write_text
from msdemucs.spec import (
    Plan,
    Spec,
    diff_specs,
    expanded,
    load_spec,
    plan,
    spec_hash,
    whole_yaml,
    yaml_text,
    zoo_names,
)
from msdemucs.spec.interchange import load_unplanned
from msdemucs.spec.levels import EncoderLevel, Level
from msdemucs.spec.mend import mend
from msdemucs.spec.plan import PlanNode
from msdemucs.spec.source import read_yaml
from msdemucs.units import format_bytes, format_count, format_seconds

app = typer.Typer(no_args_is_help=True, help="Look at specs, check and compare them.")

Source = Annotated[str, typer.Argument(help="A zoo name (htdemucs_n) or the path of a YAML file.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a field: --set fusion.output.kind=sum", metavar="F=V"),
]
Sources = Annotated[
    str | None,
    typer.Option(help="Stems to estimate: drums,vocals; or 1 for the accompaniment alone."),
]
MaxParameters = Annotated[
    int | None, typer.Option(help="Refuse models with more parameters; 0 for no limit.")
]
MaxMemory = Annotated[
    float | None,
    typer.Option(help="Refuse models that need more GiB to train on one segment; 0 for no limit."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def build(
    source: Source,
    set_: Set = None,
    sources: Sources = None,
    as_json: AsJson = False,
    max_parameters: MaxParameters = None,
    max_memory: MaxMemory = None,
) -> None:
    """Print the model's levels, parameters and MACs; nothing is written."""
    spec = load_spec(source, overrides=overrides(set_, sources))
    resolved, costs = plan(spec), cost_of(spec)
    check_size(resolved, _limits(max_parameters, max_memory))
    if as_json:
        print_json(_summary(spec, costs))
        return
    print_table(levels(resolved, costs))
    for line in totals(spec, costs):
        out.print(line, soft_wrap=True)


@app.command()
def explain(
    source: Source,
    set_: Set = None,
    sources: Sources = None,
    max_parameters: MaxParameters = None,
    max_memory: MaxMemory = None,
) -> None:
    """Print what every level sees and costs; of a refused spec, the change that mends it."""
    spec = _load_or_mend(source, overrides(set_, sources))
    check_size(plan(spec), _limits(max_parameters, max_memory))
    explanation = explained(spec)
    print_table(views(explanation))
    for line in sight(explanation, spec):
        out.print(line, soft_wrap=True)


@app.command()
def check(source: Source, set_: Set = None, sources: Sources = None) -> None:
    """Say whether a spec is valid and builds; every fault comes with its line."""
    spec = load_spec(source, overrides=overrides(set_, sources))
    out.print(f"{spec.name}: valid; {format_count(cost_of(spec).parameters)} parameters")


@app.command()
def show(
    source: Source,
    set_: Set = None,
    sources: Sources = None,
    is_expanded: Annotated[
        bool, typer.Option("--expanded", help="Schedules as lists, without what has no effect.")
    ] = False,
) -> None:
    """Print the whole spec as YAML, every default filled in."""
    spec = load_spec(source, overrides=overrides(set_, sources))
    text = yaml_text(expanded(spec)) if is_expanded else whole_yaml(spec)
    out.print(text, end="", markup=False, soft_wrap=True)


@app.command()
def diff(base: Source, other: Source, as_json: AsJson = False) -> None:
    """Print the fields in which two specs differ."""
    differences = diff_specs(load_spec(base), load_spec(other))
    if as_json:
        print_json({field: list(pair) for field, pair in differences.items()})
        return
    if not differences:
        out.print("the specs are the same")
        return
    table = Table(box=None, header_style="bold")
    for heading in ("field", base, other):
        table.add_column(escape(heading), overflow="fold")
    for field, (left, right) in differences.items():
        table.add_row(field, escape(json.dumps(left)), escape(json.dumps(right)))
    print_table(table)


@app.command("list")
def list_() -> None:
    """Print the zoo: every shipped spec with what it costs, and what published figures count."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("name", no_wrap=True)
    for heading in (
        "segment",
        "M params",
        "thop M params",
        "GMAC / s of audio",
        "GMAC / segment",
        "thop GMAC / segment",
    ):
        table.add_column(heading, justify="right")
    for name in zoo_names():
        spec = load_spec(name)
        costs, thop = cost_of(spec), thop_count(spec)
        table.add_row(
            name,
            f"{spec.segment:g} s",
            f"{costs.parameters / 1e6:.2f}",
            f"{thop.parameters / 1e6:.2f}",
            f"{costs.macs_per_second / 1e9:.2f}",
            f"{costs.macs / 1e9:.2f}",
            f"{thop.macs / 1e9:.2f}",
        )
    print_table(table)
    out.print(
        "thop: the profiler behind published figures; it leaves attention out, and counts "
        "transposed convolutions a stride too high",
        soft_wrap=True,
    )


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option("-o", help="Write to a file instead.")] = None,
) -> None:
    """Print the JSON Schema of specs, for editors."""
    text = json.dumps(Spec.model_json_schema(), indent=2)
    if output is None:
        out.print(text, markup=False, soft_wrap=True)
    else:
        _write(output, text + "\n")


def _write(path: Path, text: str) -> None:
    """Write a file.

    Raises:
        UsageError: it cannot be written.
    """
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: cannot be written: there is no folder {path.parent}")
    try:
        write_text(path, text)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {cause_of(error)}") from None


def overrides(settings: list[str] | None, sources: str | None = None) -> dict[str, object]:
    """The fields that --set and --sources give, values read as YAML.

    Raises:
        UsageError: a setting without “=”.
        SpecError: a value that is not YAML.
    """
    changes: dict[str, object] = {}
    for setting in settings or ():
        field, equals, text = setting.partition("=")
        if not equals or not field:
            raise UsageError(f"--set {setting}: write it as field=value")
        value = read_yaml(f"value: {text}", f"--set {field}").child("value")
        changes[field] = value.plain() if value else None
    if sources == "1":
        changes["sources"] = ["accompaniment"]
    elif sources:
        changes["sources"] = [name.strip() for name in sources.split(",")]
    return changes


def _load_or_mend(source: str, changed: dict[str, object]) -> Spec:
    """The spec; a refusal's first problem says which change of one field is enough, if one is.

    Raises:
        PlanError: its sizes do not work out.
    """
    try:
        return load_spec(source, overrides=changed)
    except PlanError as error:
        first, *others = error.problems
        change = mend(load_unplanned(source, overrides=changed), first.field)
        hint = f"the smallest change with which it builds: {change}" if change else first.hint
        raise PlanError([replace(first, hint=hint), *others]) from None


def _limits(max_parameters: int | None, max_memory: float | None) -> Limits:
    """The sizes that --max-parameters and --max-memory give; 0 lifts a limit."""
    usual = Limits()
    parameters = usual.parameters if max_parameters is None else max_parameters or None
    memory = usual.training_bytes if max_memory is None else round(max_memory * 2**30) or None
    return Limits(parameters, memory)


def _summary(spec: Spec, costs: Cost) -> dict[str, object]:
    return {
        "name": spec.name,
        "hash": spec_hash(spec),
        "sources": list(spec.sources),
        "segment": spec.segment,
        "params": costs.parameters,
        **costs.figures,
        "macs_by_kind": costs.macs_by_kind,
        "elementwise": costs.elementwise,
        "transform_flops": costs.transform_flops,
        "dialects": {"thop": thop_count(spec).macs, "ptflops": ptflops_count(spec)},
        "parameters_by_part": costs.parameters_by_part,
        "macs_by_part": costs.macs_by_part,
        "per_second": costs.per_second,
        "nodes": [
            {"path": node.path, "part": node.part, "params": node.parameters, "macs": node.macs}
            for node in costs.nodes
        ],
    }


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
