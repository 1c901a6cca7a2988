"""Several trainings of one spec as one: the mean over seeds, and not the luckiest seed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from numbers import Real
from statistics import fmean

import pandas as pd

from msdemucs.analysis.trials import (
    Row,
    is_baseline,
    is_copy,
    rows_of,
    trial_number,
    without_busy_times,
)
from msdemucs.columns import COLUMNS
from msdemucs.study.records import STUDY_COLUMN, StudyRecord

NUMBERS = tuple(
    name
    for name, column in COLUMNS.items()
    if column.kind == "number" and column.known != "proposed"
)
"""Columns of which the mean over trainings is taken, beside qualities."""


@dataclass(frozen=True)
class Repeats:
    """The complete trials that differ by their seeds alone: of one study, spec and recipe.

    Attributes:
        trial: the number of the trial that stands for all: the baseline, or the first training.
        trials: all of them.
        trainings: those that the mean is over: a copied result is none, nor a seed's second.
    """

    trial: int
    trials: tuple[int, ...]
    trainings: tuple[int, ...]


def repeat_key(row: Mapping[str, object]) -> str:
    """Equal for trials that differ by their seeds alone: of one study, spec and recipe."""
    return f"{row.get(STUDY_COLUMN)} {row['spec_hash']} {row['recipe']}"


@dataclass(frozen=True, eq=False)
class Pool:
    """A study with its trainings of one spec as one.

    Attributes:
        record: one trial a spec, with the means of its trainings and the scores of all seeds.
        repeats: which complete trials each of its complete ones stands for.
    """

    record: StudyRecord
    repeats: tuple[Repeats, ...]

    @property
    def repeated(self) -> tuple[Repeats, ...]:
        """Those of several trials: an ablation's arms, specs that were drawn twice."""
        return tuple(arm for arm in self.repeats if len(arm.trials) > 1)


def pool(record: StudyRecord) -> Pool:
    """The record with one trial a spec.

    Its numbers are means over the spec's trainings, each as heavy as it has seeds, without times
    that were measured on a busy machine. A record without any of both is in the pool itself.
    """
    trials = without_busy_times(record.trials)
    record = record if trials is record.trials else replace(record, trials=trials)
    repeats = _repeats_of(record)
    several = tuple(arm for arm in repeats if len(arm.trials) > 1)
    return Pool(_pooled(record, several) if several else record, repeats)


def _repeats_of(record: StudyRecord) -> tuple[Repeats, ...]:
    """All complete trials, those of one spec together, by their first trial."""
    groups: dict[str, list[Row]] = {}
    for named in rows_of(record.trials[record.trials["state"] == "complete"]):
        is_known = isinstance(named["spec_hash"], str)
        key = repeat_key(named) if is_known else f"trial {named['trial']}"
        groups.setdefault(key, []).append(named)
    return tuple(_repeats(rows) for rows in groups.values())


def _repeats(rows: Sequence[Row]) -> Repeats:
    originals = [row for row in rows if not is_copy(row)]
    trainings: dict[object, Row] = {}
    for row in originals or rows:
        seed = row["seed"]
        is_seed = isinstance(seed, Real) and isfinite(seed)
        source = seed if is_seed else f"trial {row['trial']}"
        trainings.setdefault(source if originals else row["duplicate_of"], row)
    baselines = [row for row in rows if is_baseline(row)]
    first = [*baselines, *trainings.values()][0]
    return Repeats(
        trial_number(first),
        tuple(map(trial_number, rows)),
        tuple(map(trial_number, trainings.values())),
    )


def once(trials: pd.DataFrame) -> pd.DataFrame:
    """Trials with each training once: of a result and its copies the trial that trained it.

    Copies are no evidence of their own: with them an interval is as narrow as there are copies.
    """
    is_copy = trials["duplicate_of"].notna()
    first = trials[trials["state"] == "complete"].assign(is_copy=is_copy)
    keys: dict[str, object] = {}
    for row in rows_of(first.sort_values("is_copy", kind="stable")):
        is_known = isinstance(row["spec_hash"], str)
        key = f"{repeat_key(row)} {row['seed']}" if is_known else f"trial {row['trial']}"
        keys.setdefault(key, row["trial"])
    is_kept = trials["trial"].isin(list(keys.values()))
    return trials[is_kept | (trials["state"] != "complete")]


def _pooled(record: StudyRecord, arms: Sequence[Repeats]) -> StudyRecord:
    """The record with one trial an arm."""
    frame = record.trials
    rows = {int(str(row["trial"])): row for row in frame.astype(object).to_dict("records")}
    seeds = record.scores.groupby("trial")["seed"].nunique().to_dict()
    numbers = dict.fromkeys([*NUMBERS, *record.qualities, *record.directions])
    columns = [name for name in numbers if name in frame]
    for arm in arms:
        trainings = [rows[trial] for trial in arm.trainings]
        weights = [max(seeds.get(trial, 1), 1) for trial in arm.trainings]
        means = {name: _mean([row[name] for row in trainings], weights) for name in columns}
        rows[arm.trial] = rows[arm.trial] | means
        for trial in arm.trials:
            if trial != arm.trial:
                del rows[trial]
    trials = pd.DataFrame(list(rows.values()), columns=frame.columns, dtype=object)
    for name in columns:
        trials[name] = pd.to_numeric(trials[name])
    return replace(
        record,
        trials=trials,
        scores=_moved(record.scores, arms),
        rungs=_moved(record.rungs, arms),
    )


def _mean(values: Iterable[object], weights: Sequence[int]) -> float:
    """Of the numbers that are known; equal ones stay as they are."""
    known = [
        (float(value), weight)
        for value, weight in zip(values, weights, strict=True)
        if isinstance(value, Real) and isfinite(value)
    ]
    if not known:
        return float("nan")
    if len({value for value, _ in known}) == 1:
        return known[0][0]
    return fmean((value for value, _ in known), [weight for _, weight in known])


def _moved(frame: pd.DataFrame, arms: Sequence[Repeats]) -> pd.DataFrame:
    """Rows of trainings under their arm's number, those of copies left out.

    A training without a known seed is given a negative one of its own.
    """
    if frame.empty:
        return frame
    to = {trial: arm.trial for arm in arms for trial in arm.trainings}
    ranks = {trial: -1 - rank for arm in arms for rank, trial in enumerate(arm.trainings)}
    left_out = {trial for arm in arms for trial in arm.trials} - set(to)
    kept = frame[~frame["trial"].isin(list(left_out))]
    seeds = pd.to_numeric(kept["seed"]).fillna(kept["trial"].map(ranks))
    return kept.assign(trial=kept["trial"].map(lambda trial: to.get(trial, trial)), seed=seeds)
