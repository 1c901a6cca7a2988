"""How much memory did this process need at most during a piece of work?"""

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from pathlib import Path

import psutil

PROCESS = Path("/proc/self")
"""Linux's view of this process."""

SECONDS_BETWEEN_SAMPLES = 0.005

MEMORY = "[memory]"
"""What torch's profiler calls an allocation, or a release with negative bytes."""


@dataclass
class PeakMemory:
    """What a with-block needed; filled when the block ends, also by an exception.

    Attributes:
        bytes: the peak. On the CPU it is the resident set of the whole process, with Python and
            its libraries; on a GPU what torch's allocator had given out.
        increase_bytes: the peak above the level at the start. Pages that earlier work had
            touched and the allocator had kept count at the start already.
        method: "kernel high-water mark", "sampled resident set" (a peak shorter than 5 ms can be
            missed) or "cuda allocator".
    """

    bytes: int = 0
    increase_bytes: int = 0
    method: str = ""


def peak_memory(device: str = "cpu") -> AbstractContextManager[PeakMemory]:
    """A with-block whose peak is measured: its target holds the figures once the block has ended.

    Only one at a time in a process: the kernel and the allocator keep one mark each.

    Args:
        device: "cpu", or "cuda…" for the memory of that GPU.
    """
    if device.startswith("cuda"):
        return _cuda_allocator(device)
    if os.access(PROCESS / "clear_refs", os.W_OK) and _high_water_mark() is not None:
        return _kernel_mark()
    return _sampled()


@contextmanager
def _cuda_allocator(device: str) -> Iterator[PeakMemory]:
    import torch

    memory = PeakMemory(method="cuda allocator")
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    start = torch.cuda.memory_allocated(device)
    try:
        yield memory
    finally:
        memory.bytes = torch.cuda.max_memory_allocated(device)
        memory.increase_bytes = memory.bytes - start


@contextmanager
def _kernel_mark() -> Iterator[PeakMemory]:
    memory = PeakMemory(method="kernel high-water mark")
    # proc(5): 5 sets the peak resident set size to the current one.
    (PROCESS / "clear_refs").write_text("5")
    start = _high_water_mark() or 0
    try:
        yield memory
    finally:
        memory.bytes = _high_water_mark() or 0
        memory.increase_bytes = max(0, memory.bytes - start)


def _high_water_mark() -> int | None:
    """The kernel's peak resident set size of this process in bytes; None where it keeps none."""
    try:
        status = (PROCESS / "status").read_text()
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    return 1024 * int(found[1]) if found else None


@contextmanager
def _sampled() -> Iterator[PeakMemory]:
    memory = PeakMemory(method="sampled resident set")
    process = psutil.Process()
    start = memory.bytes = process.memory_info().rss
    done = threading.Event()

    def sample() -> None:
        is_done = False
        while not is_done:
            is_done = done.wait(SECONDS_BETWEEN_SAMPLES)
            memory.bytes = max(memory.bytes, process.memory_info().rss)

    thread = threading.Thread(target=sample, name="peak-memory", daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        done.set()
        thread.join()
        memory.increase_bytes = memory.bytes - start


def allocated_peak(work: Callable[[], object]) -> int:
    """The most bytes that torch's CPU allocator had given out at once while the work ran.

    Unlike the resident set it holds nothing of Python, of libraries' own buffers or of what earlier
    work left behind: the same work gives the same figure. Torch's profiler slows the work down.

    Args:
        work: is called once.
    """
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU]
    with profile(activities=activities, profile_memory=True, acc_events=True) as recorded:
        work()
    results = recorded.profiler.kineto_results
    changes: list[tuple[int, int]] = [
        (one.start_ns(), one.nbytes()) for one in results.events() if one.name() == MEMORY
    ]
    changes.sort(key=itemgetter(0))  # stable: what happened at one time stays in its order
    return max(accumulate((change for _, change in changes), initial=0))
