"""`msdemucs study list`, `export` and `rm`: the studies that databases hold."""

import sys
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer
from rich.table import Table

from msdemucs.cli.console import errors, out, print_table
from msdemucs.cli.options import Name, Storage
from msdemucs.errors import UsageError


def list_(storage: Storage = None) -> None:
    """List the studies of a database, or those under studies/."""
    from msdemucs.study.storage.load import load_studies

    def left_out(error: Exception) -> None:
        errors.print(f"left out: {error}", markup=False, soft_wrap=True)

    table = Table(
        "study", "complete", "stopped", "failed", "later", "objectives", "database", box=None
    )
    for record, url in load_studies(storage, on_error=left_out):
        counts = record.trials.state.value_counts()
        objectives = ", ".join(f"{name} ({how})" for name, how in record.directions.items())
        figures = [str(counts.get(state, 0)) for state in ("complete", "stopped", "failed")]
        is_copy = (record.trials.state == "complete") & record.trials.duplicate_of.notna()
        if n_copies := int(is_copy.sum()):
            noun = "copy" if n_copies == 1 else "copies"
            figures[0] = f"{counts['complete'] - n_copies}, {n_copies} {noun}"
        kinds = record.later.kind.value_counts(sort=False)
        later = ", ".join(f"{n} {kind}" for kind, n in kinds.items()) or "–"
        table.add_row(record.name, *figures, later, objectives, url)
    if table.row_count:
        print_table(table)
    else:
        errors.print("no study here yet: msdemucs study run search_spaces/multires.yaml --small")


Kind = Literal["csv", "parquet", "json"]


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
