"""`msdemucs study`: run a search, continue it, look at what it found."""

import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from msdemucs.cli.chunks import AutoBatch, Device
from msdemucs.cli.console import errors, out, print_table
from msdemucs.cli.fitting import fitted
from msdemucs.cli.study_effects import print_effects
from msdemucs.cli.study_later import later_counts, later_table
from msdemucs.cli.work import (
    NOTHING_LEFT,
    STORAGE_VARIABLE,
    Data,
    ExecutionOptions,
    Folder,
    GpuFraction,
    Ray,
    Seed,
    Storage,
    StudyName,
    TrialCpus,
    TrialGpus,
    Workers,
    work,
)
from msdemucs.columns import COLUMNS, FORMATS
from msdemucs.metrics import USUAL
from msdemucs.units import count

if TYPE_CHECKING:
    import pandas as pd

    from msdemucs.study.execution.loop import Finished
    from msdemucs.study.records import StudyRecord
    from msdemucs.study.search_space.space import Search
    from msdemucs.study.trial.candidate import Listener

app = typer.Typer(no_args_is_help=True, help="Run architecture searches and look at them.")

SHOWN = ("macs_per_second", "parameters", "latency_ms_p50", "seconds")
"""Columns that the tables show beside objectives and qualities."""

LEAST_WANTED = ("seconds", "latency_ms_p50", "parameters")
"""Columns that a narrow terminal goes without, unless they are objectives."""

app.command("work")(work)


@app.command()
def run(  # noqa: PLR0913 (one option a thing that a user may decide)
    space: Annotated[Path, typer.Argument(help="A search space: search_spaces/multires.yaml")],
    small: Annotated[
        bool, typer.Option("--small", help="Take the file's small setting: minutes.")
    ] = False,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials to complete in all, earlier ones included.")
    ] = None,
    name: StudyName = None,
    storage: Storage = None,
    data: Data = None,
    seed: Seed = None,
    workers: Workers = 1,
    gpu_fraction: GpuFraction = 1.0,
    ray: Ray = None,
    folder: Folder = None,
    trial_cpus: TrialCpus = 1.0,
    trial_gpus: TrialGpus = 0.0,
    device: Device = "auto",
    auto_batch: AutoBatch = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="Take in what was added to the file since.")
    ] = False,
) -> None:
    """Run a study, or continue it where it stopped."""
    from msdemucs.cli.progress import progress
    from msdemucs.study.search_space.loading import load_search_space
    from msdemucs.study.storage.urls import check_url, storage_url, without_password

    search = load_search_space(space, small=small).asking(
        trials=trials, name=name, data=data, seed=seed
    )
    options: dict[str, object] = {
        "trials": trials,
        "name": name,
        "seed": seed,
        "folder": folder and without_password(folder),
    }
    if storage is not None:
        if storage != os.environ.get(STORAGE_VARIABLE):  # else the same command finds it there
            options["storage"] = without_password(storage)
        storage = storage_url(search.space.name, storage)
        check_url(storage)
    hands = ExecutionOptions(workers, gpu_fraction, ray, trial_cpus, trial_gpus, device, auto_batch)
    options |= hands.words()
    again = _command(space, small, options, data or [])
    wanted = search.space.trials
    try:
        with progress(errors, study=search.space.name, wanted=wanted) as listener:
            asked = _Asked(storage, folder, extend, again)
            finished = _train(search, asked, hands, listener)
    except KeyboardInterrupt:
        errors.print(f"interrupted; continue with\n  {again}", markup=False, soft_wrap=True)
        sys.exit(130)
    _print_finished(finished, storage, wanted)


@dataclass(frozen=True)
class _Asked:
    """Where a study is kept, and how it goes on, as the command line says."""

    storage: str | None
    folder: str | None
    extends: bool
    command: str


def _train(
    search: "Search", asked: _Asked, hands: ExecutionOptions, listener: "Listener"
) -> "Finished":
    """Run a study's trials, in this process or in others."""
    from msdemucs.study.execution.beginning import begin_study, explained
    from msdemucs.study.execution.joining import absolute
    from msdemucs.study.execution.loop import run_study
    from msdemucs.study.samplers.surrogate.sampler import remark
    from msdemucs.study.storage.urls import storage_url, study_folder

    # torch is imported late, so that a search space at fault is told at once
    from msdemucs.study.trial.bench import prepare

    bench = prepare(search, say=listener.said, device=hands.choose(), auto_batch=hands.auto_batch)
    if left_out := remark(search):
        listener.said(left_out)
    attrs = {**bench.describe(), "command": asked.command}
    if not hands.are_many:
        return run_study(
            search,
            bench.evaluate,
            storage=asked.storage,
            listener=listener,
            attrs=attrs,
            extends=asked.extends,
            folder=asked.folder,
        )
    name, extends, is_usual = search.space.name, asked.extends, asked.folder is None
    url = storage_url(name, asked.storage)
    place = absolute(asked.folder or study_folder(name) / "trials")
    with explained(url):
        begin_study(search, url, place, attrs, extends=extends, is_usual=is_usual)[1].close()
    return hands.run(name, url, None, listener)


@app.command("list")
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
        table.add_row(record.name, *figures, later_counts(record), objectives, url)
    if table.row_count:
        print_table(table)
    else:
        errors.print("no study here yet: msdemucs study run search_spaces/multires.yaml --small")


@app.command()
def show(
    study: Annotated[str, typer.Argument(help="A study's name, or the path of its database.")],
    storage: Storage = None,
) -> None:
    """Print the table of a study's trials, and what was computed after they had ended."""
    from msdemucs.study.storage.load import load_study

    record = load_study(study, storage=storage)
    out.print(f"{record.name}: {record.title}", markup=False, soft_wrap=True)
    print_table(trial_table(record, record.trials))
    if not record.later.empty:
        print_table(later_table(record))
    for line in _remarks(record):
        out.print(line, markup=False, soft_wrap=True)


def _remarks(record: "StudyRecord") -> Iterator[str]:
    """What scores are of, why trials failed, whose results they took, what scores are without."""
    from msdemucs.metrics.unscored import describe_trials

    yield from _about_tracks(record)
    lacking = dict(zip(record.trials.trial, record.trials.unscored, strict=True))
    for line, trials in describe_trials(lacking).items():
        yield f"{record.split} tracks: {line} ({count(len(trials), 'trial')})"
    for _, trial in record.trials.iterrows():
        if isinstance(trial.failure, str):
            yield f"trial {trial.trial} {trial.state}: {trial.failure}"
        elif isinstance(trial.duplicate_of, str):
            yield f"trial {trial.trial} has the result of {trial.duplicate_of}: it trained the same"
        for reason in trial.left_out:
            yield f"trial {trial.trial} without a {record.split} track: {reason}"
        for reason in trial.trained_without:
            yield f"trial {trial.trial} trained without a track: {reason}"


def _about_tracks(record: "StudyRecord") -> Iterator[str]:
    """Which tracks the scores are of, and how often the test tracks were looked at."""
    from msdemucs.study.records import looked

    data = record.attrs.get("data")
    if record.split == "test":
        yield (
            "this study chose its trials by their scores on its test tracks: the best of them is "
            "optimistic, and no figure of its is of tracks that were not chosen by"
        )
    elif isinstance(data, Mapping) and "validation_by" in data:
        yield f"scores are of validation tracks: {data['validation_by']}"
        yield looked(record.n_looks)


@app.command()
def schema() -> None:
    """Print the JSON Schema of search spaces, for editors."""
    import json

    from msdemucs.study.search_space.json_schema import search_space_schema

    out.print(json.dumps(search_space_schema(), indent=2), markup=False, soft_wrap=True)


def _print_finished(finished: "Finished", storage: str | None, wanted: int) -> None:
    """The front of a finished study and where its database is."""
    from msdemucs.analysis.findings import Findings
    from msdemucs.study.storage.load import load_study

    record = load_study(finished.name, storage=storage)
    findings = Findings(record)
    if not finished.ran:
        more = f"for more trials: --trials {max(wanted, finished.complete) + 8}"
        if "ablation" in record.attrs:
            more = "for more seeds raise repeats in the file, and take --extend"
        elif finished.is_used_up:
            more = f"{NOTHING_LEFT}: add values to vary, and take --extend"
        out.print(f"study {finished.name} was finished already; {more}", soft_wrap=True)
    plural = "" if finished.complete == 1 else "s"
    stopped = sum(record.trials.state == "stopped")
    kind = "trial" if stopped else "complete trial"
    note = f", {stopped} of its runs stopped at a rung" if stopped else ""
    note += f" of {wanted}, since {NOTHING_LEFT}" if finished.is_used_up else ""
    out.print(f"study {finished.name}: {finished.complete} {kind}{plural}{note}; the front:")
    by = next(iter(record.directions))
    print_table(trial_table(record, findings.front_specs.sort_values(by)))
    for name, limits in findings.references.items():
        out.print(
            f"not in the front: {name}, beyond {' and '.join(limits)}", soft_wrap=True, markup=False
        )
    if findings.effects:
        print_effects(findings.effects)
    elif findings.why_no_effects:
        out.print(findings.why_no_effects, soft_wrap=True, markup=False)
    out.print(finished.url, markup=False, soft_wrap=True)


def trial_table(record: "StudyRecord", trials: "pd.DataFrame") -> Table:
    """One row a trial, named by what it is, objectives first."""
    from msdemucs.analysis.naming import named_by_choices

    named = named_by_choices(record).trials
    names = dict(zip(named["trial"], named["name"], strict=True))
    table = Table(box=None, header_style="bold")
    for column in ("trial", "name", "state"):
        table.add_column(column)
    shown = list(dict.fromkeys([*record.directions, USUAL, *SHOWN, *record.qualities]))
    for column in shown:
        table.add_column(_heading(record, column), justify="right")
    for _, trial in trials.iterrows():
        figures = [_figure(record, column, trial[column]) for column in shown]
        is_copy = isinstance(trial.duplicate_of, str)
        state = f"{trial.state}, as {trial.duplicate_of}" if is_copy else trial.state
        table.add_row(str(trial.trial), escape(names[trial.trial]), state, *figures)
    further = [name for name in record.qualities if name != USUAL]
    least = [name for name in (*further, *LEAST_WANTED) if name not in record.directions]
    optional = [_heading(record, column) for column in least]
    return fitted(table, out, optional=optional, wrapping=["name"])


def _heading(record: "StudyRecord", column: str) -> str:
    if column in record.qualities:
        return record.qualities[column].heading
    return COLUMNS[column].short or COLUMNS[column].heading if column in COLUMNS else column


def _figure(record: "StudyRecord", column: str, value: float) -> str:
    """A figure with its unit; "–" where it was not measured."""
    if value != value:
        return "–"
    if column in record.qualities:
        return FORMATS[record.qualities[column].unit](value)
    return COLUMNS[column].text(value) if column in COLUMNS else f"{value:.4g}"


def _command(space: Path, small: bool, options: Mapping[str, object], data: Sequence[Path]) -> str:
    """The command line that asks for the same again."""
    words = ["msdemucs", "study", "run", str(space), *(["--small"] if small else [])]
    for option, value in options.items():
        words += [] if value is None else [f"--{option}", *([] if value is True else [str(value)])]
    for path in data:
        words += ["--data", str(path)]
    return shlex.join(words)
