"""What becomes of a run whose processes share each batch when one of them ends?"""

import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

import torch
from torch import Tensor, distributed
from torch.distributed import DistError

from msdemucs.data import Batch
from msdemucs.errors import DataError, MsdemucsError
from msdemucs.train.devices import is_first_process
from msdemucs.train.interrupts import SIGNALS

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

Process = subprocess.Popen[bytes]

REMEDY = "the same command goes on from the last checkpoint"

SECONDS_TO_NOTICE = 5.0
"""In which the first process should find out by itself that another one has ended."""


MOST_SAID = 2000
"""Bytes that a process tells the others of what went wrong."""


def refuse_unlike(fabric: "Fabric", batch: Batch, step: int) -> None:
    """Raise DataError where the processes of a run have read unlike batches of a step.

    Each reads the whole batch and computes its share. A read that fails in one of them alone has
    it draw another track in its place, and the shares would no longer make up one batch.

    Raises:
        DataError: in the first process, which speaks for all: which process left out what.
    """
    if fabric.world_size == 1:
        return
    left_out = [str(error) for _, error in batch.left_out]
    drawn = "\n".join([*batch.tracks, *(track.name for track, _ in batch.left_out)])
    mark = torch.tensor([zlib.crc32(drawn.encode(errors="surrogatepass"))], device=fabric.device)
    marks = _of_all(fabric, mark)
    if all(torch.equal(other, mark) for other in marks):
        return
    said = "; ".join(left_out).encode(errors="replace")[:MOST_SAID].ljust(MOST_SAID)
    texts = _of_all(fabric, torch.tensor([*said], dtype=torch.uint8, device=fabric.device))
    reasons = [
        f"process {number} of {len(texts)} cannot use {text}"
        for number, codes in enumerate(texts, 1)
        if (text := bytes(codes.tolist()).decode(errors="replace").strip())
    ]
    if not fabric.is_global_zero:
        sys.exit(1)
    why = "; ".join(reasons) or "they found unlike tracks"
    raise DataError(
        f"step {step}: the processes of this run have read unlike batches: {why}. Once all of them "
        f"can read the same, {REMEDY}"
    )


def _of_all(fabric: "Fabric", value: Tensor) -> list[Tensor]:
    """What each process has in the place of a tensor, as plain numbers, which nothing unpickles."""
    values = [torch.empty_like(value) for _ in range(fabric.world_size)]
    distributed.all_gather(values, value)
    return values


def first_says(fabric: "Fabric", best: tuple[int, float] | None) -> tuple[int, float] | None:
    """Returns the best validation of a run, (step, value), as the first process has it.

    A track may fail to be read in one process alone: each for itself, some would save a checkpoint,
    and wait for the others, which do not.
    """
    if fabric.world_size == 1:
        return best
    numbers = torch.tensor(best or (0, 0.0), dtype=torch.float64, device=fabric.device)
    distributed.broadcast(numbers, src=0)
    step, value = numbers.tolist()
    return (int(step), value) if step else None


@contextmanager
def together(fabric: "Fabric", say: Callable[[str], None]) -> Iterator[None]:
    """Launch a run's processes; in the block the end of one ends all, and the first says why.

    It learns of the end by a call that fails. Where it computes for long instead, or waits in a
    call that does not fail, a thread says why and ends it: a run may be killed at any moment.

    Args:
        fabric: not launched yet.
        say: is told in the first process.

    Raises:
        MsdemucsError: another process has ended.
        RuntimeError: another fault of torch's.
    """
    from lightning_fabric.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

    launcher, others, parent = fabric.strategy.launcher, list[Process](), os.getppid()
    if isinstance(launcher, _SubprocessScriptLauncher) and is_first_process():
        Thread(target=_watch, args=(launcher, others, say), name="peers", daemon=True).start()
    try:
        fabric.launch()
        yield
    except RuntimeError as error:
        if fabric.world_size == 1 or not is_of_lost_peer(error):
            raise
        if fabric.is_global_zero:
            raise MsdemucsError(_end(others)) from error
        if fabric.global_rank == 1 and _is_orphan(parent):
            raise MsdemucsError(f"the first process has ended; {REMEDY}") from error
        sys.exit(1)  # the first process speaks for all


def is_of_lost_peer(error: RuntimeError) -> bool:
    """Whether a call failed because another process of the run is gone."""
    return isinstance(error, DistError) or any(name in str(error) for name in ("gloo", "NCCL"))


def _watch(
    launcher: "_SubprocessScriptLauncher", others: list[Process], say: Callable[[str], None]
) -> None:
    """Wait for the launched processes in place of Lightning, which kills without a word."""
    while len(launcher.procs) < launcher.num_processes - 1:
        time.sleep(0.01)
    others += launcher.procs
    launcher.procs.clear()  # which its own thread goes through
    for process in others:
        Thread(target=_wait, args=(process, others, say), name="peer", daemon=True).start()


def _wait(process: Process, others: Sequence[Process], say: Callable[[str], None]) -> None:
    """Wait for a process; where it fails, and the first one does not notice, end them all."""
    if process.wait() in (0, *(128 + number for number in SIGNALS)):
        return
    time.sleep(SECONDS_TO_NOTICE)
    say(f"error: {_end(others)}")
    os._exit(1)


def _end(others: Sequence[Process]) -> str:
    """End the processes that are left, and return why."""
    deadline = time.monotonic() + 1
    while not (failed := [p for p in others if p.poll()]) and time.monotonic() < deadline:
        time.sleep(0.01)
    for process in others:
        process.kill()
    if not failed:
        return f"the connection to another process of this run is lost; {REMEDY}"
    code, number = failed[0].returncode, others.index(failed[0]) + 2
    how = (
        f"was ended by {signal.Signals(-code).name}"
        if code < 0
        else f"failed (exit {code}); what it said stands above"
    )
    return f"process {number} of {len(others) + 1} {how}; {REMEDY}"


def _is_orphan(parent: int) -> bool:
    """Whether the process that began this one is gone, or goes within a second."""
    deadline = time.monotonic() + 1
    while os.getppid() == parent and time.monotonic() < deadline:
        time.sleep(0.01)
    return os.getppid() != parent
