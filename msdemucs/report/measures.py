"""What each number of a report is called, its unit, what is better, and by which convention."""

import re
from dataclasses import dataclass, replace
from math import isfinite

from msdemucs.columns import COLUMNS, FORMATS
from msdemucs.metrics import METRICS, Quality
from msdemucs.study.records import Direction, StudyRecord

MISSING = "–"


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


def unsigned_zero(number: str) -> str:
    """A formatted number, without a minus where it is but zeros: "-0.00 dB" → "0.00 dB"."""
    return number[1:] if re.match(r"-[0.]+(?![0-9.])", number) else number


def typeset(number: str) -> str:
    """A formatted number with a true minus, and its unit kept on the same line."""
    return number.replace("-", "−").replace(" ", "\N{NO-BREAK SPACE}")


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


def percent(ratio: float) -> str:
    """A ratio in whole percent: 0.384 → "38 %"."""
    return typeset(f"{100 * ratio:.0f} %")


def signed_percent(ratio: float) -> str:
    """A change with its sign and one decimal: -0.118 → "−11.8 %", and nothing is "+0.0 %"."""
    return typeset(f"{100 * ratio:+.1f} %".replace("-0.0 ", "+0.0 "))
