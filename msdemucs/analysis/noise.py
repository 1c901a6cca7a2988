"""How much of a score is chance: what trainings of one spec with several seeds differ by."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from math import sqrt

import numpy as np
import pandas as pd
from scipy.stats import t as students_t

from msdemucs.analysis.pooling import Pool
from msdemucs.analysis.statistics import CONFIDENCE, Interval, sigma_interval
from msdemucs.analysis.track_scores import by_training
from msdemucs.metrics import Quality
from msdemucs.study.records import NOISE, STUDY_COLUMN
from msdemucs.units import count


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
