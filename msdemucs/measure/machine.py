"""Which machine and packages is a figure from, and how much memory did it need? Imports none."""

import os
import platform
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from operator import itemgetter
from pathlib import Path

import psutil

from msdemucs.errors import UsageError

PACKAGES = ("msdemucs", "torch", "optuna", "numpy")
"""Whose versions decide a result."""

PROC = Path("/proc")


def machine() -> dict[str, object]:
    """Plain data that JSON holds.

    Returns:
        cpu: name of the processor's model.
        cores: logical cores that this process may use.
        memory_bytes: of the whole machine.
        gpus: names of the NVIDIA GPUs that the driver shows, used or not.
        python, platform: the interpreter's version; system, release and architecture.
        versions: package → version, None where it is not installed.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    gpus = []  # from the driver's files, since asking torch costs its import
    for path in sorted(PROC.glob("driver/nvidia/gpus/*/information")):
        model = re.search(r"^Model:\s*(.+)$", path.read_text(), re.MULTILINE)
        gpus.append(model[1].strip() if model else path.parent.name)
    return {
        "cpu": _cpu(),
        "cores": len(affinity(0)) if affinity else os.cpu_count() or 1,
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": gpus,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def choose_device(device: str = "auto") -> str:
    """Returns the torch device that a user's choice means on this machine.

    Args:
        device: "cpu", "cuda", "cuda:1" …; "auto" is the GPU where torch sees one, or the CPU.

    Raises:
        UsageError: a device that is not there.
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        place = torch.device(device)
    except RuntimeError:
        place = None
    if place is None or place.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {device} cannot be used: take auto, cpu, cuda or cuda:1")
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if place.type == "cuda" and (place.index or 0) >= n_gpus:
        there = f"{n_gpus} GPUs" if n_gpus > 1 else "one GPU" if n_gpus else "no GPU"
        raise UsageError(f"--device {device} cannot be used: torch sees {there} here")
    return device


def device_name(device: str) -> str:
    """A torch device with its model's name: "cpu: AMD EPYC", "cuda: NVIDIA H200"."""
    if not device.startswith("cuda"):
        return f"{device}: {_cpu()}"
    import torch

    return f"{device}: {torch.cuda.get_device_name(device)}"


def _cpu() -> str:
    """The model's name; the architecture where the system gives none."""
    try:
        text = (PROC / "cpuinfo").read_text()
    except OSError:
        text = ""
    line = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return line[1].strip() if line else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


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
    line = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
    return 1024 * int(line[1]) if line else None


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
