"""How far short runs can be trusted: the ranking at each rung against that at the last step.

Only trials that came to the last step have both ranks. Where a study stops trials at rungs, those
are the ones that ranked high already, and agreement among them is harder than among all; the
control arm, which is never stopped, and studies without stopping have no such selection.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from msdemucs.analysis.fronts import complete, hypervolume, ranked_column
from msdemucs.analysis.noise import once
from msdemucs.analysis.statistics import Array
from msdemucs.errors import UsageError
from msdemucs.study.records import StudyRecord, better, ranked_by

RESAMPLES = 2000

FEWEST_TRIALS = 5
"""Trials below which no ranking is compared."""

FEWEST_IN_A_BAND = 4

TRUSTED = 0.5
"""τ within cost bands below which a rung orders hardly more than chance does."""

FIDELITY_COLUMNS = (
    "step",  # int: of the rung
    "share",  # float: of the last step
    "n_trials",  # int: that have a score both here and at the last step
    "tau",  # float: Kendall's τ-b, over all pairs; large models tend to win at any step
    "tau_low",  # float: of its 95 % bootstrap interval over trials
    "tau_high",  # float
    "tau_in_bands",  # float: over pairs of trials of like cost alone
    "tau_in_bands_low",  # float
    "tau_in_bands_high",  # float
    "overlap",  # float: share of the best few at the last step that are the best few here
    "top",  # int: how many are the best few
)
"""Columns of `Fidelity.table`, one row a rung before the last."""


@dataclass(frozen=True)
class Fidelity:
    """What each rung of a study tells of its last step.

    Attributes:
        table: FIDELITY_COLUMNS.
        bands: trials in each cost band, cheapest first.
        recommended: the first rung whose τ within bands is certainly above TRUSTED; None for none.
        notes: what a reader must know.
    """

    table: pd.DataFrame
    bands: tuple[int, ...]
    recommended: int | None
    notes: tuple[str, ...]


def fidelity(record: StudyRecord, *, top: int | None = None, seed: int = 0) -> Fidelity:
    """How well each rung ranks trials, by their scores at the last.

    Args:
        record: a study with rungs.
        top: how many are the best few; a fifth of the trials when not given.
        seed: of the bootstrap.

    Raises:
        UsageError: no rungs, or too few trials that came to the last.
    """
    trials = once(record.trials)
    scores = _scores(record).reindex(trials.trial).dropna(how="all")
    steps = [int(step) for step in scores.columns]
    last = steps[-1]
    finished = scores.dropna(subset=[last])
    if len(finished) < FEWEST_TRIALS:
        raise UsageError(
            f"{len(finished)} trainings of study “{record.name}” came to step {last}, "
            "copies of results left out; "
            f"a ranking needs {FEWEST_TRIALS}"
        )
    costs = record.trials.set_index("trial").macs_per_second
    bands = _bands(costs.reindex(finished.index).to_numpy(dtype=float))
    rng = np.random.default_rng(seed)
    few = top or max(1, len(finished) // 5)
    rows = [_row(finished, step, bands, few, rng) for step in steps[:-1]]
    table = pd.DataFrame(rows, columns=list(FIDELITY_COLUMNS))
    trusted = table[table.tau_in_bands_low > TRUSTED].step
    sizes = tuple(int(size) for size in np.bincount(bands))
    recommended = int(trusted.iloc[0]) if len(trusted) else None
    n_stopped = int((record.trials.state == "stopped").sum())
    return Fidelity(table, sizes, recommended, tuple(_notes(table, recommended, n_stopped)))


def _scores(record: StudyRecord) -> pd.DataFrame:
    """A row a trial, a column a step: means over seeds of the study's first quality.

    Raises:
        UsageError: there are no rungs.
    """
    quality = ranked_by(record.directions)[0]
    sign = 1 if better(quality) == "maximize" else -1
    rungs = record.rungs[record.rungs["quality"] == quality]
    rungs = rungs.assign(value=sign * pd.to_numeric(rungs["value"]))  # the more, the better
    scores = rungs.pivot_table(index="trial", columns="step", values="value")
    if len(scores.columns) < 2:
        raise UsageError(
            f"study “{record.name}” has no rungs before its last step: run one with "
            "fidelity: {rungs: [100, 200]}"
        )
    return scores[sorted(scores.columns)]


def _row(
    scores: pd.DataFrame, step: int, bands: NDArray[np.int64], top: int, rng: np.random.Generator
) -> Mapping[str, object]:
    """One rung against the last."""
    last = int(scores.columns[-1])
    has_both = scores[step].notna().to_numpy()
    both = scores[has_both]
    here, there = (both[column].to_numpy(dtype=float) for column in (step, last))
    own = bands[has_both]
    counts = rng.multinomial(len(both), [1 / len(both)] * len(both), RESAMPLES).astype(float)
    once = np.ones((1, len(both)))
    alike = own[:, None] == own
    best_here, best_there = (set(both[column].nlargest(top).index) for column in (step, last))
    low, high = _ends(taus(here, there, counts))
    low_in_bands, high_in_bands = _ends(taus(here, there, counts, alike))
    return {
        "step": step,
        "share": step / last,
        "n_trials": len(both),
        "tau": taus(here, there, once)[0],
        "tau_low": low,
        "tau_high": high,
        "tau_in_bands": taus(here, there, once, alike)[0],
        "tau_in_bands_low": low_in_bands,
        "tau_in_bands_high": high_in_bands,
        "overlap": len(best_here & best_there) / top,
        "top": top,
    }


def taus(first: Array, second: Array, counts: Array, pairs: Array | None = None) -> Array:
    """Kendall's τ-b of several resamples; NaN where one side has no order.

    Args:
        first: values, [N].
        second: the others, [N].
        counts: how often each is in each resample, [resamples, N]; copies tie with one another.
        pairs: which pairs count, [N, N]; all when not given.

    Returns:
        [resamples].
    """
    a, b = (np.sign(values[:, None] - values) for values in (first, second))
    if pairs is not None:
        a, b = a * pairs, b * pairs
    agree, of_a, of_b = (((counts @ m) * counts).sum(1) for m in (a * b, a * a, b * b))
    scale = np.sqrt(of_a * of_b)
    found = np.full(len(counts), np.nan)
    np.divide(agree, scale, out=found, where=scale > 0)
    return found


def _bands(costs: Array) -> NDArray[np.int64]:
    """Each trial's cost band, 0 the cheapest: bands of as many trials, at most four of them."""
    n_bands = max(1, min(4, len(costs) // FEWEST_IN_A_BAND))
    ranks = np.argsort(np.argsort(costs, kind="stable"))
    return ranks * n_bands // len(costs)


def _ends(values: Array) -> tuple[float, float]:
    """The ends of a 95 % percentile interval."""
    known = values[~np.isnan(values)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)


def _notes(table: pd.DataFrame, recommended: int | None, n_stopped: int) -> list[str]:
    notes = []
    if recommended is None:
        notes.append(
            f"no rung can be trusted: nowhere is τ within cost bands certainly above {TRUSTED}"
        )
    for _, row in table[table.tau_in_bands < TRUSTED].iterrows():
        notes.append(
            f"step {row.step:.0f} is too short: τ within cost bands is {row.tau_in_bands:.2f}"
        )
    if n_stopped:
        notes.append(f"{n_stopped} stopped trials have no last score and are not ranked")
    return notes


@dataclass(frozen=True)
class Control:
    """The trials that were drawn at random against those of the search.

    Attributes:
        n_control: complete trials of the control arm, copies of results left out.
        n_search: complete trials of the search, likewise, without baselines.
        best: best quality of (control, search), dB.
        quartiles: of the best of as many trials of the search, drawn again and again.
        hypervolume: of (control, search), quality against log cost, as a share of what all of both
            reach; NaN with another number of objectives than quality and one cost.
        hypervolume_quartiles: of as many trials of the search.
    """

    n_control: int
    n_search: int
    best: tuple[float, float]
    quartiles: tuple[float, float, float]
    hypervolume: tuple[float, float]
    hypervolume_quartiles: tuple[float, float, float]


def control(record: StudyRecord, *, seed: int = 0) -> Control | None:
    """What the search gained over random draws; None without complete trials of either.

    Fewer trials find less: the search is therefore also judged by as many of its trials as the
    control arm has, drawn again and again.

    Args:
        record: the study.
        seed: of the draws.
    """
    if not (record.trials.state == "complete").any():
        return None
    trials = complete(record)
    drawn = once(trials[trials.is_control])
    searched = once(trials[~trials.is_control & trials.baseline.isna()])
    if drawn.empty or searched.empty:
        return None
    quality = ranked_column(record)
    rng = np.random.default_rng(seed)
    size = min(len(drawn), len(searched))
    samples = [rng.choice(len(searched), size, replace=False) for _ in range(RESAMPLES)]
    best = np.max if record.directions[quality] == "maximize" else np.min
    values = searched[quality].to_numpy(dtype=float)
    costs = [
        name
        for name, how in record.directions.items()
        if how == "minimize" and name not in record.qualities
    ]
    volumes, middle = (math.nan, math.nan), (math.nan, math.nan, math.nan)
    if len(costs) == 1 and len(record.directions) == 2:
        sign = 1 if record.directions[quality] == "maximize" else -1
        points = _points(sign * trials[quality], trials[costs[0]])
        of = [points[trials.trial.isin(arm.trial)] for arm in (drawn, searched)]
        whole = hypervolume(np.concatenate(of))
        volumes = (hypervolume(of[0]) / whole, hypervolume(of[1]) / whole)
        middle = _quartiles([hypervolume(of[1][sample]) / whole for sample in samples])
    return Control(
        len(drawn),
        len(searched),
        (float(best(drawn[quality])), float(best(values))),
        _quartiles([float(best(values[sample])) for sample in samples]),
        volumes,
        middle,
    )


def _points(quality: "pd.Series[float]", cost: "pd.Series[float]") -> Array:
    """Quality and negative log cost, each from 0 for the worst to 1 for the best, with a margin."""
    points = np.stack([quality, -np.log(cost.astype(float))], axis=1)
    low, high = points.min(0), points.max(0)
    span = np.where(high > low, high - low, 1.0)
    return np.asarray((points - low) / span + 0.1)


def _quartiles(values: list[float]) -> tuple[float, float, float]:
    low, middle, high = np.percentile(values, (25, 50, 75))
    return float(low), float(middle), float(high)
