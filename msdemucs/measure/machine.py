"""Which machine and which packages is a figure from? Imports none of them."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
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
    return {
        "cpu": _cpu(),
        "cores": _cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": _gpus(),
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
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _gpus() -> list[str]:
    """From the driver's files, since asking torch costs its import."""
    names = []
    for path in sorted(PROC.glob("driver/nvidia/gpus/*/information")):
        found = re.search(r"^Model:\s*(.+)$", path.read_text(), re.MULTILINE)
        names.append(found[1].strip() if found else path.parent.name)
    return names


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
