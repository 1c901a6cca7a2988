"""Which trials of a study are worth having: the best within limits, and the front.

Trainings that differ by their seed alone are one, with their mean: the best of single ones would be
the luckiest.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pandas as pd

from msdemucs.analysis.pareto import non_dominated
from msdemucs.analysis.pooling import pool
from msdemucs.analysis.trials import busy_times_text
from msdemucs.columns import TIMED
from msdemucs.errors import UsageError
from msdemucs.metrics import METRICS, USUAL, Quality
from msdemucs.study.records import StudyRecord, ranked_by


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
