"""The best spec that a budget allows: a ladder a cost, on which each step is a better spec."""

import re
from dataclasses import dataclass

from msdemucs.report.delta import delta_yaml
from msdemucs.report.findings import trades_of
from msdemucs.report.frames import Row, mapping_of, rows_of, trial_number
from msdemucs.report.fronts import Point, Trade
from msdemucs.study.records import StudyRecord

MOST_STEPS = 60
"""Steps of a ladder, at most: the rest of a front is thinned evenly, its ends stay."""


@dataclass(frozen=True)
class Step:
    """From this cost on, this trial is the best.

    Attributes:
        trial: its number.
        name: its name.
        cost: what it costs.
        texts: its cost and its quality to read, with the interval where it is known.
    """

    trial: int
    name: str
    cost: float
    texts: tuple[str, str]


@dataclass(frozen=True)
class Ladder:
    """What is best under each budget of one cost.

    Attributes:
        column: the cost's column.
        label: its name in a sentence.
        unit: as in `columns.FORMATS`.
        low: the cheapest trial's cost.
        high: the dearest complete trial's cost.
        steps: by cost; each is better than those before.
    """

    column: str
    label: str
    unit: str
    low: float
    high: float
    steps: tuple[Step, ...]


def ladders_of(record: StudyRecord) -> tuple[Ladder, ...]:
    """One ladder a cost that is to be kept low, those without a trial left out."""
    trades = trades_of(record)
    several = len({trade.y for trade in trades}) > 1
    return tuple(
        _ladder(trade, f" for {trade.y.header}" if several else "")
        for trade in trades
        if trade.admitted and trade.x.direction == "minimize" and trade.admitted[0].x > 0
    )


def recipes_of(record: StudyRecord, ladders: tuple[Ladder, ...]) -> dict[int, str]:
    """The YAML of every trial that some ladder recommends."""
    wanted = {step.trial for ladder in ladders for step in ladder.steps}
    return {
        trial_number(row): spec_text(record, row)
        for row in rows_of(record)
        if trial_number(row) in wanted
    }


def spec_text(record: StudyRecord, row: Row) -> str:
    """A trial's spec as YAML that extends the study's base; "" for a trial without one."""
    spec = mapping_of(row, "spec")
    if not spec:
        return ""
    base = record.attrs.get("base")
    name = re.sub(r"[^\w.]+", "-", str(row["name"])).strip("-")
    return delta_yaml(spec, base=base if isinstance(base, str) else None, name=name)


def _ladder(trade: Trade, whose: str) -> Ladder:
    front = trade.front
    if len(front) > MOST_STEPS:
        kept = {round(i * (len(front) - 1) / (MOST_STEPS - 1)) for i in range(MOST_STEPS)}
        front = tuple(point for index, point in enumerate(front) if index in kept)
    return Ladder(
        trade.x.column,
        trade.x.header + whose,
        trade.x.unit,
        trade.admitted[0].x,
        trade.admitted[-1].x,
        tuple(_step(point, trade) for point in front),
    )


def _step(point: Point, trade: Trade) -> Step:
    quality = trade.y.text(point.y)
    if point.half_width == point.half_width:
        quality += f" ± {trade.y.text(point.half_width)}"
    if point.n_seeds > 1:
        quality += f", the mean of {point.n_seeds} seeds,"
    return Step(point.trial, point.name, point.x, (trade.x.text(point.x), quality))
