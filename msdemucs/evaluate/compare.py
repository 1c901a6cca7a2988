"""Which of two evaluations is better, track by track, and could it be chance?"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from msdemucs.errors import UsageError
from msdemucs.evaluate.evaluation import Evaluation, scores_in
from msdemucs.metrics import METRICS, metrics_named
from msdemucs.metrics.quality import signed_rank_p

RESAMPLES = 10_000

KEYS = ["group", "track", "source"]
HARMLESS = ("normalised", "engine", "metrics")
"""Parts of a convention that may differ: the first belongs to the weights, engines agree, and
metrics that only one evaluation has are left out."""

OF_FRAMES = ("chunk", "window")
"""Parts that matter only to metrics with such frames."""


@dataclass(frozen=True)
class Comparison:
    """The second evaluation less the first.

    Attributes:
        differences: a row a track and source: both scores and their difference, by metric.
        summary: a row a metric and source (and "all", the mean over sources of every track): the
            mean difference, its 95 % bootstrap interval over tracks, on how many tracks the second
            is better, and the p of Wilcoxon's signed-rank test, NaN for too few tracks.
    """

    differences: pd.DataFrame
    summary: pd.DataFrame


def compare(first: Evaluation, second: Evaluation, *, seed: int = 0) -> Comparison:
    """Pair the tracks that both have.

    Args:
        first: the one to beat.
        second: of the same tracks, under the same convention.
        seed: of the bootstrap.

    Raises:
        UsageError: unlike conventions or tracks.
    """
    _check_alike(first, second)
    metrics = [name for name in scores_in(first.tracks) if name in second.tracks]
    both = first.tracks[[*KEYS, *metrics]].merge(
        second.tracks[[*KEYS, *metrics]], on=KEYS, suffixes=(".first", ".second")
    )
    rng = np.random.default_rng(seed)
    rows = []
    for metric in metrics:
        both[f"{metric}.difference"] = both[f"{metric}.second"] - both[f"{metric}.first"]
        named = both[[*KEYS, f"{metric}.difference"]].rename(
            columns={f"{metric}.difference": "difference"}
        )
        groups = {str(source): own for source, own in named.groupby("source", sort=False)}
        if len(groups) > 1:
            means = named.groupby(["group", "track"], sort=False).difference.mean()
            groups["all"] = means.to_frame()
        rows += [_row(metric, source, own.difference, rng) for source, own in groups.items()]
    return Comparison(both, pd.DataFrame(rows))


def _row(
    metric: str, source: str, differences: "pd.Series[float]", rng: np.random.Generator
) -> dict[str, object]:
    values = differences.replace([np.inf, -np.inf], np.nan).dropna().to_numpy(dtype=float)
    count = len(values)
    low = high = float("nan")
    if count > 1:
        drawn = rng.choice(values, size=(RESAMPLES, count)).mean(1)
        low, high = (float(one) for one in np.percentile(drawn, (2.5, 97.5)))
    p = signed_rank_p(values)
    return {
        "metric": metric,
        "source": source,
        "tracks": count,
        "mean_difference_db": float(values.mean()) if count else float("nan"),
        "low_db": low,
        "high_db": high,
        "better": int(
            (values > 0 if METRICS[metric].direction == "maximize" else values < 0).sum()
        ),
        "wilcoxon_p": p,
    }


def _metrics_of(convention: Mapping[str, Any]) -> set[str]:
    """The metrics of a saved convention, whose names older versions cut short."""
    return {metric for name in convention["metrics"] for metric in metrics_named(name)}


def _check_alike(first: Evaluation, second: Evaluation) -> None:
    """Raise UsageError for evaluations that may not be compared.

    Raises:
        UsageError: they may not be.
    """
    conventions = [one.about["convention"] for one in (first, second)]
    shared = set.intersection(*(_metrics_of(convention) for convention in conventions))
    if not shared:
        raise UsageError("the evaluations have no metric in common")
    unlike = [
        f"{name}: {json.dumps(conventions[0].get(name))} and {json.dumps(conventions[1].get(name))}"
        for name in dict.fromkeys((*conventions[0], *conventions[1]))
        if name not in HARMLESS
        and (name not in OF_FRAMES or any(METRICS[metric].frames == name for metric in shared))
        and conventions[0].get(name) != conventions[1].get(name)
    ]
    if unlike:
        raise UsageError("the scores were made under unlike conventions: " + "; ".join(unlike))
    keys = [set(map(tuple, one.tracks[KEYS].to_numpy())) for one in (first, second)]
    missing = sorted(keys[0] ^ keys[1])
    if missing:
        group, track, source = missing[0]
        raise UsageError(
            f"{len(missing)} pairs of track and source are in one evaluation alone, as “{source}” "
            f"of “{track}” ({group})"
        )
