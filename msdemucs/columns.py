"""Every figure and fact that a trial records, once: what it is called, its unit, what is better.

Records, samplers, tables, figures and the command line read it from here. Qualities (uSDR, or the
SI-SDR of vocals) are no columns of this table: `msdemucs.metrics` has those.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from msdemucs import units
from msdemucs.units import Direction

Known = Literal["proposed", "plan", "measured", "trained"]
"""When a value is there: with the proposal; computed from the plan; measured on the built model,
before it is trained; after training."""

Kind = Literal["number", "text", "flag", "mapping", "list"]

MOST_BUSY = 0.1
"""Share of the cores that others may keep busy while latency is measured.

Work that needs all cores takes at least 1 / (1 - share) as long: at a tenth 11 %, about what the
repeats of one measurement differ by; a time taken beside more tells of the machine's load.
"""

FORMATS: Mapping[str, Callable[[float], str]] = {
    "dB": units.format_db,
    "MAC": lambda value: units.format_count(value, "MAC"),
    "MAC/s": lambda value: units.format_count(value, "MAC/s"),
    "count": units.format_count,
    "B": units.format_bytes,
    "s": units.format_seconds,
    "ms": lambda value: units.format_seconds(value / 1e3),
    "": lambda value: f"{value:.4g}",
}
"""How a value of each unit is written."""


@dataclass(frozen=True)
class Column:
    """One thing that is recorded of every trial.

    Attributes:
        name: in records, YAML, exports.
        meaning: what it holds, in words; with numbers, how they are made.
        kind: of its values.
        known: when it is there.
        unit: of a number, a key of FORMATS.
        label: in a sentence or on an axis; the name where it is "".
        heading: over a table; likewise.
        short: over a table in a terminal; the heading where it is "".
        direction: what is better; None for what is neither.
        is_objective: whether a study may optimise it; what is known before training may also be
            limited by a constraint.
        is_spent: whether it was used up by the trial: a copied result has spent nothing.
        is_copied: whether a trial that takes another's result takes this too.
    """

    name: str
    meaning: str
    kind: Kind = "number"
    known: Known = "trained"
    unit: str = ""
    label: str = ""
    heading: str = ""
    short: str = ""
    direction: Direction | None = None
    is_objective: bool = False
    is_spent: bool = False
    is_copied: bool = False

    def text(self, value: float) -> str:
        """Return a value with its unit; "–" for one that was not measured."""
        return "–" if value != value else FORMATS[self.unit](value)


_cost = partial(Column, direction="minimize", is_objective=True, is_copied=True)
"""A number that is better low, which a study may optimise."""

_used_up = partial(Column, direction="minimize", is_spent=True)
"""A number that the trial used up."""


def _about(name: str, meaning: str, kind: Kind = "text", *, is_copied: bool = False) -> Column:
    """What is known of a trial that ran, and is no number."""
    return Column(name, meaning, kind, is_copied=is_copied)


def _proposed(name: str, meaning: str, kind: Kind = "text") -> Column:
    """What is known of a trial as soon as it is proposed."""
    return Column(name, meaning, kind, "proposed")


COLUMNS = {
    column.name: column
    for column in (
        _proposed("trial", "the trial's number in its study", "number"),
        _about(
            "state",
            "complete, failed, running, waiting, stopped (at a rung, its checkpoint kept), "
            "infeasible (refused before training, by its plan or by a constraint) or continued "
            "(cut short, and another trial goes on)",
        ),
        _proposed("name", "the baseline's name, or “trial 7”"),
        _proposed("baseline", "the baseline's name when the trial is one"),
        _cost(
            "macs",
            known="plan",
            unit="MAC",
            meaning="multiply-accumulates of one forward pass over a segment, counted from the "
            "plan",
            label="MACs of one segment",
            heading="MACs",
        ),
        _cost(
            "macs_per_second",
            known="plan",
            unit="MAC/s",
            meaning="multiply-accumulates of one forward pass over a segment, counted from the "
            "plan, divided by the length of the segment. One MAC is one multiplication with its "
            "addition (2 FLOPs)",
            label="MACs per second of audio",
            heading="MACs/s",
            short="compute",
        ),
        _cost(
            "parameters",
            known="plan",
            unit="count",
            meaning="learned numbers, counted",
            label="Parameters",
            heading="Parameters",
            short="params",
        ),
        Column(
            "latency_ms_p05",
            "the 5th percentile of the same wall times as of the median",
            known="measured",
            unit="ms",
            label="Latency, 5th percentile (ms)",
            heading="Latency p05",
            direction="minimize",
            is_copied=True,
        ),
        _cost(
            "latency_ms_p50",
            known="measured",
            unit="ms",
            meaning="wall time of one forward pass over one segment, a batch of one, after warm-up "
            "passes, on the machine that is named: the median over five rounds of the fastest of "
            "three passes",
            label="Latency of one segment, median (ms)",
            heading="Latency p50",
            short="latency",
        ),
        _cost(
            "latency_ms_p95",
            known="measured",
            unit="ms",
            meaning="the 95th percentile of the same",
            label="Latency, 95th percentile (ms)",
            heading="Latency p95",
        ),
        _cost(
            "rtf",
            known="measured",
            unit="",
            meaning="real-time factor: seconds of compute for one second of audio, from the median "
            "latency",
            label="Real-time factor",
            heading="RTF",
        ),
        Column(
            "latency_busy",
            f"the share of the cores that others kept busy while latency was measured; above "
            f"{MOST_BUSY:g} the latency is on no front",
            known="measured",
            is_copied=True,
        ),
        _cost(
            "inference_bytes",
            known="plan",
            unit="B",
            meaning="the most that a forward pass over one segment holds beside the model, in "
            "float32, computed from the plan",
            label="Activation memory of one segment (bytes)",
            heading="Activations",
        ),
        _cost(
            "training_bytes",
            known="plan",
            unit="B",
            meaning="the most that a training step on one segment holds beside the model, its "
            "gradients and the state of the optimiser, in float32, computed from the plan",
            label="Memory of a training step (bytes)",
            heading="Training step",
        ),
        _cost(
            "peak_memory_bytes",
            known="trained",
            unit="B",
            meaning="the most that the whole process held while the trial ran, Python and its "
            "libraries included; on a GPU, the most that torch's allocator had given out",
            label="Peak memory (bytes)",
            heading="Peak memory",
        ),
        Column(
            "peak_memory_increase_bytes",
            "by how much that is more than before the trial",
            unit="B",
            is_copied=True,
        ),
        _about("peak_memory_method", "how peak memory was measured", is_copied=True),
        _used_up(
            "seconds",
            is_objective=True,
            known="trained",
            unit="s",
            meaning="wall time of the whole trial",
            label="Time of the trial (s)",
            heading="Trial",
            short="time",
        ),
        _used_up(
            "train_seconds",
            is_objective=True,
            known="trained",
            unit="s",
            meaning="wall time of training",
            label="Training time (s)",
            heading="Training",
            short="training",
        ),
        _used_up(
            "cpu_seconds",
            unit="s",
            meaning="CPU time of the trial's process",
            label="CPU time of the trial (s)",
            heading="CPU",
        ),
        _used_up(
            "gpu_seconds",
            unit="s",
            meaning="wall time that a GPU was held; none without one",
            label="Time that a GPU was held (s)",
            heading="GPU",
        ),
        _used_up(
            "steps",
            unit="count",
            meaning="optimiser steps that the trial trained, over all its seeds",
            label="Training steps",
            heading="Steps",
        ),
        Column(
            "accumulate",
            "parts in which batches went through the model at the end, where memory took more than "
            "the recipe's",
            unit="count",
            is_copied=True,
        ),
        Column("stopped_at", "the step of the rung at which the trial was stopped", unit="count"),
        _proposed("seed", "the first of its seeds", "number"),
        _proposed("arm", "factor → alternative, in an ablation", "mapping"),
        _proposed("is_control", "whether it is of the random control arm", "flag"),
        _about("duplicate_of", "“study/trial” whose result it took, its spec being the same"),
        _about("violations", "constraint → by how much it is exceeded", "mapping"),
        _proposed("recipe", "the full recipe that it was trained by", "mapping"),
        _about("device", "what it was trained and timed on: “cpu: AMD EPYC”", is_copied=True),
        _about("weights", "path or URL of its weights", is_copied=True),
        _about("log", "path or URL of its log"),
        _about(
            "git",
            "revision of the source tree, “+” after it where it was changed",
            is_copied=True,
        ),
        _proposed("spec", "the canonical full spec", "mapping"),
        _proposed("spec_hash", "16 hexadecimal digits, name excluded"),
        _proposed(
            "differences", "dotted field → [value in the base, value in the trial]", "mapping"
        ),
        _proposed("params", "the values that the sampler chose, by name", "mapping"),
        _about("failure", "why a trial failed or was refused"),
        _about(
            "left_out",
            "why each track that the scores are without could not be used",
            "list",
            is_copied=True,
        ),
        _about(
            "trained_without",
            "why each training track that was left out was damaged",
            "list",
            is_copied=True,
        ),
        _about(
            "unscored",
            "metric → source → reason → on how many validation tracks a score is lacking for it",
            "mapping",
            is_copied=True,
        ),
        _about("started", "ISO 8601 with offset"),
        _about("versions", "package → version", "mapping", is_copied=True),
    )
}
"""By their names, in the order of records."""

TIMED = tuple(
    name
    for name, column in COLUMNS.items()
    if column.known == "measured" and column.direction is not None
)
"""Wall times that a busy machine makes longer: `latency_busy` says how busy it was."""
