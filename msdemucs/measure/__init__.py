"""What a built model costs on this machine, and which machine that is."""

from msdemucs.measure.latency import Latency, Precision, Timing, autocast, latency
from msdemucs.measure.machine import machine
from msdemucs.measure.memory import PeakMemory, peak_memory

__all__ = [
    "Latency",
    "PeakMemory",
    "Precision",
    "Timing",
    "autocast",
    "latency",
    "machine",
    "peak_memory",
]
