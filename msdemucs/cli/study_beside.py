"""`msdemucs study`: trainings beside a study's trials: its noise floor, and its best for longer."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from msdemucs.cli.chunks import AutoBatch, Device, choose_device
from msdemucs.cli.console import errors, out, print_table
from msdemucs.cli.study import app
from msdemucs.cli.study_joined import Joined, Name, joined_study
from msdemucs.cli.study_judge import judged_table, score_text
from msdemucs.cli.work import Data, DataHere, Folder, Seed, Storage, StudyName
from msdemucs.errors import UsageError
from msdemucs.units import format_count, format_db

if TYPE_CHECKING:
    import pandas as pd

    from msdemucs.study.search_space.space import Search

__all__ = ["app"]

Top = Annotated[
    int | None, typer.Option(min=1, help="How many, best first; the front when not given.")
]


@app.command()
def noise(  # noqa: PLR0913 (one option a thing that a user may decide)
    study: Annotated[
        str, typer.Argument(metavar="SPACE|STUDY", help="A search space's file, or a study.")
    ],
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of the base.")] = 5,
    small: Annotated[bool, typer.Option("--small", help="A file's small setting.")] = False,
    name: StudyName = None,
    data: Data = None,
    seed: Seed = None,
    folder: Folder = None,
    storage: Storage = None,
    device: Device = "auto",
    auto_batch: AutoBatch = False,
) -> None:
    """Train the base with several seeds: the spread that every difference is read against.

    With a search space's file its study is begun, as `study run` with the same options begins it.
    """
    from msdemucs.study.followups.seed_noise import measure_noise

    if Path(study).suffix in (".yaml", ".yml"):
        from msdemucs.study.search_space.loading import load_search_space

        search = load_search_space(Path(study), small=small).asking(name=name, data=data, seed=seed)
        study, storage = _begun(search, folder, storage)
    else:
        _refuse_settings(study, [small or None, name, seed, folder])
    with joined_study(study, storage, wanted=seeds, data=data) as joined:
        bench = joined.bench(choose_device(device), auto_batch=auto_batch).alone()
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
def promote(  # noqa: PLR0913 (one option a thing that a user may decide)
    study: Name,
    recipe: Annotated[str, typer.Option(help="The longer recipe: a shipped name, or a file.")],
    top: Top = None,
    start: Annotated[
        Literal["scratch", "weights"],
        typer.Option(help="scratch: anew; weights: on from what the trial learned."),
    ] = "scratch",
    data: DataHere = None,
    no_test: Annotated[
        bool, typer.Option("--no-test", help="Leave the test tracks closed.")
    ] = False,
    storage: Storage = None,
    device: Device = "auto",
    auto_batch: AutoBatch = False,
) -> None:
    """Train the best trials for longer, print both scores and judge what was trained, once."""
    from msdemucs.study.followups.promotion import Longer, candidates
    from msdemucs.study.followups.promotion import promote as train_longer
    from msdemucs.study.search_space.objectives import ranked_by
    from msdemucs.study.storage.load import read_record
    from msdemucs.train import load_recipe

    longer = Longer(load_recipe(recipe), start, recipe)
    with joined_study(study, storage, wanted=top or 1, data=data) as joined:
        record = read_record(joined.study)
        trials = candidates(record, top=top)
        place = choose_device(device)
        bench = joined.bench(place, auto_batch=auto_batch)
        bench = bench.for_longer(longer.recipe, say=joined.listener.said)
        found = train_longer(
            joined.study,
            trials,
            longer,
            bench.evaluate,
            listener=joined.listener,
            directory=joined.directory,
        )
        judged = None if no_test else _judge_promoted(joined, trials, found, longer.name, place)
    heading = record.qualities[ranked_by(record.directions)[0]].heading
    print_table(promoted_table(found, heading, f"{recipe}, from {start}"))
    if judged is not None and len(judged):
        print_table(judged_table(judged, record))
    if len(found) > 2:
        tau = found.short_db.corr(found.long_db, method="kendall")
        out.print(f"Kendall's τ between short and long: {tau:.2f}")


@app.command()
def rescore(  # noqa: PLR0913 (one option a thing that a user may decide)
    study: Name,
    metric: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of `msdemucs metrics`, or usdr, sisdr, chunked, bsseval (its SDR).",
        ),
    ] = "bsseval",
    split: Annotated[
        Literal["validation", "test"],
        typer.Option(help="validation; test is counted as a look at the test tracks."),
    ] = "validation",
    top: Top = None,
    data: DataHere = None,
    storage: Storage = None,
    device: Device = "auto",
) -> None:
    """Judge the best trials again, from their weights, by another metric."""
    from msdemucs.analysis.judged import RESCORE
    from msdemucs.metrics import metrics_named
    from msdemucs.study.followups.judging import Chosen, TrackSet, judge
    from msdemucs.study.followups.promotion import candidates
    from msdemucs.study.storage.load import read_record

    name = metrics_named(metric)[0]
    with joined_study(study, storage, wanted=top or 1, data=data) as joined:
        test_tracks = partial(joined.test_tracks, f"rescore --metric {metric}")
        opened = test_tracks if split == "test" else joined.validation_tracks
        scored = judge(
            joined.study,
            Chosen.of(candidates(read_record(joined.study), top=top)),
            [name],
            TrackSet(opened, split, RESCORE),
            device=choose_device(device),
            listener=joined.listener,
        )
    table = Table("trial", "name", name, box=None, header_style="bold")
    for _, row in scored.iterrows():
        table.add_row(str(row.trial), row["name"], score_text(row[name]))
    print_table(table)


def promoted_table(found: "pd.DataFrame", quality: str, how: str) -> Table:
    """One row a promoted trial, with a quality before and after."""
    table = Table(box=None, header_style="bold")
    for column in ("trial", "name"):
        table.add_column(column)
    for column in ("MAC/s", f"{quality} short", f"{quality} long ({how})", "gain"):
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


def _judge_promoted(
    joined: Joined, trials: "pd.DataFrame", found: "pd.DataFrame", recipe: str, device: str
) -> "pd.DataFrame":
    """Scores on the test tracks of what was trained for longer."""
    from msdemucs.study.followups.judging import Chosen, TrackSet, judge, qualities_of
    from msdemucs.study.storage.load import read_record

    seeds = dict(zip(trials.trial, trials.seed, strict=True))
    chosen = [
        Chosen(int(row.trial), row["name"], int(seeds[row.trial]), row.weights or "", recipe)
        for _, row in found.iterrows()
    ]
    return judge(
        joined.study,
        chosen,
        qualities_of(read_record(joined.study)),
        TrackSet(partial(joined.test_tracks, f"promote --recipe {recipe}")),
        device=device,
        listener=joined.listener,
    )


def _refuse_settings(study: str, settings: Sequence[object]) -> None:
    """Raise UsageError for settings of a study that was begun with its own.

    Raises:
        UsageError: one of them is not None.
    """
    if any(setting is not None for setting in settings):
        raise UsageError(
            f"--small, --name, --seed and --folder begin the study of a file, and {study} is a "
            "study that has its own: leave them out"
        )


def _begun(search: "Search", folder: str | None, storage: str | None) -> tuple[str, str]:
    """(name, URL) of a search space's study, which is begun where it is not yet."""
    from msdemucs.study.execution.beginning import begin_study, explained
    from msdemucs.study.execution.joining import absolute
    from msdemucs.study.storage.urls import storage_url, study_folder

    name, url = search.space.name, storage_url(search.space.name, storage)
    from msdemucs.study.trial.bench import prepare  # loads torch: after the file's own faults

    attrs = prepare(search, say=errors.print).describe()
    place, is_usual = absolute(folder or study_folder(name) / "trials"), folder is None
    with explained(url):
        begin_study(search, url, place, attrs, is_usual=is_usual)[1].close()
    return name, url
