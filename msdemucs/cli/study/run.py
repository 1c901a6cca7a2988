"""`msdemucs study run`: begin a study, or continue it where it stopped."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msdemucs.cli.chunks import AutoBatch, Device
from msdemucs.cli.console import errors, out, print_table
from msdemucs.cli.study.analysis import print_effects
from msdemucs.cli.study.execution import NOTHING_LEFT, ExecutionOptions
from msdemucs.cli.study.options import (
    Data,
    Folder,
    GpuFraction,
    Ray,
    Seed,
    Storage,
    StudyName,
    TrialCpus,
    TrialGpus,
    Workers,
)
from msdemucs.cli.study.tables import trial_table
from msdemucs.study import STORAGE_VARIABLE

if TYPE_CHECKING:
    from msdemucs.study.execution.loop import Finished
    from msdemucs.study.search_space.space import Search
    from msdemucs.study.trial.recorder import Listener


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
    execution = ExecutionOptions(
        workers, gpu_fraction, ray, trial_cpus, trial_gpus, device, auto_batch
    )
    options |= execution.words()
    again = _command(space, small, options, data or [])
    n_trials = search.space.trials
    try:
        with progress(errors, study=search.space.name, wanted=n_trials) as listener:
            kept = _Kept(storage, folder, extend, again)
            finished = _train(search, kept, execution, listener)
    except KeyboardInterrupt:
        errors.print(f"interrupted; continue with\n  {again}", markup=False, soft_wrap=True)
        sys.exit(130)
    _print_finished(finished, storage, n_trials)


@dataclass(frozen=True)
class _Kept:
    """Where a study is kept, and how it goes on, as the command line says."""

    storage: str | None
    folder: str | None
    extends: bool
    command: str


def _train(
    search: "Search", kept: _Kept, execution: ExecutionOptions, listener: "Listener"
) -> "Finished":
    """Run a study's trials, in this process or in others."""
    from msdemucs.study.execution.loop import begin_study, explained, run_study
    from msdemucs.study.samplers.surrogate.sampler import remark
    from msdemucs.study.storage.urls import StudyLocation

    # torch is imported late, so that a fault of the search space shows at once
    from msdemucs.study.trial.bench import prepare

    device, auto_batch = execution.choose(), execution.auto_batch
    bench = prepare(search, say=listener.said, device=device, auto_batch=auto_batch)
    if left_out := remark(search):
        listener.said(left_out)
    attrs = {**bench.describe(), "command": kept.command}
    location = StudyLocation(kept.storage, kept.folder)
    if not execution.are_many:
        return run_study(
            search,
            bench.evaluate,
            storage=location,
            listener=listener,
            attrs=attrs,
            extends=kept.extends,
        )
    name = search.space.name
    url = location.url(name)
    with explained(url):
        begin_study(search, location, attrs, extends=kept.extends)[1].close()
    return execution.run(name, url, None, listener)


def _print_finished(finished: "Finished", storage: str | None, n_trials: int) -> None:
    """The front of a finished study and where its database is."""
    from msdemucs.analysis.findings import Findings
    from msdemucs.analysis.trials import busy_times_text
    from msdemucs.study.storage.load import load_study

    record = load_study(finished.name, storage=storage)
    findings = Findings(record)
    if not finished.ran:
        more = f"for more trials: --trials {max(n_trials, finished.complete) + 8}"
        if "ablation" in record.attrs:
            more = "for more seeds raise repeats in the file, and take --extend"
        elif finished.is_used_up:
            more = f"{NOTHING_LEFT}: add values to vary, and take --extend"
        out.print(f"study {finished.name} was finished already; {more}", soft_wrap=True)
    plural = "" if finished.complete == 1 else "s"
    stopped = sum(record.trials.state == "stopped")
    kind = "trial" if stopped else "complete trial"
    note = f", {stopped} of its runs stopped at a rung" if stopped else ""
    note += f" of {n_trials}, since {NOTHING_LEFT}" if finished.is_used_up else ""
    out.print(f"study {finished.name}: {finished.complete} {kind}{plural}{note}; the front:")
    by = next(iter(record.directions))
    print_table(trial_table(record, findings.front_specs.sort_values(by)))
    for name, limits in findings.references.items():
        out.print(
            f"not in the front: {name}, beyond {' and '.join(limits)}", soft_wrap=True, markup=False
        )
    if busy := busy_times_text(record.trials):
        out.print(busy, soft_wrap=True, markup=False)
    if findings.effects:
        print_effects(findings.effects)
    elif findings.why_no_effects:
        out.print(findings.why_no_effects, soft_wrap=True, markup=False)
    out.print(finished.url, markup=False, soft_wrap=True)


def _command(space: Path, small: bool, options: Mapping[str, object], data: Sequence[Path]) -> str:
    """The command line that asks for the same again."""
    words = ["msdemucs", "study", "run", str(space), *(["--small"] if small else [])]
    for option, value in options.items():
        words += [] if value is None else [f"--{option}", *([] if value is True else [str(value)])]
    for path in data:
        words += ["--data", str(path)]
    return shlex.join(words)
