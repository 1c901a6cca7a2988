"""What each number of a study is called, its unit, what is better, and by which convention."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

from msdemucs.analysis.trials import Row, number
from msdemucs.columns import COLUMNS, FORMATS
from msdemucs.metrics import METRICS, Quality
from msdemucs.study.records import Direction, StudyRecord, ranked_by
from msdemucs.units import MISSING, typeset, unsigned_zero

COSTS = ("macs_per_second", "parameters", "latency_ms_p50")
"""What quality is always drawn against; memory and further objectives of a study follow."""

MEMORIES = ("inference_bytes", "peak_memory_bytes")
"""The first of these that trials have is drawn too."""


@dataclass(frozen=True)
class Measure:
    """A numeric column of a record's trials as people read it.

    Attributes:
        column: its name in the record.
        label: its name on an axis, with the unit where ticks carry none.
        header: its name in a sentence or over a table column.
        unit: a key of FORMATS.
        direction: what is better.
        convention: how the number was made; "" when the label says it.
        quality: what it is made of; None for a cost.
    """

    column: str
    label: str
    header: str
    unit: str
    direction: Direction
    convention: str = ""
    quality: Quality | None = None

    @property
    def sign(self) -> float:
        """1 where more is better, -1 where less is."""
        return 1.0 if self.direction == "maximize" else -1.0

    @property
    def may_be_log(self) -> bool:
        """Whether values far apart are drawn by their logarithm: decibels are one already."""
        return self.quality is None

    @property
    def named(self) -> str:
        """Its name with its unit: "uSDR (dB)"."""
        return f"{self.header} ({self.unit})" if self.quality else self.label

    @property
    def silence(self) -> float | None:
        """What silence as every estimate scores; None where it depends, or is infinite."""
        value = self.quality.silence if self.quality else None
        return value if value is not None and isfinite(value) else None

    def is_better(self, value: float, than: float) -> bool:
        """Whether a value is better than another."""
        return self.sign * value > self.sign * than

    def text(self, value: float) -> str:
        """The value with its unit, or a dash for one that was not measured."""
        if value != value:
            return MISSING
        return typeset(unsigned_zero(FORMATS[self.unit](value)).replace("inf", "∞"))


def measure_of(column: str, record: StudyRecord | None = None) -> Measure:
    """The measure of a record's column; a column without a name of its own keeps it as label.

    Args:
        column: a numeric column of the record's trials.
        record: the study, which knows its sources and groups, its split, and what is better;
            without one, a quality is a metric over all of them.
    """
    if record is not None:
        quality = record.qualities.get(column)
    else:
        quality = Quality(METRICS[column]) if column in METRICS else None
    if quality is not None:
        measure = measure_of_quality(quality, record.split if record is not None else "")
    elif column in COLUMNS:
        known = COLUMNS[column]
        measure = Measure(
            column,
            known.label or column,
            known.heading or column,
            known.unit,
            known.direction or "minimize",
            f"{known.meaning}.",
        )
    else:
        measure = Measure(column, column, column, "", "minimize")
    directions = record.directions if record is not None else {}
    return replace(measure, column=column, direction=directions.get(column, measure.direction))


def measure_of_quality(quality: Quality, split: str = "") -> Measure:
    """A quality as people read it.

    Args:
        quality: the quality.
        split: of its tracks; "" to leave it unnamed.
    """
    known = Measure(
        str(quality), quality.label, quality.label, quality.unit, quality.direction, quality=quality
    )
    notes = [quality.convention]
    notes += [f"Of {split} tracks"] if split else []
    notes += [] if known.silence is None else [f"Silence scores {known.text(known.silence)}"]
    notes += ["Less is better"] if quality.direction == "minimize" else []
    tracks = f", {split} tracks" if split else ""
    label = f"{quality.label} ({quality.unit}){tracks}"
    return replace(known, label=label, convention=". ".join(notes) + ".")


def quality_measures(record: StudyRecord) -> tuple[Measure, ...]:
    """The study's objectives that are qualities; uSDR over everything where none is."""
    return tuple(measure_of(column, record) for column in ranked_by(record.directions))


def cost_measures(record: StudyRecord) -> tuple[Measure, ...]:
    """What quality is drawn against: COSTS, a memory, then the study's other objectives."""
    known = record.trials
    memories = [name for name in MEMORIES if name in known and known[name].notna().any()]
    drawn = (*COSTS, *memories[:1])
    others = [
        column
        for column in record.directions
        if column not in drawn and column not in record.qualities
    ]
    return tuple(measure_of(column, record) for column in (*drawn, *others))


def recorded_measures(record: StudyRecord, rows: Sequence[Row]) -> tuple[Measure, ...]:
    """The objectives, and all numbers that some trial has: qualities first, then costs.

    Args:
        record: the study.
        rows: its trials.
    """
    of_groups = {name for name, quality in record.qualities.items() if quality.group}
    redundant = of_groups if len(of_groups) == 1 else set()  # the only one says what the whole says
    others = sorted(name for name in record.qualities if name not in redundant)
    known = [name for name, column in COLUMNS.items() if column.direction is not None]
    objectives = [name for name in record.directions if name in record.qualities]
    named = [*objectives, *others, *known, *record.directions]
    return tuple(
        measure_of(column, record)
        for column in dict.fromkeys(named)
        if column in record.directions or any(isfinite(number(row, column)) for row in rows)
    )
