"""Every figure and fact that a trial records, once: what it is called, its unit, what is better.

Records, samplers, tables, figures, the command line and docs read it from here. The separation
quality is no column of this table: its names come from `msdemucs.metrics`, by `column_of`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from msdemucs import units

Direction = Literal["maximize", "minimize"]

Known = Literal["proposed", "plan", "measured", "trained"]
"""When a value is there: with the proposal; computed from the plan; measured on the built model,
before it is trained; after training."""

Kind = Literal["number", "text", "flag", "mapping", "list"]

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
    direction: Direction | None = None
    is_objective: bool = False
    is_spent: bool = False
    is_copied: bool = False

    def text(self, value: float) -> str:
        """Return a value with its unit; "–" for one that was not measured."""
        return "–" if value != value else FORMATS[self.unit](value)


def _cost(name: str, known: Known, unit: str, meaning: str, label: str, heading: str) -> Column:
    """A number that is better low, which a study may optimise."""
    is_spent = name in ("seconds", "train_seconds")
    return Column(
        name, meaning, "number", known, unit, label, heading, "minimize",
        is_objective=True, is_spent=is_spent, is_copied=not is_spent,
    )  # fmt: skip


def _spent(name: str, unit: str, meaning: str, label: str, heading: str) -> Column:
    """A number that the trial used up."""
    return Column(
        name, meaning, unit=unit, label=label, heading=heading, direction="minimize", is_spent=True
    )


COLUMNS = {
    column.name: column
    for column in (
        Column("trial", "the trial's number in its study", known="proposed"),
        Column(
            "state",
            "complete, failed, running, waiting, stopped (at a rung, its checkpoint kept) or "
            "infeasible "
            "(refused before training, by its plan or by a constraint)",
            "text",
        ),
        Column("name", "the baseline's name, or “trial 7”", "text", "proposed"),
        Column("baseline", "the baseline's name when the trial is one", "text", "proposed"),
        _cost(
            "macs",
            "plan",
            "MAC",
            "multiply-accumulates of one forward pass over a segment, counted from the plan",
            "MACs of one segment",
            "MACs",
        ),
        _cost(
            "macs_per_second",
            "plan",
            "MAC/s",
            "multiply-accumulates of one forward pass over a segment, counted from the plan, "
            "divided by "
            "the length of the segment. One MAC is one multiplication with its addition (2 FLOPs)",
            "MACs per second of audio",
            "MACs/s",
        ),
        _cost(
            "parameters", "plan", "count", "learned numbers, counted", "Parameters", "Parameters"
        ),
        _cost(
            "inference_bytes",
            "plan",
            "B",
            "the most that a forward pass over one segment holds beside the model, in float32, "
            "computed "
            "from the plan",
            "Activation memory of one segment (bytes)",
            "Activations",
        ),
        _cost(
            "training_bytes",
            "plan",
            "B",
            "the most that a training step on one segment holds beside the model, its gradients "
            "and the "
            "state of the optimiser, in float32, computed from the plan",
            "Memory of a training step (bytes)",
            "Training step",
        ),
        Column(
            "latency_ms_p05",
            "the 5th percentile of the wall time of one segment's forward pass",
            known="measured",
            unit="ms",
            label="Latency, 5th percentile (ms)",
            heading="Latency p05",
            direction="minimize",
            is_copied=True,
        ),
        _cost(
            "latency_ms_p50",
            "measured",
            "ms",
            "wall time of one forward pass over one segment, a batch of one, after warm-up "
            "passes, on "
            "the machine that is named: the median of the repeats",
            "Latency of one segment, median (ms)",
            "Latency p50",
        ),
        _cost(
            "latency_ms_p95",
            "measured",
            "ms",
            "the 95th percentile of the same",
            "Latency, 95th percentile (ms)",
            "Latency p95",
        ),
        _cost(
            "rtf",
            "measured",
            "",
            "real-time factor: seconds of compute for one second of audio, from the median latency",
            "Real-time factor",
            "RTF",
        ),
        Column(
            "latency_busy",
            "the share of the cores that others kept busy while latency was measured",
            known="measured",
            is_copied=True,
        ),
        _cost(
            "peak_memory_bytes",
            "trained",
            "B",
            "the most that the whole process held while the trial ran, Python and its libraries "
            "included; on a GPU, the most that torch's allocator had given out",
            "Peak memory (bytes)",
            "Peak memory",
        ),
        _cost(
            "seconds",
            "trained",
            "s",
            "wall time of the whole trial",
            "Time of the trial (s)",
            "Trial",
        ),
        _cost(
            "train_seconds",
            "trained",
            "s",
            "wall time of training",
            "Training time (s)",
            "Training",
        ),
        _spent(
            "cpu_seconds",
            "s",
            "CPU time of the trial's process",
            "CPU time of the trial (s)",
            "CPU",
        ),
        _spent(
            "gpu_seconds",
            "s",
            "wall time that a GPU was held; none without one",
            "Time that a GPU was held (s)",
            "GPU",
        ),
        _spent(
            "steps",
            "count",
            "optimiser steps that the trial trained, over all its seeds",
            "Training steps",
            "Steps",
        ),
        Column("stopped_at", "the step of the rung at which the trial was stopped"),
        Column("seed", "the first of its seeds", known="proposed"),
        Column("arm", "factor → alternative, in an ablation", "mapping", "proposed"),
        Column("is_control", "whether it is of the random control arm", "flag", "proposed"),
        Column(
            "duplicate_of", "“study/trial” whose result it took, its spec being the same", "text"
        ),
        Column("violations", "constraint → by how much it is exceeded", "mapping"),
        Column("recipe", "the full recipe that it was trained by", "mapping", "proposed"),
        Column(
            "device", "what it was trained and timed on: “cpu: AMD EPYC”", "text", is_copied=True
        ),
        Column("weights", "path or URL of its weights", "text", is_copied=True),
        Column("log", "path or URL of its log", "text"),
        Column(
            "git",
            "revision of the source tree, “+” after it where it was changed",
            "text",
            is_copied=True,
        ),
        Column("spec", "the canonical full spec", "mapping", "proposed"),
        Column("spec_hash", "16 hexadecimal digits, name excluded", "text", "proposed"),
        Column(
            "differences",
            "dotted field → [value in the base, value in the trial]",
            "mapping",
            "proposed",
        ),
        Column("params", "the values that the sampler chose, by name", "mapping", "proposed"),
        Column("failure", "why a trial failed or was refused", "text"),
        Column(
            "left_out",
            "why each track that the scores are without could not be used",
            "list",
            is_copied=True,
        ),
        Column("started", "ISO 8601 with offset", "text"),
        Column("versions", "package → version", "mapping", is_copied=True),
    )
}
"""By their names, in the order of records."""
