"""Several trainings of one spec as one: the mean over seeds, and not the luckiest seed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite
from numbers import Real
from statistics import fmean

import pandas as pd

from msdemucs.columns import COLUMNS
from msdemucs.study.records import STUDY_COLUMN, StudyRecord

NUMBERS = tuple(
    name
    for name, column in COLUMNS.items()
    if column.kind == "number" and column.known != "proposed"
)
"""Columns of which the mean over trainings is taken, beside qualities."""

Row = Mapping[str, object]


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


@lru_cache(maxsize=8)
def repeats_of(record: StudyRecord) -> tuple[Repeats, ...]:
    """All complete trials, those of one spec together, by their first trial."""
    groups: dict[str, list[Row]] = {}
    for row in record.trials[record.trials["state"] == "complete"].to_dict("records"):
        named = {str(name): value for name, value in row.items()}
        is_known = isinstance(named["spec_hash"], str)
        key = repeat_key(named) if is_known else f"trial {named['trial']}"
        groups.setdefault(key, []).append(named)
    return tuple(_repeats(rows) for rows in groups.values())


def _repeats(rows: Sequence[Row]) -> Repeats:
    own = [row for row in rows if not isinstance(row.get("duplicate_of"), str)]
    trainings: dict[object, Row] = {}
    for row in own or rows:
        seed = row["seed"]
        is_seed = isinstance(seed, Real) and isfinite(seed)
        source = seed if is_seed else f"trial {row['trial']}"
        trainings.setdefault(source if own else row["duplicate_of"], row)
    baselines = [row for row in rows if isinstance(row["baseline"], str)]
    first = [*baselines, *trainings.values()][0]
    return Repeats(
        _number(first), tuple(map(_number, rows)), tuple(map(_number, trainings.values()))
    )


def _number(row: Row) -> int:
    return int(str(row["trial"]))


def once(trials: pd.DataFrame) -> pd.DataFrame:
    """Trials with each training once: of a result and its copies the trial that trained it.

    Copies are no evidence of their own: with them an interval is as narrow as there are copies.
    """
    is_copy = trials["duplicate_of"].notna()
    first = trials[trials["state"] == "complete"].assign(is_copy=is_copy)
    rows = first.sort_values("is_copy", kind="stable").to_dict("records")
    keys: dict[str, object] = {}
    for row in ({str(name): value for name, value in row.items()} for row in rows):
        is_known = isinstance(row["spec_hash"], str)
        key = f"{repeat_key(row)} {row['seed']}" if is_known else f"trial {row['trial']}"
        keys.setdefault(key, row["trial"])
    is_kept = trials["trial"].isin(list(keys.values()))
    return trials[is_kept | (trials["state"] != "complete")]


def repeated(record: StudyRecord) -> tuple[Repeats, ...]:
    """Those of several trials: an ablation's arms, specs that were drawn twice."""
    return tuple(arm for arm in repeats_of(record) if len(arm.trials) > 1)


@lru_cache(maxsize=8)
def pooled(record: StudyRecord) -> StudyRecord:
    """The record with one trial an arm, whose scores are those of all seeds.

    Its numbers are means over the arm's trainings, each as heavy as it has seeds. A record without
    repeats is returned itself.
    """
    arms = repeated(record)
    if not arms:
        return record
    frame = record.trials
    rows = {int(str(row["trial"])): row for row in frame.astype(object).to_dict("records")}
    seeds = record.scores.groupby("trial")["seed"].nunique().to_dict()
    numbers = dict.fromkeys([*NUMBERS, *record.qualities, *record.directions])
    columns = [name for name in numbers if name in frame]
    for arm in arms:
        own = [rows[trial] for trial in arm.trainings]
        weights = [max(seeds.get(trial, 1), 1) for trial in arm.trainings]
        means = {name: _mean([row[name] for row in own], weights) for name in columns}
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
