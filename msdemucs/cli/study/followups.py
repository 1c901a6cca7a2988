"""`msdemucs study noise`, `promote`, `rescore` and `judge`: what follows a study's trials."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from msdemucs.cli.console import errors, out, print_table, progress, refuse
from msdemucs.cli.options import (
    AutoBatch,
    Data,
    DataHere,
    Device,
    Folder,
    Name,
    Seed,
    Storage,
    StudyName,
    Top,
    choose_device,
)
from msdemucs.cli.study.show import judged_table, promoted_table, score_text
from msdemucs.errors import UsageError
from msdemucs.units import format_db

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from msdemucs.data import Track
    from msdemucs.study.search_space.space import Search
    from msdemucs.study.trial.bench import Bench
    from msdemucs.study.trial.recorder import Listener


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
    elif small or any(setting is not None for setting in (name, seed, folder)):
        refuse(
            f"--small, --name, --seed and --folder begin the study of a file, and {study} is a "
            "study that has its own: leave them out"
        )
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
    """
    from msdemucs.study.followups.judging import Chosen, TrackSet, numbered, qualities_to_judge
    from msdemucs.study.followups.judging import judge as score
    from msdemucs.study.followups.trainings import candidates
    from msdemucs.study.records import looked
    from msdemucs.study.storage.load import read_record

    if sum((top is not None, front, trials is not None)) > 1:
        refuse("--top, --front and --trials each choose what is judged: give one")
    numbers = None if trials is None else read_numbers(trials)
    with opened_study(study, storage, wanted=top or 1, data=data) as opened:
        record = read_record(opened.study)
        chosen = numbered(record, numbers) if numbers else candidates(record, top=top)
        judged = score(
            opened.study,
            Chosen.of(chosen),
            qualities_to_judge(record, metric or (), search=opened.search),
            TrackSet(lambda: opened.test_tracks("judge")),
            device=choose_device(device),
            listener=opened.listener,
        )
        n_looks = read_record(opened.study).n_looks
    print_table(judged_table(judged, record))
    out.print(f"study {record.name}: {looked(n_looks)}", markup=False, soft_wrap=True)


def _judge_promoted(
    opened: "OpenedStudy",
    trials: "pd.DataFrame",
    promoted: "pd.DataFrame",
    recipe: str,
    device: str,
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


@dataclass(frozen=True)
class OpenedStudy:
    """A study that follow-ups belong to.

    Attributes:
        directory: where the studies' folders lie.
    """

    study: "optuna.Study"
    search: "Search"
    directory: Path
    listener: "Listener"

    def bench(self, device: str, *, auto_batch: bool = False) -> "Bench":
        """Returns what trains and judges, as the study's trials were.

        Raises:
            UsageError: other data than the study's.
        """
        from msdemucs.study.storage.studies import refuse_other_data
        from msdemucs.study.trial.bench import prepare

        bench = prepare(self.search, say=self.listener.said, device=device, auto_batch=auto_batch)
        refuse_other_data(self.study, bench.describe())
        return bench

    def validation_tracks(self) -> "Sequence[Track]":
        """Returns the study's validation tracks.

        Raises:
            UsageError: other data than the study's.
        """
        from msdemucs.study.storage.studies import refuse_other_data
        from msdemucs.study.trial.tracks import facts_of, gather

        space = self.search.space
        tracks = gather(
            space.data, self.search.base, segment=0, say=self.listener.said, seed=space.seed
        )
        refuse_other_data(self.study, {"tracks": {"validation": facts_of(tracks.validation)}})
        return tracks.validation

    def test_tracks(self, why: str) -> "Sequence[Track]":
        """Returns the study's test tracks, and counts that they were looked at.

        Raises:
            UsageError: other test tracks than before.
        """
        from msdemucs.study.followups.judging import open_test_tracks

        return open_test_tracks(self.study, self.search, why=why, say=self.listener.said)


@contextmanager
def opened_study(
    name: str, storage: str | None, *, wanted: int, data: list[Path] | None
) -> Iterator[OpenedStudy]:
    """Open a study, its progress on the console; Ctrl-C and SIGTERM save, and exit with 130."""
    from msdemucs.study.execution.loop import explained, search_of_study
    from msdemucs.study.storage.folders import is_url
    from msdemucs.study.storage.load import locate_study, only_study, open_storage, open_study
    from msdemucs.study.storage.urls import STUDIES
    from msdemucs.train.devices import Interrupts

    study_name, url = locate_study(name, storage)
    try:
        with explained(url), closing(open_storage(url)) as database:
            study = open_study(database, study_name or only_study(database, name))
            search, folder = search_of_study(study)
            shown = progress(errors, study=study.study_name, wanted=wanted)
            with shown as listener, Interrupts():
                directory = STUDIES if is_url(folder) else Path(folder).parent.parent
                search = search.asking(data=data) if data else search
                yield OpenedStudy(study, search, directory, listener)
    except KeyboardInterrupt:
        errors.print("interrupted; the same command goes on", markup=False)
        sys.exit(130)
