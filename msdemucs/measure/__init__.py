"""What a built model costs on this machine, and which machine that is."""

from msdemucs.measure.host_lock import HostLock
from msdemucs.measure.latency import Latency, Precision, Timing, autocast, latency
from msdemucs.measure.machine import choose_device, device_name, machine
from msdemucs.measure.memory import PeakMemory, allocated_peak, peak_memory
from msdemucs.measure.quiet import is_quiet, others, quietly

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
