"""What a built model costs on this machine, and which machine that is."""

from msdemucs.measure.inference import Latency, Precision, Timing, autocast, latency
from msdemucs.measure.machine import (
    PeakMemory,
    allocated_peak,
    choose_device,
    device_name,
    machine,
    peak_memory,
)
from msdemucs.measure.quiet import HostLock, is_quiet, others, quietly

__all__ = [
    "HostLock",
    "Latency",
    "PeakMemory",
    "Precision",
    "Timing",
    "allocated_peak",
    "autocast",
    "choose_device",
    "device_name",
    "is_quiet",
    "latency",
    "machine",
    "others",
    "peak_memory",
    "quietly",
]
