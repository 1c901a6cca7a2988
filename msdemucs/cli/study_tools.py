"""`msdemucs study`: what can be asked of a study that was run."""

import re
import sys
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from msdemucs.cli.console import errors, out, print_json, print_table
from msdemucs.cli.study import trial_table
from msdemucs.cli.study_beside import app
from msdemucs.cli.study_effects import effects_json, print_effects
from msdemucs.cli.study_joined import Name
from msdemucs.cli.study_trust import control_json, control_lines, fidelity_table
from msdemucs.cli.work import Storage
from msdemucs.errors import UsageError

__all__ = ["app"]

Kind = Literal["csv", "parquet", "json"]

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def effects(study: Name, storage: Storage = None, as_json: AsJson = False) -> None:
    """Print what an ablation found: each factor's effect, interval, p-value and cost."""
    from msdemucs.analysis.effects import effects as found_in
    from msdemucs.study.storage.load import load_study

    record = load_study(study, storage=storage)
    found = found_in(record)
    if as_json:
        print_json({"study": record.name, **effects_json(found)})
        return
    out.print(f"{record.name}: {record.title}", markup=False, soft_wrap=True)
    print_effects(found)


@app.command()
def export(
    study: Name,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    kind: Annotated[
        Kind | None, typer.Option("--format", help="By the file's ending when not given.")
    ] = None,
    table: Annotated[
        str,
        typer.Option(
            help="trials, scores, floors, rungs, rung_scores, curves or later; json has all."
        ),
    ] = "trials",
    storage: Storage = None,
) -> None:
    """Write a study's trials as CSV or Parquet, a row a trial and seed, or all of it as JSON."""
    from msdemucs.analysis.exports import export as write
    from msdemucs.study.storage.load import load_study

    write(load_study(study, storage=storage), output, kind=kind or _kind_of(output), table=table)
    out.print(str(output), markup=False, soft_wrap=True)


def _kind_of(output: Path) -> Kind:
    """The format that a file's ending stands for.

    Raises:
        UsageError: it stands for none.
    """
    kinds: tuple[Kind, ...] = get_args(Kind)
    for kind in kinds:
        if output.suffix == f".{kind}":
            return kind
    raise UsageError(f"{output} ends in no known format: give --format csv, parquet or json")


@app.command()
def best(  # noqa: PLR0913 (one option a thing that a user may decide)
    study: Name,
    max_macs: Annotated[
        str | None,
        typer.Option(help="Multiply-accumulates for a second of audio at most: 8G, 500M."),
    ] = None,
    max_parameters: Annotated[str | None, typer.Option(help="Parameters at most: 10M.")] = None,
    max_latency_ms: Annotated[
        float | None, typer.Option(min=0, help="Median latency at most, in ms.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many, best first.")] = 1,
    by: Annotated[
        str | None,
        typer.Option(
            help="The quality that counts: si_sdr_db/vocals is metric/source; the study's first "
            "otherwise."
        ),
    ] = None,
    as_json: AsJson = False,
    storage: Storage = None,
) -> None:
    """Print the best complete trials within limits, and where their weights are."""
    from msdemucs.analysis.exports import plain_rows
    from msdemucs.analysis.selection import best_trials, by_quality
    from msdemucs.study.storage.load import load_study

    record = load_study(study, storage=storage)
    limits = {
        "macs_per_second": None if max_macs is None else read_count(max_macs),
        "parameters": None if max_parameters is None else read_count(max_parameters),
        "latency_ms_p50": max_latency_ms,
    }
    given = {name: value for name, value in limits.items() if value is not None}
    record = record if by is None else by_quality(record, by)
    found = best_trials(record, limits=given, top=top)
    if as_json:
        print_json({"study": record.name, "trials": plain_rows(found)})
        return
    print_table(trial_table(record, found))
    for _, trial in found.iterrows():
        if isinstance(trial.weights, str):
            out.print(f"weights of trial {trial.trial}: {trial.weights}", soft_wrap=True)


@app.command()
def rm(
    study: Name,
    storage: Storage = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even if processes seem to work on it.")
    ] = False,
) -> None:
    """Remove a study: its trials, what was computed later, weights and logs."""
    from msdemucs.study.storage.removal import doomed, remove_study

    what = doomed(study, storage=storage)
    if not yes and not typer.confirm(f"remove {what}?", err=True):
        errors.print("nothing was removed")
        sys.exit(1)
    remove_study(what, even_running=force)
    errors.print(f"removed {what}", markup=False, soft_wrap=True)


@app.command()
def fidelity(
    study: Name,
    top: Annotated[
        int | None, typer.Option(min=1, help="The best few; a fifth of the trials if not given.")
    ] = None,
    as_json: AsJson = False,
    storage: Storage = None,
) -> None:
    """Print how short a run may be: each rung's ranking against the last, within cost bands too."""
    from msdemucs.analysis.exports import plain_rows
    from msdemucs.analysis.fidelity import control
    from msdemucs.analysis.fidelity import fidelity as of_rungs
    from msdemucs.study.storage.load import load_study

    record = load_study(study, storage=storage)
    found, drawn = of_rungs(record, top=top), control(record)
    if as_json:
        rest = {"cost_bands": found.bands, "recommended": found.recommended, "notes": found.notes}
        rungs = plain_rows(found.table)
        print_json({"study": record.name, "rungs": rungs, **rest, "control": control_json(drawn)})
        return
    print_table(fidelity_table(found))
    if found.recommended is not None:
        out.print(f"the cheapest rung that can be trusted: step {found.recommended}")
    for line in (*(f"note: {note}" for note in found.notes), *control_lines(drawn)):
        out.print(line, markup=False, soft_wrap=True)


def read_count(text: str) -> float:
    """A count with an SI prefix: "8G" is 8e9.

    Raises:
        UsageError: it is none.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?(?:e\d+)?) ?([kMGT]?)", text.strip())
    if match is None:
        raise UsageError(f"“{text}” is no count: 8G, 500M, 1.5e9")
    return float(match[1]) * {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[match[2]]
