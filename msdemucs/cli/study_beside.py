"""`msdemucs study`: trainings beside a study's trials: its noise floor, and its best for longer."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from msdemucs.cli.console import errors, out, print_table
from msdemucs.cli.study import app
from msdemucs.cli.work import Storage
from msdemucs.units import format_count, format_db

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from msdemucs.study.space.space import Search
    from msdemucs.study.trials.candidate import Listener

__all__ = ["Name", "app"]

Name = Annotated[str, typer.Argument(metavar="STUDY", help="A study's name, or its database.")]
Top = Annotated[
    int | None, typer.Option(min=1, help="How many, best first; the front when not given.")
]


class Start(StrEnum):
    """Where a promotion begins."""

    scratch = "scratch"
    weights = "weights"


class Metric(StrEnum):
    """What trials are judged by again."""

    bsseval = "bsseval"
    usdr = "usdr"
    sisdr = "sisdr"
    chunked = "chunked"


@app.command()
def noise(
    study: Annotated[
        str, typer.Argument(metavar="SPACE|STUDY", help="A search space's file, or a study.")
    ],
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of the base.")] = 5,
    small: Annotated[bool, typer.Option("--small", help="A file's small setting.")] = False,
    storage: Storage = None,
) -> None:
    """Train the base with several seeds: the spread that every difference is read against."""
    from msdemucs.study.beside.noise import measure_noise

    if Path(study).suffix in (".yaml", ".yml"):
        study, storage = _begun(Path(study), small, storage)
    with _joined(study, storage, wanted=seeds) as joined:
        from msdemucs.study.trials.objective import prepare

        bench = prepare(joined.search, say=joined.listener.said).alone()
        floor = measure_noise(
            joined.study,
            joined.search,
            bench.evaluate,
            n_seeds=seeds,
            listener=joined.listener,
            directory=joined.directory,
        )
    for seed, value in floor.scores.items():
        out.print(f"seed {seed}: {format_db(value)}{'' if seed in floor.trained else ' (known)'}")
    low, high = floor.sigma.low, floor.sigma.high
    out.print(f"σ {floor.sigma.value:.3f} dB, 95 % interval {low:.3f} to {high:.3f} dB")


@app.command()
def promote(
    study: Name,
    recipe: Annotated[str, typer.Option(help="The longer recipe: a shipped name, or a file.")],
    top: Top = None,
    start: Annotated[
        Start, typer.Option(help="scratch: anew; weights: on from what the trial learned.")
    ] = Start.scratch,
    storage: Storage = None,
) -> None:
    """Train the best trials for longer and print both scores side by side."""
    from msdemucs.study.beside.promotion import Longer, candidates
    from msdemucs.study.beside.promotion import promote as train_longer
    from msdemucs.study.storage.load import read_record
    from msdemucs.study.trials.objective import Bench
    from msdemucs.study.trials.tracks import gather
    from msdemucs.train import load_recipe

    longer = Longer(load_recipe(recipe), start.value, recipe)
    with _joined(study, storage, wanted=top or 1) as joined:
        trials = candidates(read_record(joined.study), top=top)
        space, told = joined.search.space, joined.listener
        segment = longer.recipe.segment
        tracks = gather(space.data, joined.search.base, segment=segment, say=told.said)
        found = train_longer(
            joined.study,
            trials,
            longer,
            Bench(longer.recipe, tracks, _device()).evaluate,
            listener=told,
            directory=joined.directory,
        )
    print_table(promoted_table(found, f"{recipe}, from {start.value}"))
    if len(found) > 2:
        tau = found.short_db.corr(found.long_db, method="kendall")
        out.print(f"Kendall's τ between short and long: {tau:.2f}")


@app.command()
def rescore(
    study: Name,
    metric: Annotated[Metric, typer.Option(help="By what.")] = Metric.bsseval,
    top: Top = None,
    storage: Storage = None,
) -> None:
    """Judge the best trials again, from their weights, by another metric."""
    from msdemucs.study.beside.promotion import candidates
    from msdemucs.study.beside.rescore import rescore as judge_again
    from msdemucs.study.storage.load import read_record
    from msdemucs.study.trials.tracks import gather

    with _joined(study, storage, wanted=top or 1) as joined:
        trials = candidates(read_record(joined.study), top=top)
        space, told = joined.search.space, joined.listener
        tracks = gather(space.data, joined.search.base, segment=0, say=told.said).test
        found = judge_again(
            joined.study, trials, tracks, metric.value, device=_device(), listener=told
        )
    table = Table("trial", "name", *found.columns[2:], box=None, header_style="bold")
    for row in found.itertuples(index=False):
        table.add_row(str(row[0]), str(row[1]), format_db(float(str(row[2]))))
    print_table(table)


def promoted_table(found: "pd.DataFrame", how: str) -> Table:
    """One row a promoted trial."""
    table = Table(box=None, header_style="bold")
    for column in ("trial", "name"):
        table.add_column(column)
    for column in ("MAC/s", "uSDR short", f"uSDR long ({how})", "gain"):
        table.add_column(column, justify="right")
    table.add_column("weights")
    for _, row in found.iterrows():
        table.add_row(
            str(row.trial),
            row["name"],
            format_count(row.macs_per_second),
            format_db(row.short_db),
            format_db(row.long_db),
            f"{row.long_db - row.short_db:+.2f} dB",
            row.weights or "–",
        )
    return table


@dataclass(frozen=True)
class Joined:
    """A study that trainings beside it belong to.

    Attributes:
        directory: where the studies' folders lie.
    """

    study: "optuna.Study"
    search: "Search"
    directory: Path
    listener: "Listener"


@contextmanager
def _joined(name: str, storage: str | None, *, wanted: int) -> Iterator[Joined]:
    """An open study with progress on the console; Ctrl-C and SIGTERM save, and exit with 130."""
    from msdemucs.cli.progress import progress
    from msdemucs.study.running.beginning import explained
    from msdemucs.study.running.joining import rejoin
    from msdemucs.study.storage.depot import is_url
    from msdemucs.study.storage.load import locate_study, only_study
    from msdemucs.study.storage.studies import open_storage, open_study
    from msdemucs.study.storage.urls import STUDIES
    from msdemucs.train.interrupts import Interrupts

    found, url = locate_study(name, storage)
    try:
        with explained(url), closing(open_storage(url)) as opened:
            study = open_study(opened, found or only_study(opened, name))
            search, folder = rejoin(study)
            shown = progress(errors, study=study.study_name, wanted=wanted)
            with shown as listener, Interrupts():
                directory = STUDIES if is_url(folder) else Path(folder).parent.parent
                yield Joined(study, search, directory, listener)
    except KeyboardInterrupt:
        errors.print("interrupted; the same command goes on", markup=False)
        sys.exit(130)


def _begun(path: Path, small: bool, storage: str | None) -> tuple[str, str]:
    """(name, URL) of a search space's study, which is begun where it is not yet."""
    from msdemucs.study.running.beginning import begin_study, explained
    from msdemucs.study.space.reading import load_search_space
    from msdemucs.study.storage.urls import STUDIES, storage_url

    search = load_search_space(path, small=small)
    name, url = search.space.name, storage_url(search.space.name, storage)
    from msdemucs.study.trials.objective import prepare  # loads torch: after the file's own faults

    attrs = prepare(search, say=errors.print).describe()
    with explained(url):
        begin_study(search, url, STUDIES / name / "trials", attrs)[1].close()
    return name, url


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
