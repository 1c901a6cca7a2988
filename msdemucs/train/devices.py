"""Where training runs: its devices, the processes that share a batch, and signals that end them."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING, Literal, Self

import torch
from torch import Tensor, distributed
from torch.distributed import DistError

from msdemucs.data import Batch
from msdemucs.errors import DataError, MsdemucsError, UsageError
from msdemucs.measure import choose_device

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.launchers.subprocess_script import _SubprocessScriptLauncher


Precision = Literal["fp32", "bf16", "fp16"]
MODES: dict[Precision, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "fp32": "32-true",
    "bf16": "bf16-mixed",
    "fp16": "16-mixed",
}


def fabric_for(device: str = "cpu", *, devices: int = 1, precision: Precision = "fp32") -> "Fabric":
    """A Fabric for one device, or for several processes that share each batch.

    Args:
        device: "cpu", "cuda", "cuda:1" or "auto".
        devices: processes, each with a device of its own (on the CPU over gloo).
        precision: of the forward pass.

    Raises:
        UsageError: a device or a precision that is not there.
    """
    from lightning_fabric import Fabric

    place = torch.device(choose_device(device))
    if precision == "fp16" and place.type == "cpu":
        raise UsageError("precision fp16 needs a GPU; on the CPU take bf16 or fp32")
    which: int | list[int] = devices if place.index is None else [place.index]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints about machines and clusters
        return Fabric(
            accelerator=place.type,
            devices=which,
            strategy="ddp" if devices > 1 else "auto",
            precision=MODES[precision],
        )


def is_first_process() -> bool:
    """Returns whether this process begins the others, or is the first of torchrun's."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0


SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Raises KeyboardInterrupt for Ctrl-C and SIGTERM, later when it comes inside `held()`.

    The exception's argument is the signal's number.

    Outside the main thread it leaves signals alone.

    Attributes:
        number: of the signal that came last; 0 before one has.
    """

    def __init__(self) -> None:
        self._is_held = False
        self._is_pending = False
        self._before: dict[int, object] = {}
        self.number = 0

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @property
    def is_pending(self) -> bool:
        """Whether a signal waits for the end of `held()`."""
        return self._is_pending

    @contextmanager
    def held(self) -> Iterator[None]:
        """Finish what is inside before a signal is heard.

        Raises:
            KeyboardInterrupt: a signal came meanwhile.
        """
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._is_pending:
            self._is_pending = False
            raise KeyboardInterrupt(self.number)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.number = number
        if not self._is_held:
            raise KeyboardInterrupt(number)
        self._is_pending = True


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
        is_of_lost_peer = isinstance(error, DistError) or any(
            library in str(error) for library in ("gloo", "NCCL")
        )
        if fabric.world_size == 1 or not is_of_lost_peer:
            raise
        if fabric.is_global_zero:
            raise MsdemucsError(_end(others)) from error
        if fabric.global_rank == 1 and _is_orphan(parent):
            raise MsdemucsError(f"the first process has ended; {REMEDY}") from error
        sys.exit(1)  # the first process speaks for all


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
