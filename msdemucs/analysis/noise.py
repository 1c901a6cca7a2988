"""Trainings of one spec with several seeds: as one, how they spread, how lucky the best is.

A score is a mean over the seeds of its spec, and not the luckiest of them; what seeds differ by is
chance, and tells which differences between specs may be nothing.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import isfinite, sqrt
from numbers import Real
from statistics import fmean

import numpy as np
import pandas as pd
from scipy.stats import t as students_t

from msdemucs.analysis.measure import by_training
from msdemucs.analysis.statistics import CONFIDENCE, Interval, sigma_interval
from msdemucs.analysis.trials import (
    Row,
    is_baseline,
    is_copy,
    rows_of,
    trial_number,
    without_busy_times,
)
from msdemucs.columns import COLUMNS
from msdemucs.metrics import Quality
from msdemucs.study.records import NOISE, STUDY_COLUMN, StudyRecord
from msdemucs.units import count

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
    groups: dict[str, list[Row]] = {}
    for row in rows_of(record.trials[record.trials["state"] == "complete"]):
        is_known = isinstance(row["spec_hash"], str)
        key = repeat_key(row) if is_known else f"trial {row['trial']}"
        groups.setdefault(key, []).append(row)
    repeats = tuple(_repeats(rows) for rows in groups.values())
    several = tuple(arm for arm in repeats if len(arm.trials) > 1)
    return Pool(_pooled(record, several) if several else record, repeats)


def _repeats(rows: Sequence[Row]) -> Repeats:
    """The complete trials of one spec."""
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


@dataclass(frozen=True)
class Noise:
    """The standard deviation of one training's quality over seeds.

    Attributes:
        sigma: with its 95 % interval, in the quality's unit.
        degrees: of freedom that it was estimated with.
        source: what it rests on, in words.
    """

    sigma: Interval
    degrees: int
    source: str

    @property
    def quantile(self) -> float:
        """Student's t for CONFIDENCE, two-sided."""
        return _quantile(self.degrees)

    def half_width(self, n_seeds: int) -> float:
        """Half the confidence interval of a mean over seeds."""
        return self.quantile * self.sigma.value / sqrt(max(n_seeds, 1))

    def tie_between(self, n_seeds: int, n_others: int) -> float:
        """Means over so many seeds that are closer than this may be equal."""
        squares = 1 / max(n_seeds, 1) + 1 / max(n_others, 1)
        return self.quantile * self.sigma.value * sqrt(squares)

    @property
    def tie(self) -> float:
        """Two single trainings closer than this may be equal."""
        return self.tie_between(1, 1)


@cache
def _quantile(degrees: int) -> float:
    return float(students_t.ppf(0.5 + CONFIDENCE / 2, degrees))


def noise_of(pool: Pool, quality: Quality) -> Noise | None:
    """The spread over seeds, pooled over all repeated specs; None where no spec was trained twice.

    Every training of a spec that was trained more than once counts once: the seeds of a trial, of
    trials that differ by their seed alone, and those of the base that `study noise` adds. With
    k(i) trainings of spec i, σ² = Σ (y - mean of its spec)² / Σ (k(i) - 1). A spec's trainings are
    compared over the tracks that all of them have, so that a track which one lacks is no noise.

    Args:
        pool: the study.
        quality: whose spread it is.
    """
    values = _repeated(pool, quality)
    groups = values.groupby("spec")["value"]
    values = values[groups.transform("size") > 1]
    degrees = len(values) - values["spec"].nunique()
    if degrees < 1:
        return None
    spread = values["value"] - values.groupby("spec")["value"].transform("mean")
    sigma = sigma_interval(sqrt(float((spread**2).sum()) / degrees), degrees)
    specs = count(values["spec"].nunique(), "spec")
    return Noise(sigma, degrees, f"{count(len(values), 'training')} of {specs}, pooled")


def _repeated(pool: Pool, quality: Quality) -> pd.DataFrame:
    """Columns spec (the trial that stands for it), seed, value: a row a training of a spec."""
    arms = {arm.trial for arm in pool.repeats}
    scores = pool.record.scores
    rows = quality.rows(scores[scores["split"] == pool.record.split]).dropna(subset=["value"])
    rows = rows[rows["trial"].isin(list(arms))]
    if not rows.empty:
        n = rows.groupby("trial")["seed"].transform("nunique")
        shared = rows.groupby(["trial", "group", "track", "source"])["seed"].transform("nunique")
        rows = rows[shared == n]
    trainings = by_training(rows, quality).rename(columns={"trial": "spec"})
    parts = [trainings[["spec", "seed", "value"]], _added_trainings(pool, quality)]
    values = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    values = values[np.isfinite(values["value"].astype(float))]
    # a base that `study noise` trained before the search may be trained by its baseline again
    is_again = values.duplicated(["spec", "seed"]) & (values["seed"] >= 0)
    return values[~is_again]


def _added_trainings(pool: Pool, quality: Quality) -> pd.DataFrame:
    """The trainings that `study noise` added, under the trial of their spec if there is one."""
    later = pool.record.later
    added = later[(later["kind"] == NOISE) & (later["convention"] == str(quality))]
    trials = {
        _spec_key(row, row): int(row["trial"])
        for row in pool.record.trials.to_dict("records")
        if row["state"] == "complete"
    }
    rows = added.to_dict("records")
    keys = [_spec_key(row, row["detail"]) for row in rows]
    specs = [trials.get(key, f"beside {key}") for key in keys]
    seeds, values = [int(row["seed"]) for row in rows], [float(row["value"]) for row in rows]
    return pd.DataFrame({"spec": specs, "seed": seeds, "value": values})


def _spec_key(row: Mapping[Hashable, object], trained: Mapping[Hashable, object]) -> str:
    """Equal for trainings of a study that differ by their seed, or the recipe's name, alone."""
    recipe = trained.get("recipe")
    settings = dict(recipe) if isinstance(recipe, Mapping) else {}
    settings.pop("name", None)
    whose = f"{row.get(STUDY_COLUMN)} {trained.get('spec_hash')}"
    return f"{whose} {sorted(settings.items(), key=str)}"


RESAMPLES = 4000

REACH = 8.0
"""Scores further from the best than this many standard deviations of their noise never win."""


def expected_fall(scores: Sequence[float], errors: Sequence[float]) -> float:
    """Return by how much the best score is expected to fall when it is measured anew.

    Scores y are truths t with noise: y(i) = t(i) + e(i), e(i) of standard deviation s(i). The best
    is chosen for its noise too, so that E[e(best)] > 0. That mean is taken over truths that are
    spread as the scores are, less what noise adds to their spread:

        t(i) = m + sqrt(max(0, V - mean s²) / V) · (y(i) - m),
        fall = E[e(argmax t + e)], e(i) normal with s(i),

    with the mean m and the variance V of the scores, by RESAMPLES draws. Of equal truths it is the
    mean of the maximum of n draws of the noise; where the best leads by far it is nothing.

    Args:
        scores: the larger, the better; infinite ones are left out.
        errors: standard deviation of each score's noise.
    """
    y, s = np.asarray(scores, dtype=float), np.asarray(errors, dtype=float)
    y, s = y[np.isfinite(y)], s[np.isfinite(y)]
    if len(y) < 2 or not s.any():
        return 0.0
    variance = float(y.var(ddof=1))
    share = max(0.0, variance - float((s**2).mean())) / variance if variance else 0.0
    truths = y.mean() + np.sqrt(share) * (y - y.mean())
    near = truths >= truths.max() - REACH * s.max()
    truths, s = truths[near], s[near]
    noise = np.random.default_rng(0).standard_normal((RESAMPLES, len(s))) * s
    return float(noise[np.arange(RESAMPLES), (truths + noise).argmax(axis=1)].mean())
