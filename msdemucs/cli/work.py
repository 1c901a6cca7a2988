"""`msdemucs study work`, and the worker processes of `msdemucs study run --workers`."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msdemucs.cli.chunks import AutoBatch, Device, choose_device
from msdemucs.cli.console import errors, out
from msdemucs.errors import MsdemucsError, UsageError

if TYPE_CHECKING:
    from msdemucs.study.execution.loop import Finished
    from msdemucs.study.search_space.space import Search
    from msdemucs.study.trial.bench import Bench
    from msdemucs.study.trial.candidate import Listener

STORAGE_VARIABLE = "MSDEMUCS_STORAGE"
"""Of the environment: the storage where --storage is not given. Its password shows in no `ps`."""

NOTHING_LEFT = "nothing else is left to try"
"""Of a study that ends with fewer trials than were asked for."""

Storage = Annotated[
    str | None,
    typer.Option(
        envvar=STORAGE_VARIABLE,
        help="URL of the database, or a journal file's path; "
        "an SQLite file under studies/ when not given.",
    ),
]
Data = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder with train/, test/ and maybe validation/; may be given several times."
    ),
]
DataHere = Annotated[
    list[Path] | None,
    typer.Option(help="Where the study's tracks lie here, if not where it was begun."),
]
StudyName = Annotated[str | None, typer.Option("--name", help="Call the study something else.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of proposals and trainings.")]
Workers = Annotated[
    int, typer.Option(min=1, help="Processes on this machine that share its cores and its GPUs.")
]
GpuFraction = Annotated[
    float, typer.Option(min=0.01, max=1.0, help="Of a GPU for each worker: 0.5 puts two on each.")
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Run trials as tasks of the Ray cluster whose head is here, or auto.",
    ),
]
Folder = Annotated[
    str | None,
    typer.Option(
        metavar="PATH|URL",
        help="For the trials' folders: a path that all hosts share, or a URL of fsspec "
        "(s3://bucket/multires) for hosts that share none.",
    ),
]
TrialCpus = Annotated[float, typer.Option(min=0.01, help="Cores of a Ray task.")]
TrialGpus = Annotated[float, typer.Option(min=0.0, help="GPUs of a Ray task, or a fraction.")]


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
            from msdemucs.cli.progress import beside
            from msdemucs.study.execution.worker_pool import run_on_pool

            workers = [({**share, STORAGE_VARIABLE: url}, beside(listener)) for share in shares]
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
    from msdemucs.study.storage.load import locate_study, only_study
    from msdemucs.study.storage.studies import open_storage

    name, url = locate_study(study, storage)
    if name is None:
        with closing(open_storage(url)) as opened:
            name = only_study(opened, study)
    if child:
        sys.exit(_as_child(name, url, folder, Here(data, device, auto_batch)))
    from msdemucs.cli.progress import progress

    try:
        with progress(errors, study=name, wanted=0) as listener:
            hands = ExecutionOptions(workers, gpu_fraction, device=device, auto_batch=auto_batch)
            chosen = hands.choose()
            if hands.are_many:
                finished = hands.run(name, url, folder, listener, data=data or ())
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


def _alone(name: str, url: str, folder: str | None, listener: "Listener", here: Here) -> "Finished":
    from msdemucs.study.execution.worker import work_on
    from msdemucs.study.trial.bench import prepare

    def prepare_here(search: "Search", *, say: Callable[[str], None]) -> "Bench":
        asked = search.asking(data=here.data)
        return prepare(asked, say=say, device=here.device, auto_batch=here.auto_batch)

    return work_on(name, url, prepare_here, listener=listener, folder=folder)


def _as_child(name: str, url: str, folder: str | None, here: Here) -> int:
    """A worker of a pool: tells events on its output, and leaves with the process that began it."""
    from msdemucs.study.execution.events import FAILED, FINISHED, EventWriter, leave_with_parent

    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints goes to the log
    teller = EventWriter(events)
    leave_with_parent()
    try:
        here = replace(here, device=choose_device(here.device))
        _limit_gpu(float(os.environ.get("MSDEMUCS_GPU_FRACTION", "1")), here.device)
        finished = _alone(name, url, folder, teller, here)
    except KeyboardInterrupt:
        return 130
    except MsdemucsError as error:
        teller.tell(FAILED, message=str(error))
        return 1
    teller.tell(FINISHED, ran=finished.ran)
    return 0


def _limit_gpu(fraction: float, device: str) -> None:
    """Have this process use no more than a fraction of its GPU's memory."""
    import torch

    if fraction < 1 and device.startswith("cuda"):
        torch.cuda.set_per_process_memory_fraction(fraction, torch.device(device).index or 0)
