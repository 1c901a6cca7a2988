"""`msdemucs study work`, and the worker processes of `msdemucs study run --workers`."""

import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from msdemucs.cli.chunks import AutoBatch, Device, choose_device
from msdemucs.cli.console import errors, out
from msdemucs.cli.study.execution import NOTHING_LEFT, ExecutionOptions
from msdemucs.cli.study.options import DataHere, Folder, GpuFraction, Storage, Workers
from msdemucs.errors import MsdemucsError

if TYPE_CHECKING:
    from msdemucs.study.execution.loop import Finished
    from msdemucs.study.search_space.space import Search
    from msdemucs.study.trial.bench import Bench
    from msdemucs.study.trial.recorder import Listener


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
    from msdemucs.cli.progress import progress

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


def _alone(name: str, url: str, folder: str | None, listener: "Listener", here: Here) -> "Finished":
    from msdemucs.study.execution.loop import work_on
    from msdemucs.study.trial.bench import prepare

    def prepare_here(search: "Search", *, say: Callable[[str], None]) -> "Bench":
        search = search.asking(data=here.data)
        return prepare(search, say=say, device=here.device, auto_batch=here.auto_batch)

    return work_on(name, url, prepare_here, listener=listener, folder=folder)


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
