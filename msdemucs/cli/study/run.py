"""`msdemucs study run` and `work`: begin a study, go on with it or join it; who runs its trials.

Trials run in this process, in worker processes on this machine, or as tasks of a Ray cluster.
"""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msdemucs.cli.console import beside, errors, out, print_table, progress
from msdemucs.cli.options import (
    AutoBatch,
    Data,
    DataHere,
    Device,
    Folder,
    GpuFraction,
    Ray,
    Seed,
    Storage,
    StudyName,
    TrialCpus,
    TrialGpus,
    Workers,
    choose_device,
)
from msdemucs.cli.study.analysis import print_effects
from msdemucs.cli.study.show import trial_table
from msdemucs.errors import MsdemucsError, UsageError
from msdemucs.study import STORAGE_VARIABLE

if TYPE_CHECKING:
    from msdemucs.study.execution.loop import Finished
    from msdemucs.study.search_space.space import Search
    from msdemucs.study.trial.bench import Bench
    from msdemucs.study.trial.recorder import Listener


NOTHING_LEFT = "nothing else is left to try"
"""Of a study that ends with fewer trials than were asked for."""


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
    search: "Search", kept: _Kept, execution: "ExecutionOptions", listener: "Listener"
) -> "Finished":
    """Run a study's trials, in this process or in others."""
    from msdemucs.study.execution.loop import begin_study, explained, run_study
    from msdemucs.study.samplers.study_sampler import remark
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


def work(  # noqa: PLR0913 (one option a thing that a user may decide)
    study: Annotated[str, typer.Argument(help="The name of a study that was begun elsewhere.")],
    storage: Storage = None,
    folder: Folder = None,
    workers: Workers = 1,
    gpu_fraction: GpuFraction = 1.0,
    data: DataHere = None,
    device: Device = "auto",
    auto_batch: AutoBatch = False,
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> None:
    """Join a study that exists, from any host, until it has its trials."""
    from msdemucs.study.storage.load import locate_study, only_study, open_storage

    name, url = locate_study(study, storage)
    if name is None:
        with closing(open_storage(url)) as opened:
            name = only_study(opened, study)
    if child:
        sys.exit(_as_child(name, url, folder, Here(data, device, auto_batch)))

    try:
        with progress(errors, study=name, wanted=0) as listener:
            execution = ExecutionOptions(
                workers, gpu_fraction, device=device, auto_batch=auto_batch
            )
            chosen = execution.choose()
            if execution.are_many:
                finished = execution.run(name, url, folder, listener, data=data or ())
            else:
                _limit_gpu(gpu_fraction, chosen)
                here = Here(data, chosen, auto_batch)
                finished = _alone(name, url, folder, listener, here)
    except KeyboardInterrupt:
        errors.print("interrupted; the same command goes on", markup=False)
        sys.exit(130)
    used_up = f"; {NOTHING_LEFT}" if finished.is_used_up else ""
    line = f"study {name}: {finished.complete} trials done, {finished.ran} of them here{used_up}"
    out.print(line, markup=False, soft_wrap=True)


@dataclass(frozen=True)
class Here:
    """What differs from host to host.

    Attributes:
        data: where the study's tracks lie, if not where it was begun.
        device: where trials run.
        auto_batch: whether a batch that does not fit goes through in more parts.
    """

    data: list[Path] | None
    device: str
    auto_batch: bool = False

    def prepare(self, search: "Search", *, say: Callable[[str], None]) -> "Bench":
        """Returns what trains and judges the study's trials here."""
        from msdemucs.study.trial.bench import prepare

        search = search.asking(data=self.data)
        return prepare(search, say=say, device=self.device, auto_batch=self.auto_batch)


def _alone(name: str, url: str, folder: str | None, listener: "Listener", here: Here) -> "Finished":
    from msdemucs.study.execution.loop import work_on

    return work_on(name, url, here.prepare, listener=listener, folder=folder)


def _as_child(name: str, url: str, folder: str | None, here: Here) -> int:
    """Work for a pool: write events to the output, and leave with the process that began it."""
    from msdemucs.study.execution.worker_pool import (
        FAILED,
        FINISHED,
        EventWriter,
        leave_with_parent,
    )

    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints goes to the log
    writer = EventWriter(events)
    leave_with_parent()
    try:
        here = replace(here, device=choose_device(here.device))
        _limit_gpu(float(os.environ.get("MSDEMUCS_GPU_FRACTION", "1")), here.device)
        finished = _alone(name, url, folder, writer, here)
    except KeyboardInterrupt:
        return 130
    except MsdemucsError as error:
        writer.tell(FAILED, message=str(error))
        return 1
    writer.tell(FINISHED, ran=finished.ran)
    return 0


def _limit_gpu(fraction: float, device: str) -> None:
    """Have this process use no more than a fraction of its GPU's memory."""
    import torch

    if fraction < 1 and device.startswith("cuda"):
        torch.cuda.set_per_process_memory_fraction(fraction, torch.device(device).index or 0)


@dataclass(frozen=True)
class ExecutionOptions:
    """Who runs a study's trials, when it is not this process alone.

    Attributes:
        workers: processes on this machine.
        gpu_fraction: of a GPU for each.
        ray: the address of a cluster, in place of them.
        cpus: of each of its tasks.
        gpus: likewise.
        device: where trials run: as --device, which each process chooses for itself.
        auto_batch: whether a batch that does not fit goes through in more parts.

    Raises:
        UsageError: options of both ways at once.
    """

    workers: int = 1
    gpu_fraction: float = 1.0
    ray: str | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    device: str = "auto"
    auto_batch: bool = False

    def __post_init__(self) -> None:
        if self.ray is not None and self.device != "auto":
            raise UsageError(
                "--device is of processes on this machine: leave it out beside --ray, whose tasks "
                "--trial-gpus gives their GPUs"
            )
        if self.workers > 1 and ":" in self.device:
            raise UsageError(
                f"--device {self.device} is one GPU, and {self.workers} workers share all: take "
                "--device cuda, and name the GPUs with CUDA_VISIBLE_DEVICES"
            )
        if self.ray is not None and (self.workers > 1 or self.gpu_fraction < 1):
            raise UsageError(
                "--workers and --gpu-fraction are of processes on this machine: leave them out "
                "beside --ray, whose tasks --trial-cpus and --trial-gpus give their resources"
            )
        if self.ray is None and (self.cpus, self.gpus) != (1.0, 0.0):
            raise UsageError(
                "--trial-cpus and --trial-gpus are of tasks on a Ray cluster: give --ray ADDRESS "
                "as well, or leave them out"
            )

    @property
    def are_many(self) -> bool:
        """Whether there are others than this process."""
        return self.workers > 1 or self.ray is not None

    def choose(self) -> str:
        """Returns this process's device, which is named unless others do the work.

        Raises:
            UsageError: there is no such device.
        """
        if self.ray is not None:
            return "cpu"
        if not self.are_many:
            return choose_device(self.device)
        from msdemucs import measure

        return measure.choose_device(self.device)

    def run(
        self,
        name: str,
        url: str,
        folder: str | None,
        listener: "Listener",
        *,
        data: Sequence[Path] = (),
    ) -> "Finished":
        """Run a study that exists, on this machine with its tracks from elsewhere if so asked.

        Raises:
            UsageError: there are no such GPUs, no such cluster.
            StudyError: a worker or task cannot go on.
            KeyboardInterrupt: Ctrl-C or SIGTERM; all have saved and left.
        """
        if self.ray is None:
            shares = environments(self.workers, self.gpu_fraction, device=self.device)
            words = [word for path in data for word in ("--data", str(path))]
            words += [] if self.device == "auto" else ["--device", self.device]
            words += ["--auto-batch"] if self.auto_batch else []
            from msdemucs.study.execution.worker_pool import run_on_pool

            workers = [(share, beside(listener)) for share in shares]
            return run_on_pool(name, url, workers, listener=listener, folder=folder, options=words)
        from msdemucs.study.execution.ray_cluster import Cluster, run_on_cluster

        cluster = Cluster(self.ray, cpus=self.cpus, gpus=self.gpus, auto_batch=self.auto_batch)
        return run_on_cluster(name, url, cluster, listener=listener, folder=folder)

    def words(self) -> dict[str, object]:
        """The options that ask for this."""
        usual = ExecutionOptions()
        names = {"workers": "workers", "gpu_fraction": "gpu-fraction", "ray": "ray"}
        names |= {"cpus": "trial-cpus", "gpus": "trial-gpus", "device": "device"}
        names |= {"auto_batch": "auto-batch"}
        return {
            option: getattr(self, field)
            for field, option in names.items()
            if getattr(self, field) != getattr(usual, field)
        }


def environments(
    workers: int, gpu_fraction: float, *, device: str = "auto"
) -> list[dict[str, str]]:
    """What each worker's environment has beside this process's.

    Raises:
        UsageError: more workers than the GPUs have room for.
    """
    import torch

    from msdemucs.study.execution.worker_pool import shares

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    listed = named.split(",") if named else map(str, range(torch.cuda.device_count()))
    gpus = list(listed) if torch.cuda.is_available() and device != "cpu" else []
    if gpu_fraction < 1 and not gpus:
        where = "on the CPU" if device == "cpu" else "there is no GPU here"
        errors.print(f"{where}: --gpu-fraction changes nothing", markup=False)
    cores = len(os.sched_getaffinity(0))
    return shares(workers, cores=cores, gpus=gpus, gpu_fraction=gpu_fraction)
