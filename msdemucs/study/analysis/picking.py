"""Which trials of a study are worth having: the best within limits, and the front.

Trainings that differ by their seed alone are one, with their mean: the best of single ones would be
the luckiest.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from msdemucs.errors import UsageError
from msdemucs.metrics import METRICS, Quality
from msdemucs.study.analysis.pareto import non_dominated
from msdemucs.study.analysis.pooling import pooled
from msdemucs.study.records import StudyRecord


def complete(record: StudyRecord) -> pd.DataFrame:
    """The trials that have all objectives.

    Raises:
        UsageError: there is none.
    """
    trials = record.trials[record.trials.state == "complete"]
    trials = trials.dropna(subset=list(record.directions))
    if trials.empty:
        raise UsageError(f"study “{record.name}” has no complete trial yet")
    return trials


def holding(record: StudyRecord) -> pd.DataFrame:
    """The complete trials that hold every constraint, those of one spec as one: their mean.

    A baseline that exceeds one was trained as a reference; it is no answer to what was asked, and
    Optuna's own `best_trials` leaves it out too.

    Raises:
        UsageError: there is none.
    """
    trials = complete(pooled(record))
    exceeding = [isinstance(found, dict) and bool(found) for found in trials.violations]
    if all(exceeding):
        raise UsageError(f"study “{record.name}” has no complete trial within its constraints yet")
    return trials[~np.asarray(exceeding)]


def quality_of(record: StudyRecord) -> str:
    """The column by which trials are better: the first quality, or what is maximised, if one is."""
    names = [name for name, direction in record.directions.items() if direction == "maximize"]
    named = [name for name in record.directions if name in record.qualities]
    return (named or names or list(record.directions))[0]


def steering(record: StudyRecord) -> Quality:
    """The first objective that is a quality; uSDR over everything where none is."""
    named = [record.qualities[name] for name in record.directions if name in record.qualities]
    return (named or [Quality(METRICS["usdr_db"])])[0]


def best_first(trials: pd.DataFrame, record: StudyRecord) -> pd.DataFrame:
    """Trials by `quality_of`, the best first; as they were where it does not tell them apart."""
    name = quality_of(record)
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
            raise UsageError(
                f"no complete trial has {name} of at most {largest:g} within the limits; "
                f"the smallest of the study is {least:g}"
            )
        within = within[within[name] <= largest]
    return best_first(within, record).head(top)


def front(record: StudyRecord) -> pd.DataFrame:
    """The complete trials that no other dominates, best quality first.

    A trial dominates another if it is as good in every objective and better in one.
    """
    trials = holding(record)
    values = trials[list(record.directions)]
    return best_first(trials[non_dominated(values, list(record.directions.values()))], record)
