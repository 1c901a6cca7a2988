"""What each number of a report is called, its unit, what is better, and by which convention."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from msdemucs import units
from msdemucs.study.records import GROUP_COLUMN_PREFIX, Direction

MISSING = "–"


@dataclass(frozen=True)
class Measure:
    """A numeric column of a record's trials as people read it.

    Attributes:
        column: its name in the record.
        label: its name in a sentence or on an axis, with the unit where ticks carry none.
        header: its name over a table column.
        unit: a key of FORMATS.
        direction: what is better.
        convention: how the number was made; "" when the label says it.
    """

    column: str
    label: str
    header: str
    unit: str
    direction: Direction
    convention: str = ""

    def text(self, value: float) -> str:
        """The value with its unit, or a dash for one that was not measured."""
        if value != value:
            return MISSING
        return typeset(unsigned_zero(FORMATS[self.unit](value)))


def unsigned_zero(number: str) -> str:
    """A formatted number, without a minus where it is but zeros: "-0.00 dB" → "0.00 dB"."""
    return number[1:] if re.match(r"-[0.]+(?![0-9.])", number) else number


def typeset(number: str) -> str:
    """A formatted number with a true minus, and its unit kept on the same line."""
    return number.replace("-", "−").replace(" ", "\N{NO-BREAK SPACE}")


FORMATS: Mapping[str, Callable[[float], str]] = {
    "dB": units.format_db,
    "MAC": lambda value: units.format_count(value, "MAC"),
    "MAC/s": lambda value: units.format_count(value, "MAC/s"),
    "count": units.format_count,
    "B": units.format_bytes,
    "s": units.format_seconds,
    "ms": lambda value: units.format_seconds(value / 1e3),
    "plain": lambda value: f"{value:.4g}",
}
"""How a value of each unit is written."""

USDR = Measure(
    "usdr_db",
    "uSDR (dB)",
    "uSDR",
    "dB",
    "maximize",
    "utterance SDR of whole tracks: 10 log₁₀ of the energy of the reference over that of the "
    "error, both channels together; the mean over sources of the mean over test tracks. Silent "
    "references are left out. An estimate of silence scores 0 dB.",
)

MEASURES = (
    USDR,
    Measure(
        "macs_per_second",
        "MACs per second of audio",
        "MACs/s",
        "MAC/s",
        "minimize",
        "multiply-accumulates of one forward pass over a segment, counted from the plan, divided "
        "by the length of the segment. One MAC is one multiplication with its addition (2 FLOPs).",
    ),
    Measure(
        "parameters", "Parameters", "Parameters", "count", "minimize", "learned numbers, counted."
    ),
    Measure(
        "latency_ms_p50",
        "Latency of one segment, median (ms)",
        "Latency p50",
        "ms",
        "minimize",
        "wall time of one forward pass over one segment, a batch of one, after warm-up passes, on "
        "the machine named below: median and 95th percentile of the repeats.",
    ),
    Measure("latency_ms_p95", "Latency, 95th percentile (ms)", "Latency p95", "ms", "minimize"),
    Measure(
        "rtf",
        "Real-time factor",
        "RTF",
        "plain",
        "minimize",
        "real-time factor: seconds of compute for one second of audio, from the median latency.",
    ),
    Measure(
        "inference_bytes",
        "Activation memory of one segment (bytes)",
        "Activations",
        "B",
        "minimize",
        "the most that a forward pass over one segment holds beside the model, in float32, "
        "computed from the plan.",
    ),
    Measure(
        "training_bytes",
        "Memory of a training step (bytes)",
        "Training step",
        "B",
        "minimize",
        "the most that a training step on one segment holds beside the model, its gradients and "
        "the state of the optimiser, in float32, computed from the plan.",
    ),
    Measure(
        "peak_memory_bytes",
        "Peak memory (bytes)",
        "Peak memory",
        "B",
        "minimize",
        "the most that the whole process held while the trial ran, Python and its libraries "
        "included; on a GPU, the most that torch's allocator had given out.",
    ),
    Measure(
        "train_seconds", "Training time (s)", "Training", "s", "minimize", "wall time of training."
    ),
    Measure("seconds", "Time of the trial (s)", "Trial", "s", "minimize"),
    Measure("cpu_seconds", "CPU time of the trial (s)", "CPU", "s", "minimize"),
    Measure("gpu_seconds", "Time that a GPU was held (s)", "GPU", "s", "minimize"),
    Measure(
        "steps",
        "Training steps",
        "Steps",
        "count",
        "minimize",
        "optimiser steps that the trial trained, over all its seeds.",
    ),
    Measure("macs", "MACs of one segment", "MACs", "MAC", "minimize"),
)
"""Every measure with a name of its own, in the order of the report's table."""


def measure_of(column: str, directions: Mapping[str, Direction] | None = None) -> Measure:
    """The measure of a record's column; a column without a name of its own keeps it as label.

    Args:
        column: a numeric column of the record's trials.
        directions: a study's objectives, which decide what is better.
    """
    known = {measure.column: measure for measure in MEASURES}
    if column in known:
        measure = known[column]
    elif column.startswith(GROUP_COLUMN_PREFIX):
        group = column.removeprefix(GROUP_COLUMN_PREFIX)
        measure = replace(
            USDR,
            column=column,
            label=f"uSDR on {group} (dB)",
            header=f"uSDR {group}",
            convention=f"uSDR over the tracks of {group} alone.",
        )
    else:
        measure = Measure(column, column, column, "plain", "minimize")
    return replace(measure, direction=(directions or {}).get(column, measure.direction))


def percent(ratio: float) -> str:
    """A ratio in whole percent: 0.384 → "38 %"."""
    return typeset(f"{100 * ratio:.0f} %")


def signed_percent(ratio: float) -> str:
    """A change with its sign and one decimal: -0.118 → "−11.8 %", and nothing is "+0.0 %"."""
    return typeset(f"{100 * ratio:+.1f} %".replace("-0.0 ", "+0.0 "))
