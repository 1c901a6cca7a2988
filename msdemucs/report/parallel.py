"""Parallel coordinates: what was chosen and what came of it, one line a trial."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.importance import lies_on_a_scale, with_choices
from msdemucs.analysis.measure import Measure
from msdemucs.analysis.trials import Row, mapping_of, number, trial_number
from msdemucs.units import format_value

MOST_FIELDS = 7
MOST_LINES = 200
"""Lines in one figure, at most: the best trials."""

LOG_FROM_RATIO = 10.0


@dataclass(frozen=True)
class AxisScale:
    """What the places of a numeric axis stand for.

    Attributes:
        low: at place 0.
        high: at place 1.
        is_log: in between, logarithms are evenly spaced.
        unit: a key of `columns.FORMATS`.
    """

    low: float
    high: float
    is_log: bool
    unit: str


@dataclass(frozen=True)
class ParallelAxis:
    """One upright axis: its name, and the texts at places from 0 to 1."""

    name: str
    ticks: tuple[tuple[float, str], ...]
    scale: AxisScale | None = None


@dataclass(frozen=True)
class ParallelLine:
    """One trial's places on all axes."""

    trial: int
    is_front: bool
    places: tuple[float, ...]


@dataclass(frozen=True)
class Parallel:
    """Axes with lines; `n_left_out` trials are not drawn."""

    axes: tuple[ParallelAxis, ...]
    lines: tuple[ParallelLine, ...]
    n_left_out: int


def parallel_coordinates(findings: Findings) -> Parallel | None:
    """Choices, the main cost and the quality of the best trials; None with too few of either."""
    quality, cost = findings.quality, findings.main_cost
    rows = with_choices(findings.complete_rows, quality.column)
    rows = [row for row in rows if isfinite(number(row, cost.column))]
    rows.sort(key=lambda row: -quality.sign * number(row, quality.column))
    shown = rows[:MOST_LINES]
    shared = [f for f in findings.choices if all(f in mapping_of(row, "params") for row in shown)]
    columns = [_choice_axis(shown, field) for field in shared[:MOST_FIELDS]]
    columns = [column for column in columns if len(column[0].ticks) > 1]
    if len(shown) < 2 or not columns:
        return None
    columns += [_number_axis(shown, cost), _number_axis(shown, quality)]
    trials = [trial_number(row) for row in shown]
    lines = tuple(
        ParallelLine(trial, trial in findings.front, tuple(places[i] for _, places in columns))
        for i, trial in enumerate(trials)
    )
    return Parallel(tuple(axis for axis, _ in columns), lines, len(rows) - len(shown))


def _choice_axis(rows: Sequence[Row], field: str) -> tuple[ParallelAxis, list[float]]:
    raw = [mapping_of(row, "params")[field] for row in rows]
    is_numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in raw)
    texts = [format_value(value) for value in raw]
    distinct = list(dict.fromkeys(texts))
    if is_numeric and lies_on_a_scale(distinct):
        numbers = [float(str(value)) for value in raw]
        return _axis_of(field, numbers, Measure(field, field, field, "", "minimize"))
    distinct.sort(
        key=(lambda text: (float(text), text)) if is_numeric else (lambda text: (0.0, text))
    )
    step = 1 / max(len(distinct) - 1, 1)
    places = {text: index * step for index, text in enumerate(distinct)}
    return (
        ParallelAxis(field, tuple((places[text], text) for text in distinct)),
        [places[text] for text in texts],
    )


def _number_axis(rows: Sequence[Row], measure: Measure) -> tuple[ParallelAxis, list[float]]:
    return _axis_of(measure.header, [number(row, measure.column) for row in rows], measure)


def _axis_of(
    name: str, values: Sequence[float], measure: Measure
) -> tuple[ParallelAxis, list[float]]:
    low, high = min(values), max(values)
    is_log = measure.may_be_log and low > 0 and high / low >= LOG_FROM_RATIO

    def place(value: float) -> float:
        if high == low:
            return 0.5
        if is_log:
            return log(value / low) / log(high / low)
        return (value - low) / (high - low)

    ticks = tuple((place(value), measure.text(value)) for value in dict.fromkeys((low, high)))
    scale = AxisScale(low, high, is_log, measure.unit) if high > low else None
    return ParallelAxis(name, ticks, scale), [place(value) for value in values]
