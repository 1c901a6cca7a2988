"""Who runs a study's trials: this process, workers on this machine, or a Ray cluster."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msdemucs.cli.chunks import choose_device
from msdemucs.cli.console import errors
from msdemucs.errors import UsageError

if TYPE_CHECKING:
    from msdemucs.study.execution.loop import Finished
    from msdemucs.study.trial.recorder import Listener

NOTHING_LEFT = "nothing else is left to try"
"""Of a study that ends with fewer trials than were asked for."""


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
