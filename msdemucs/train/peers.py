"""What becomes of a run whose processes share each batch when one of them ends?"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from torch.distributed import DistError

from msdemucs.errors import MsdemucsError
from msdemucs.train.devices import is_first_process
from msdemucs.train.interrupts import SIGNALS

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

Process = subprocess.Popen[bytes]

REMEDY = "the same command goes on from the last checkpoint"

SECONDS_TO_NOTICE = 5.0
"""In which the first process should find out by itself that another one has ended."""


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
