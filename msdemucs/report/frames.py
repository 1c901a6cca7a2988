"""What a report shows, computed from a record as plain values that a test can compare.

Nothing here draws; `figures.py` paints trades and curves, `page.py` fills the templates.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite, nan
from numbers import Real

import pandas as pd

from msdemucs.report.measures import USDR, Measure, measure_of
from msdemucs.report.noise import Noise, n_seeds, noise_of
from msdemucs.report.pareto import non_dominated
from msdemucs.study.records import GROUP_COLUMN_PREFIX, STATES, Direction, StudyRecord

COSTS = ("macs_per_second", "parameters", "latency_ms_p50")
"""What quality is always drawn against; memory and further objectives of a study follow."""

MEMORIES = ("inference_bytes", "peak_memory_bytes")
"""The first of these that trials have is drawn too."""

Row = Mapping[str, object]


@dataclass(frozen=True)
class Point:
    """One complete trial in the plane of a cost and a quality.

    Attributes:
        trial: its number.
        name: its name.
        is_baseline: it is a named baseline.
        x: its cost.
        y: its quality.
        is_front: no other point beats it in both.
        half_width: half the interval of its quality over seeds; NaN where it is unknown.
        is_tied: it is dominated by less than the noise floor.
    """

    trial: int
    name: str
    is_baseline: bool
    x: float
    y: float
    is_front: bool
    half_width: float = nan
    is_tied: bool = False


@dataclass(frozen=True)
class Trade:
    """Quality against one cost.

    Attributes:
        x: the cost.
        y: the quality.
        points: trials with both numbers, by cost, then by number.
        n_unmeasured: complete trials that lack one of the two and are not drawn.
        floor: the quality of the mixture itself as the estimate; None where it is unknown.
        noise: the spread of the quality over seeds; None where it is unknown.
    """

    x: Measure
    y: Measure
    points: tuple[Point, ...]
    n_unmeasured: int
    floor: float | None
    noise: Noise | None = None

    @property
    def front(self) -> tuple[Point, ...]:
        """The points that no other point beats in both, by cost."""
        return tuple(point for point in self.points if point.is_front)

    @property
    def tied(self) -> tuple[Point, ...]:
        """The points that the noise floor does not tell from the front, by cost."""
        return tuple(point for point in self.points if point.is_tied)


@dataclass(frozen=True)
class Curve:
    """The training loss of one trial."""

    trial: int
    name: str
    state: str
    is_baseline: bool
    steps: tuple[int, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class StateCount:
    """How many trials are in a state, and why, the commonest reason first."""

    state: str
    n: int
    reasons: tuple[tuple[str, int], ...]


@lru_cache(maxsize=8)
def rows_of(record: StudyRecord) -> tuple[Row, ...]:
    """The record's trials, each as a mapping of its columns."""
    return tuple(
        {str(column): value for column, value in row.items()}
        for row in record.trials.to_dict("records")
    )


def number(row: Row, column: str) -> float:
    """A row's finite number, or NaN for one that is absent, infinite or not a number."""
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        return nan
    return float(value)


def trial_number(row: Row) -> int:
    """A row's trial number."""
    return int(number(row, "trial"))


def is_baseline(row: Row) -> bool:
    """Whether the row is a named baseline; pandas may hold an absent name as NaN."""
    return isinstance(row.get("baseline"), str)


def mapping_of(row: Row, column: str) -> Mapping[str, object]:
    """A row's mapping, empty where it has none."""
    value = row.get(column)
    return value if isinstance(value, Mapping) else {}


def left_out_of(row: Row) -> tuple[str, ...]:
    """Why each test track that a trial's scores are without could not be used."""
    value = row.get("left_out")
    return tuple(str(reason) for reason in value) if isinstance(value, list | tuple) else ()


@lru_cache(maxsize=8)
def complete_rows(record: StudyRecord) -> tuple[Row, ...]:
    """The trials that came to their end."""
    return tuple(row for row in rows_of(record) if row["state"] == "complete")


def quality_of(record: StudyRecord) -> Measure:
    """The study's first objective that is a uSDR, or the uSDR over all groups."""
    named = [column for column in record.directions if column.startswith(USDR.column)]
    return measure_of(named[0] if named else USDR.column, record.directions)


def costs_of(record: StudyRecord) -> tuple[Measure, ...]:
    """What quality is drawn against: COSTS, a memory, then the study's other objectives."""
    known = record.trials
    memories = [name for name in MEMORIES if name in known and known[name].notna().any()]
    drawn = (*COSTS, *memories[:1])
    others = [
        column
        for column in record.directions
        if column not in drawn and not column.startswith(USDR.column)
    ]
    return tuple(measure_of(column, record.directions) for column in (*drawn, *others))


def floor_of(record: StudyRecord, quality: Measure) -> float | None:
    """The mixture's own uSDR as the estimate of every source, aggregated as the quality is."""
    scores = record.scores
    if quality.column.startswith(GROUP_COLUMN_PREFIX):
        scores = scores[scores["group"] == quality.column.removeprefix(GROUP_COLUMN_PREFIX)]
    once = scores.drop_duplicates(["group", "track", "source"]).dropna(subset=["input_usdr_db"])
    if once.empty:
        return None
    return float(once.groupby("source")["input_usdr_db"].mean().mean())


@lru_cache(maxsize=32)
def trade_of(record: StudyRecord, cost: Measure) -> Trade:
    """Quality against a cost over the complete trials, with the front of this pair."""
    quality = quality_of(record)
    complete = complete_rows(record)
    measured = [
        row
        for row in complete
        if isfinite(number(row, cost.column)) and isfinite(number(row, quality.column))
    ]
    measured.sort(key=lambda row: (number(row, cost.column), trial_number(row)))
    values = [(number(row, cost.column), number(row, quality.column)) for row in measured]
    front = non_dominated(values, (cost.direction, quality.direction))
    noise = noise_of(record, quality)
    trained = n_seeds(record, quality)
    reach = _reach(values, cost.direction, quality.direction)
    points = tuple(
        Point(
            trial=(trial := trial_number(row)),
            name=str(row["name"]),
            is_baseline=is_baseline(row),
            x=x,
            y=y,
            is_front=bool(on_front),
            half_width=noise.half_width_db(trained.get(trial, 1)) if noise else nan,
            is_tied=noise is not None and not on_front and abs(best - y) <= noise.tie_db,
        )
        for row, (x, y), on_front, best in zip(measured, values, front, reach, strict=True)
    )
    n_unmeasured = len(complete) - len(measured)
    return Trade(cost, quality, points, n_unmeasured, floor_of(record, quality), noise)


def fronts_by(record: StudyRecord, trade: Trade, column: str) -> dict[str, list[Point]]:
    """The front of each of the groups that a text column of the trials tells apart."""
    groups: dict[str, list[Point]] = {}
    whose = {trial_number(row): str(row[column]) for row in rows_of(record)}
    for point in trade.points:
        groups.setdefault(whose[point.trial], []).append(point)
    directions = (trade.x.direction, trade.y.direction)
    return {
        name: [
            point
            for point, is_on in zip(
                points, non_dominated([(p.x, p.y) for p in points], directions), strict=True
            )
            if is_on
        ]
        for name, points in groups.items()
    }


def _reach(
    values: Sequence[tuple[float, float]], cost: Direction, quality: Direction
) -> list[float]:
    """The best quality at each point's cost or a better one, in the order of the points."""
    sign = 1.0 if quality == "maximize" else -1.0
    dearest_last = sorted(
        range(len(values)), key=lambda i: values[i][0], reverse=cost == "maximize"
    )
    best, reach = -inf, [nan] * len(values)
    at_cost = {}
    for index in dearest_last:
        best = max(best, sign * values[index][1])
        at_cost[values[index][0]] = best
    for index, (x, _) in enumerate(values):
        reach[index] = sign * at_cost[x]
    return reach


def study_front(record: StudyRecord) -> frozenset[int]:
    """Numbers of the complete trials that are non-dominated in all of the study's objectives.

    A baseline beyond a constraint is a reference, not an answer, and not among them.
    """
    complete = [row for row in complete_rows(record) if not mapping_of(row, "violations")]
    values = [[number(row, column) for column in record.directions] for row in complete]
    if not record.directions:
        return frozenset()
    front = non_dominated(values, tuple(record.directions.values()))
    return frozenset(trial_number(row) for row, is_on in zip(complete, front, strict=True) if is_on)


@lru_cache(maxsize=4)
def curves_of(record: StudyRecord) -> tuple[Curve, ...]:
    """Every trial's finite losses by step; trials without one are left out."""
    finite = record.curves[record.curves["loss"].map(isfinite).astype(bool)]
    by_trial = dict(list(finite.sort_values("step").groupby("trial")))
    return tuple(
        Curve(
            trial_number(row),
            str(row["name"]),
            str(row["state"]),
            is_baseline(row),
            tuple(int(step) for step in by_trial[trial_number(row)]["step"]),
            tuple(float(loss) for loss in by_trial[trial_number(row)]["loss"]),
        )
        for row in rows_of(record)
        if trial_number(row) in by_trial
    )


def count_states(record: StudyRecord) -> tuple[StateCount, ...]:
    """The states that occur, in the order of STATES, with the reasons that trials gave."""
    counts = []
    for state in STATES:
        rows = [row for row in rows_of(record) if row["state"] == state]
        reasons = Counter(_reason(row) for row in rows if isinstance(row["failure"], str))
        if rows:
            counts.append(StateCount(state, len(rows), tuple(reasons.most_common())))
    return tuple(counts)


def _reason(row: Row) -> str:
    """Why a trial did not complete; where stopped ones stood at a rung is told in their rows."""
    step = number(row, "stopped_at")
    is_stopped = row["state"] == "stopped" and isfinite(step)
    return f"behind at step {step:.0f}" if is_stopped else str(row["failure"])


def source_means(record: StudyRecord) -> pd.DataFrame:
    """Mean uSDR over test tracks: one row a trial, one column a source, in order of appearance."""
    scores = record.scores.dropna(subset=["usdr_db"])
    if scores.empty:
        return pd.DataFrame()
    means = scores.groupby(["trial", "source"], sort=False)["usdr_db"].mean().unstack("source")
    return means.sort_index()
