"""`msdemucs study noise`, `promote`, `rescore` and `judge`: what follows a study's trials."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from msdemucs.cli.chunks import AutoBatch, Device, choose_device
from msdemucs.cli.console import errors, out, print_table
from msdemucs.cli.study.opened_study import OpenedStudy, opened_study
from msdemucs.cli.study.options import Data, DataHere, Folder, Name, Seed, Storage, StudyName, Top
from msdemucs.cli.study.tables import judged_table, promoted_table, score_text
from msdemucs.errors import UsageError
from msdemucs.units import format_db

if TYPE_CHECKING:
    import pandas as pd

    from msdemucs.study.records import StudyRecord
    from msdemucs.study.search_space.space import Search


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
    from msdemucs.study.followups.trainings import measure_noise

    if Path(study).suffix in (".yaml", ".yml"):
        from msdemucs.study.search_space.loading import load_search_space

        search = load_search_space(Path(study), small=small).asking(name=name, data=data, seed=seed)
        study, storage = _begun(search, folder, storage)
    else:
        _refuse_settings(study, [small or None, name, seed, folder])
    with opened_study(study, storage, wanted=seeds, data=data) as opened:
        bench = opened.bench(choose_device(device), auto_batch=auto_batch).alone()
        floor = measure_noise(
            opened.study,
            opened.search,
            bench.evaluate,
            n_seeds=seeds,
            listener=opened.listener,
            directory=opened.directory,
        )
    for seed, value in floor.scores.items():
        out.print(f"seed {seed}: {format_db(value)}{'' if seed in floor.trained else ' (known)'}")
    low, high = floor.sigma.low, floor.sigma.high
    out.print(f"σ {floor.sigma.value:.3f} dB, 95 % interval {low:.3f} to {high:.3f} dB")


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
    from msdemucs.study.followups.trainings import Longer, candidates
    from msdemucs.study.followups.trainings import promote as train_longer
    from msdemucs.study.records import ranked_by
    from msdemucs.study.storage.load import read_record
    from msdemucs.train import load_recipe

    longer = Longer(load_recipe(recipe), start, recipe)
    with opened_study(study, storage, wanted=top or 1, data=data) as opened:
        record = read_record(opened.study)
        trials = candidates(record, top=top)
        place = choose_device(device)
        bench = opened.bench(place, auto_batch=auto_batch)
        bench = bench.for_longer(longer.recipe, say=opened.listener.said)
        promoted = train_longer(
            opened.study,
            trials,
            longer,
            bench.evaluate,
            listener=opened.listener,
            directory=opened.directory,
        )
        judged = None if no_test else _judge_promoted(opened, trials, promoted, longer.name, place)
    heading = record.qualities[ranked_by(record.directions)[0]].heading
    print_table(promoted_table(promoted, heading, f"{recipe}, from {start}"))
    if judged is not None and len(judged):
        print_table(judged_table(judged, record))
    if len(promoted) > 2:
        tau = promoted.short_db.corr(promoted.long_db, method="kendall")
        out.print(f"Kendall's τ between short and long: {tau:.2f}")


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
    from msdemucs.metrics import metrics_named
    from msdemucs.study.followups.judging import Chosen, TrackSet, judge
    from msdemucs.study.followups.trainings import candidates
    from msdemucs.study.records import RESCORE
    from msdemucs.study.storage.load import read_record

    name = metrics_named(metric)[0]
    with opened_study(study, storage, wanted=top or 1, data=data) as opened:
        test_tracks = partial(opened.test_tracks, f"rescore --metric {metric}")
        read_tracks = test_tracks if split == "test" else opened.validation_tracks
        scored = judge(
            opened.study,
            Chosen.of(candidates(read_record(opened.study), top=top)),
            [name],
            TrackSet(read_tracks, split, RESCORE),
            device=choose_device(device),
            listener=opened.listener,
        )
    table = Table("trial", "name", name, box=None, header_style="bold")
    for _, row in scored.iterrows():
        table.add_row(str(row.trial), row["name"], score_text(row[name]))
    print_table(table)


def judge(  # noqa: PLR0913 (one option a thing that a user may decide)
    study: Name,
    top: Annotated[int | None, typer.Option(min=1, help="How many, best first.")] = None,
    front: Annotated[
        bool, typer.Option("--front", help="All of the front: what is judged if nothing is said.")
    ] = False,
    trials: Annotated[str | None, typer.Option(metavar="3,7", help="These, by number.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Of `msdemucs metrics`, or a quality (si_sdr_db/vocals); may be given several "
            "times. uSDR and the study's own objectives if not given.",
        ),
    ] = None,
    data: DataHere = None,
    storage: Storage = None,
    device: Device = "auto",
) -> None:
    """Score chosen trials' weights on the test tracks, once, beside their validation scores.

    Nothing else reads them, but for `promote` at its end and `rescore --split test`.

    Raises:
        UsageError: several ways to choose.
    """
    from msdemucs.study.followups.judging import Chosen, TrackSet, qualities_to_judge
    from msdemucs.study.followups.judging import judge as score
    from msdemucs.study.records import looked
    from msdemucs.study.storage.load import read_record

    if sum((top is not None, front, trials is not None)) > 1:
        raise UsageError("--top, --front and --trials each choose what is judged: give one")
    numbers = None if trials is None else read_numbers(trials)
    with opened_study(study, storage, wanted=top or 1, data=data) as opened:
        record = read_record(opened.study)
        judged = score(
            opened.study,
            Chosen.of(_chosen(record, top, numbers)),
            qualities_to_judge(record, metric or (), search=opened.search),
            TrackSet(lambda: opened.test_tracks("judge")),
            device=choose_device(device),
            listener=opened.listener,
        )
        n_looks = read_record(opened.study).n_looks
    print_table(judged_table(judged, record))
    out.print(f"study {record.name}: {looked(n_looks)}", markup=False, soft_wrap=True)


def _judge_promoted(
    opened: OpenedStudy, trials: "pd.DataFrame", promoted: "pd.DataFrame", recipe: str, device: str
) -> "pd.DataFrame":
    """Scores on the test tracks of what was trained for longer."""
    from msdemucs.study.followups.judging import Chosen, TrackSet, judge, qualities_to_judge
    from msdemucs.study.storage.load import read_record

    seeds = dict(zip(trials.trial, trials.seed, strict=True))
    chosen = [
        Chosen(int(row.trial), row["name"], int(seeds[row.trial]), row.weights or "", recipe)
        for _, row in promoted.iterrows()
    ]
    return judge(
        opened.study,
        chosen,
        qualities_to_judge(read_record(opened.study)),
        TrackSet(partial(opened.test_tracks, f"promote --recipe {recipe}")),
        device=device,
        listener=opened.listener,
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
    from msdemucs.study.execution.loop import begin_study, explained
    from msdemucs.study.storage.urls import StudyLocation

    location = StudyLocation(storage, folder)
    name, url = search.space.name, location.url(search.space.name)
    from msdemucs.study.trial.bench import prepare  # loads torch: after the file's own faults

    attrs = prepare(search, say=errors.print).describe()
    with explained(url):
        begin_study(search, location, attrs)[1].close()
    return name, url


def _chosen(record: "StudyRecord", top: int | None, numbers: list[int] | None) -> "pd.DataFrame":
    from msdemucs.study.followups.judging import numbered
    from msdemucs.study.followups.trainings import candidates

    return candidates(record, top=top) if numbers is None else numbered(record, numbers)


def read_numbers(text: str) -> list[int]:
    """Return the numbers of trials: "3,7".

    Raises:
        UsageError: something else.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(
            f"--trials takes numbers with commas between (3,7); found “{text}”"
        ) from None
