"""Which trials are the best, which are on the front, and how large a volume the front dominates.

Trainings that differ by their seed alone are one, with their mean: the best of single ones would be
the luckiest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, log

import moocore
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from msdemucs.analysis.measure import Measure
from msdemucs.analysis.noise import Repeats, pool
from msdemucs.analysis.trials import (
    Row,
    busy_times_text,
    exceeded_constraints,
    is_baseline,
    number,
    trial_number,
)
from msdemucs.columns import TIMED
from msdemucs.errors import UsageError
from msdemucs.metrics import METRICS, USUAL, Quality
from msdemucs.study.records import Direction, StudyRecord, ranked_by


def non_dominated(values: ArrayLike, directions: Sequence[Direction]) -> NDArray[np.bool_]:
    """Whether each point is on the Pareto front.

    A point dominates another when it is at least as good in every column and better in one; equal
    points therefore tie, and are on the front together. A point with a NaN is never on the front
    and dominates nothing.

    Args:
        values: P points of D columns.
        directions: what is better, for each column.

    Returns:
        P truth values, in the order of the points.
    """
    points = np.asarray(values, dtype=float).reshape(-1, len(directions))
    is_front = ~np.isnan(points).any(axis=1)
    if is_front.any():
        is_max = [direction == "maximize" for direction in directions]
        is_front[is_front] = moocore.is_nondominated(
            points[is_front], maximise=is_max, keep_weakly=True
        )
    return np.asarray(is_front, dtype=np.bool_)


def complete(record: StudyRecord) -> pd.DataFrame:
    """The trials that have all objectives.

    Raises:
        UsageError: there is none.
    """
    trials = record.trials[record.trials.state == "complete"]
    trials = trials.dropna(subset=list(record.directions))
    if trials.empty:
        raise UsageError(
            f"study “{record.name}” has no complete trial yet"
            + _about_busy_times(record, record.directions)
        )
    return trials


def _about_busy_times(record: StudyRecord, columns: Iterable[str]) -> str:
    """What to add where trials lack one of the columns: that it may be for a busy machine."""
    text = "" if set(TIMED).isdisjoint(columns) else busy_times_text(record.trials)
    return f". {text}" if text else ""


def holding(record: StudyRecord) -> pd.DataFrame:
    """The complete trials that hold every constraint, those of one spec as one: their mean.

    A baseline that exceeds one was trained as a reference; it is no answer to what was asked, and
    Optuna's own `best_trials` leaves it out too.

    Raises:
        UsageError: there is none.
    """
    trials = complete(pool(record).record)
    within = trials[~exceeds_constraints(trials)]
    if within.empty:
        raise UsageError(f"study “{record.name}” has no complete trial within its constraints yet")
    return within


def ranked_column(record: StudyRecord) -> str:
    """The column by which trials are better: the first objective that is a quality.

    Where none is, of studies of another program for one, it is the first that is maximised.
    """
    names = [name for name in record.directions if name in record.qualities]
    names += [name for name, direction in record.directions.items() if direction == "maximize"]
    return next(iter([*names, *record.directions]))


def steering_quality(record: StudyRecord) -> Quality:
    """The first objective that is a quality; the usual one over everything where none is."""
    return record.qualities.get(ranked_by(record.directions)[0], Quality(METRICS[USUAL]))


def by_quality(record: StudyRecord, text: str) -> StudyRecord:
    """The record with one quality as its only objective, computed of its scores where need be.

    Raises:
        UsageError: an unknown metric, source or group; a metric that the study did not record.
    """
    scores = record.scores
    quality = Quality.parse(
        text, sources=scores["source"].unique(), groups=scores["group"].unique()
    )
    name = str(quality)
    trials = record.trials
    if name not in trials:
        metrics = [str(metric) for metric in scores["metric"].unique()]
        if quality.metric.name not in metrics:
            known = ", ".join(metrics) or "none"
            raise UsageError(
                f"study “{record.name}” did not record {quality.metric.name}; it recorded {known}: "
                "study rescore judges its weights by another metric"
            )
        values = {trial: quality.of(rows) for trial, rows in scores.groupby("trial")}
        trials = trials.assign(**{name: trials["trial"].map(values).astype(float)})
    return replace(record, trials=trials, directions={name: quality.direction})


def best_first(trials: pd.DataFrame, record: StudyRecord) -> pd.DataFrame:
    """Trials by `ranked_column`, the best first; as they were where it does not tell them apart."""
    name = ranked_column(record)
    is_less_better = record.directions[name] == "minimize"
    return trials.sort_values(name, ascending=is_less_better, kind="stable")


def best_trials(
    record: StudyRecord, *, limits: Mapping[str, float] | None = None, top: int = 1
) -> pd.DataFrame:
    """The complete trials with the best quality within limits, best first.

    Args:
        record: the study.
        limits: column of trials → its largest allowed value.
        top: how many at most.

    Raises:
        UsageError: no complete trial is within the limits; the nearest misses are named.
    """
    trials = holding(record)
    within = trials
    for name, largest in (limits or {}).items():
        if not (within[name] <= largest).any():
            least = trials[name].min()
            smallest = (
                f"the smallest of the study is {least:g}" if least == least else "none has one"
            )
            raise UsageError(
                f"no complete trial has {name} of at most {largest:g} within the limits; "
                f"{smallest}{_about_busy_times(record, [name])}"
            )
        within = within[within[name] <= largest]
    return best_first(within, record).head(top)


def front(record: StudyRecord) -> pd.DataFrame:
    """The complete trials that no other dominates, best quality first.

    A trial dominates another if it is as good in every objective and better in one. Trainings of
    one spec are one trial, with their mean.

    Raises:
        UsageError: no complete trial is within the constraints.
    """
    holding(record)
    return front_of(pool(record).record)


def front_of(record: StudyRecord) -> pd.DataFrame:
    """The same of a record whose trainings are pooled already; empty where nothing is complete."""
    trials = record.trials[record.trials["state"] == "complete"]
    if not record.directions or trials.empty:
        return trials.iloc[:0]
    trials = trials[~exceeds_constraints(trials)]
    values = trials.reindex(columns=list(record.directions))
    front = trials[non_dominated(values, list(record.directions.values()))]
    return front if front.empty else best_first(front, record)


def exceeds_constraints(trials: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each trial exceeds a constraint, as only a baseline can that was trained."""
    return trials["violations"].map(lambda own: isinstance(own, dict) and bool(own)).astype(bool)


LOG_FROM_RATIO = 3.0
"""A positive cost whose largest value is this many times its smallest counts by its logarithm."""

BEYOND = 0.1
"""How far the reference point lies beyond the worst, as a share of the span of all trials."""

FEWEST_TRIALS = 3
"""Trials with all the numbers below which a hypervolume says nothing."""


@dataclass(frozen=True)
class HypervolumeTrace:
    """The hypervolume of a search, or of its random control, after each of its trials.

    Attributes:
        name: whose it is.
        trials: how many of its trials had ended.
        steps: how many steps they had trained, together.
        volumes: the dominated share of the box from the best of each number to a little beyond
            the worst, the baselines included from the start.
    """

    name: str
    trials: tuple[int, ...]
    steps: tuple[float, ...]
    volumes: tuple[float, ...]


def hypervolume_traces(
    rows: Sequence[Row], places: Mapping[int, tuple[float, ...]], repeats: Sequence[Repeats]
) -> tuple[HypervolumeTrace, ...]:
    """The search's trace, and that of the random control arm where there is one.

    Args:
        rows: all trials, in the order in which they ended.
        places: as `box_places` gives them.
        repeats: which trials differ by their seeds alone.
    """
    if len(places) < FEWEST_TRIALS:
        return ()
    arms = {trial: arm.trial for arm in repeats for trial in arm.trials}
    ended = [row for row in rows if row["state"] not in ("waiting", "running")]
    sampled = [row for row in ended if not is_baseline(row)]
    control = [row for row in sampled if row.get("is_control") is True]
    searched = [row for row in sampled if row.get("is_control") is not True]
    start = [arms.get(trial_number(row)) for row in ended if is_baseline(row)]
    return tuple(
        _trace(name, members, start, arms, places)
        for name, members in (("search", searched), ("random control", control))
        if members
    )


def box_places(rows: Sequence[Row], measures: Sequence[Measure]) -> dict[int, tuple[float, ...]]:
    """Where each spec with all the numbers lies in the box, by the trial that stands for it.

    References beyond a constraint have no place.

    Args:
        rows: complete trials, one a spec, with the mean of its trainings.
        measures: the sides of the box.
    """
    values = {
        trial_number(row): [number(row, measure.column) for measure in measures]
        for row in rows
        if not exceeded_constraints(row)
    }
    known = {trial: numbers for trial, numbers in values.items() if all(map(isfinite, numbers))}
    columns = zip(*known.values(), strict=True)
    sides = [
        places_along(column, measure) for column, measure in zip(columns, measures, strict=False)
    ]
    return dict(zip(known, zip(*sides, strict=True), strict=True))


def places_along(values: Sequence[float], measure: Measure) -> list[float]:
    """1 at the best, 0 a little beyond the worst: there even the worst counts for something.

    A cost of very different values counts by its logarithm.
    """
    low, high = min(values), max(values)
    if measure.may_be_log and low > 0 and high / low >= LOG_FROM_RATIO:
        low, high, *values = map(log, (low, high, *values))
    best, worst = (low, high) if measure.direction == "minimize" else (high, low)
    worst += BEYOND * (worst - best)
    return [(value - worst) / (best - worst) if best != worst else 1.0 for value in values]


def _trace(
    name: str,
    rows: Sequence[Row],
    start: Sequence[int | None],
    arms: Mapping[int, int],
    places: Mapping[int, tuple[float, ...]],
) -> HypervolumeTrace:
    """A trace from the arms that are known at its start; others count from their last trial."""
    last = {arms[trial]: trial for row in rows if (trial := trial_number(row)) in arms}
    ended = {trial: arm for arm, trial in last.items()}
    front: list[tuple[float, ...]] = []
    reached = 0.0
    for arm in start:
        if arm is not None and _add(front, places.get(arm)):
            reached = hypervolume(front)
    steps, volumes, spent = [0.0], [reached], 0.0
    for row in rows:
        taken = number(row, "steps")
        spent += taken if isfinite(taken) else 0.0
        if _add(front, places.get(ended.get(trial_number(row), -1))):
            reached = hypervolume(front)
        steps.append(spent)
        volumes.append(reached)
    return HypervolumeTrace(name, tuple(range(len(rows) + 1)), tuple(steps), tuple(volumes))


def hypervolume(points: ArrayLike) -> float:
    """The volume between the origin and the front of points that are better the larger."""
    array = np.asarray(points, dtype=float)
    return float(moocore.hypervolume(array, ref=[0.0] * array.shape[1], maximise=True))


def _add(front: list[tuple[float, ...]], point: tuple[float, ...] | None) -> bool:
    """Whether a front takes a point in; what the point beats is dropped."""
    if point is None or point in front:
        return False
    points = [*front, point]
    is_on = non_dominated(points, ["maximize"] * len(point))
    front[:] = [other for other, is_kept in zip(points, is_on, strict=True) if is_kept]
    return bool(is_on[-1])
