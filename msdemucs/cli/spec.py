"""`msdemucs spec`: look at specs, check them, compare them, say what they cost."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from msdemucs.cli.console import out, print_table
from msdemucs.cost import Cost, Limits, activation_bytes, check_size, cost
from msdemucs.errors import UsageError
from msdemucs.spec import (
    Plan,
    Spec,
    diff_specs,
    dump_spec,
    expanded,
    load_spec,
    plan,
    spec_hash,
    zoo_names,
)
from msdemucs.spec.levels import EncoderLevel, Level
from msdemucs.spec.source import read_yaml
from msdemucs.units import format_bytes, format_count

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
    typer.Option(
        help="Refuse models whose activations for one segment take more GiB; 0 for no limit."
    ),
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
    resolved, costs = plan(spec), cost(spec)
    check_size(resolved, _limits(max_parameters, max_memory))
    if as_json:
        out.print_json(json.dumps(_summary(spec, costs)))
        return
    print_table(_levels(resolved, costs))
    for line in _totals(spec, costs):
        out.print(line, soft_wrap=True)


@app.command()
def check(source: Source, set_: Set = None, sources: Sources = None) -> None:
    """Say whether a spec is valid and builds; every fault comes with its line."""
    spec = load_spec(source, overrides=overrides(set_, sources))
    out.print(f"{spec.name}: valid; {format_count(cost(spec).parameters)} parameters")


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
    import yaml

    spec = load_spec(source, overrides=overrides(set_, sources))
    data = expanded(spec) if is_expanded else dump_spec(spec)
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None)
    out.print(text, end="", markup=False, soft_wrap=True)


@app.command()
def diff(base: Source, other: Source, as_json: AsJson = False) -> None:
    """Print the fields in which two specs differ."""
    differences = diff_specs(load_spec(base), load_spec(other))
    if as_json:
        out.print_json(json.dumps({field: list(pair) for field, pair in differences.items()}))
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
    """Print the zoo: every shipped spec with its size."""
    table = Table("name", "parameters", "MACs / s", "segment", box=None, header_style="bold")
    for name in zoo_names():
        costs = cost(load_spec(name))
        table.add_row(
            name,
            format_count(costs.parameters),
            format_count(costs.macs_per_second, "MAC/s"),
            f"{costs.segment:g} s",
        )
    out.print(table)


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
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def overrides(settings: list[str] | None, sources: str | None = None) -> dict[str, object]:
    """The fields that --set and --sources give, values read as YAML.

    Raises:
        UsageError: a setting without “=”.
        SpecError: a value that is not YAML.
    """
    found: dict[str, object] = {}
    for setting in settings or ():
        field, equals, text = setting.partition("=")
        if not equals or not field:
            raise UsageError(f"--set {setting}: write it as field=value")
        value = read_yaml(f"value: {text}", f"--set {field}").child("value")
        found[field] = value.plain() if value else None
    if sources == "1":
        found["sources"] = ["accompaniment"]
    elif sources:
        found["sources"] = [name.strip() for name in sources.split(",")]
    return found


def _limits(max_parameters: int | None, max_memory: float | None) -> Limits:
    """The sizes that --max-parameters and --max-memory give; 0 lifts a limit."""
    usual = Limits()
    parameters = usual.parameters if max_parameters is None else max_parameters or None
    memory = usual.activation_bytes if max_memory is None else round(max_memory * 2**30) or None
    return Limits(parameters, memory)


def _summary(spec: Spec, costs: Cost) -> dict[str, object]:
    return {
        "name": spec.name,
        "hash": spec_hash(spec),
        "sources": list(spec.sources),
        "segment": spec.segment,
        "params": costs.parameters,
        "macs": costs.macs,
        "macs_per_second": costs.macs_per_second,
        "macs_by_kind": costs.macs_by_kind,
        "elementwise": costs.elementwise,
        "transform_flops": costs.transform_flops,
        "activation_bytes": activation_bytes(plan(spec)),
        "nodes": [
            {"path": node.path, "part": node.part, "params": node.parameters, "macs": node.macs}
            for node in costs.nodes
        ],
    }


def _levels(resolved: Plan, costs: Cost) -> Table:
    """A line a part: what it is, the size of what leaves it, what it costs."""
    legend = "GN4: group norm, 4 groups; 12·2: residual branch, 12 channels in 2 sub-layers"
    table = Table(box=None, header_style="bold", caption=legend, caption_justify="left")
    table.add_column("part", no_wrap=True)
    for name in ("channels", "kernel / stride", "inside", "C×F×T after", "parameters", "MACs"):
        table.add_column(name, justify="right", no_wrap=True)
    for node, priced in zip(resolved.nodes, costs.nodes, strict=True):
        grid = node.output
        table.add_row(
            node.path,
            *(_level_cells(node.level) if node.level else [""] * 3),
            f"{grid.channels}×{grid.rows}×{grid.frames}" if grid else "",
            "shared" if node.shares else f"{priced.parameters:,}" if priced.parameters else "",
            format_count(priced.macs) if priced.macs else "",
        )
    return table


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


def _totals(spec: Spec, costs: Cost) -> list[str]:
    kinds = ", ".join(f"{kind} {format_count(n)}" for kind, n in costs.macs_by_kind.items() if n)
    return [
        "",
        f"[bold]{spec.name}[/bold]  {', '.join(spec.sources)}  ({spec_hash(spec)})",
        f"parameters  {costs.parameters:,}",
        f"MACs        {costs.macs:,} for a segment of {spec.segment:g} s",
        f"            {kinds}",
        f"            {format_count(costs.macs_per_second, 'MAC')} a second of audio; "
        "1 MAC = 2 FLOPs",
        f"memory      {format_bytes(activation_bytes(plan(spec)))} of activations for a segment, "
        "if all are kept",
        f"apart       {format_count(costs.elementwise)} values normalised, scaled or mixed; "
        f"{format_count(costs.transform_flops, 'FLOP')} of Fourier transforms",
    ]
