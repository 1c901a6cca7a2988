"""`msdemucs spec`: look at specs, check them, compare them, say what they cost."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from msdemucs.cli.console import out, print_json, print_table
from msdemucs.cli.spec_tables import levels, sight, totals, views
from msdemucs.cost import (
    Cost,
    Limits,
    check_size,
    cost_of,
    ptflops_count,
    thop_count,
)
from msdemucs.cost.explain import explain as explained
from msdemucs.errors import PlanError, UsageError
from msdemucs.files import cause_of, write_text
from msdemucs.spec import (
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
from msdemucs.spec.mend import mend
from msdemucs.spec.source import read_yaml
from msdemucs.units import format_count

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
