"""What an ablation found: every factor's effect on quality with its interval, p-value and cost.

from msdemucs.study import load_study
from msdemucs.analysis.effects import effects
effects(load_study("ablate-fusion")).table  # a pandas frame, one row an effect
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t

from msdemucs.analysis.contrasts import Contrast, contrasts
from msdemucs.analysis.fronts import steering_quality
from msdemucs.analysis.noise import Noise, noise_of, pool
from msdemucs.analysis.statistics import (
    Interval,
    cube_of,
    fewest_tracks,
    hierarchical_interval,
    holm,
)
from msdemucs.analysis.trials import Row, number, rows_of, without_busy_times
from msdemucs.errors import StudyError, UsageError
from msdemucs.metrics import Direction, Quality
from msdemucs.metrics.quality import FEWEST_FOR_WILCOXON, signed_rank_p
from msdemucs.study.ablation.designs import (
    Design,
)
from msdemucs.study.records import StudyRecord

FEWEST_SEEDS = 3
FEWEST_TRACKS = FEWEST_FOR_WILCOXON
LEVEL = 0.05

MOST_COST_CHANGE = 0.05
"""Arms whose MACs differ by more are not of equal cost."""

RULE = (
    f"the rule: at least {FEWEST_SEEDS} seeds and {FEWEST_TRACKS} tracks, an interval without 0, "
    f"a Holm-adjusted p below {LEVEL}, and more than the noise between seeds gives "
    "(Student's t, for all effects at once)"
)

INTERACTION = "interaction"
"""The kind of effects of two factors together."""

VERDICTS = ("better", "worse", "not told apart", "too few", "incomplete")

EFFECT_COLUMNS = (
    "kind",  # str: as in contrasts.Contrast
    "factor",  # str
    "alternative",  # str
    "against",  # str: the base's level
    "effect_db",  # float, dB: of the study's first quality
    "low_db",  # float, dB: of the 95 % bootstrap interval over seeds and tracks
    "high_db",  # float, dB
    "wilcoxon_p",  # float: signed-rank over tracks, each the mean over its seeds and sources
    "holm_p",  # float: adjusted for all effects of the same kind
    "noise_db",  # float, dB: standard error that the seeds' noise alone gives such a difference
    "least_db",  # float, dB: what that noise alone exceeds, in any effect of its kind, once in 20
    "macs_per_second_change",  # float: of MACs per second of audio, 0.1 for 10 % more
    "parameters_change",  # float
    "latency_change",  # float: of the median latency
    "n_seeds",  # int
    "n_tracks",  # int
    "verdict",  # str: one of VERDICTS
    "confused_with",  # list[str]: effects that it cannot be told from, signed: "−b × c"
    "by_source",  # dict: source → dB
)
"""Columns of `Effects.table`, one row an effect."""

COSTS = {
    "macs_per_second_change": "macs_per_second",
    "parameters_change": "parameters",
    "latency_change": "latency_ms_p50",
}


@dataclass(frozen=True)
class Effects:
    """An ablation's answer.

    Attributes:
        table: EFFECT_COLUMNS.
        noise: the spread of one training's score over seeds; None where each arm has one.
        notes: what a reader must know before believing a row.
        quality: on which the effects are.
    """

    table: pd.DataFrame
    noise: Noise | None
    notes: tuple[str, ...]
    quality: Quality

    @property
    def ranked(self) -> tuple["Effect", ...]:
        """All effects, the largest first; those without a size last."""
        rows = [_effect(row) for row in rows_of(self.table)]
        return tuple(sorted(rows, key=lambda e: -abs(e.size) if math.isfinite(e.size) else 1.0))


@dataclass(frozen=True)
class Effect:
    """One row of `Effects.table`.

    Attributes:
        kind: as in `contrasts.Contrast`.
        factor: the factor, or both of an interaction.
        alternative: its level, or both.
        against: the base's.
        size: of the study's first quality, in its unit; NaN where an arm is missing.
        low: of the 95 % interval; NaN without one.
        high: likewise.
        p: Holm-adjusted; NaN with too few tracks.
        macs_change: relative change of MACs per second; NaN for interactions.
        verdict: one of VERDICTS.
        n_seeds: seeds that all its arms share.
        n_tracks: tracks that all its arms share.
        confused_with: effects that the design cannot tell from it.
    """

    kind: str
    factor: str
    alternative: str
    against: str
    size: float
    low: float
    high: float
    p: float
    macs_change: float
    verdict: str
    n_seeds: int
    n_tracks: int
    confused_with: tuple[str, ...]

    @property
    def is_interaction(self) -> bool:
        """Whether it is of two factors together."""
        return self.kind == INTERACTION

    @property
    def is_claimed(self) -> bool:
        """Whether the effect may be claimed."""
        return self.verdict in ("better", "worse")


def effects(record: StudyRecord, *, seed: int = 0) -> Effects:
    """The effects that an ablation's design can tell, over the arms that are complete.

    Args:
        record: of an ablation, finished or not.
        seed: of the bootstrap.

    Raises:
        UsageError: the study is no ablation, or none of its arms is complete.
        StudyError: its record lacks the design or the factors' levels.
    """
    return effects_against(noise_of(pool(record), steering_quality(record)), record, seed=seed)


def effects_against(noise: Noise | None, record: StudyRecord, *, seed: int = 0) -> Effects:
    """The same as `effects`, where the noise of the study's first quality is known already.

    Args:
        noise: the spread of one training's score over seeds.
        record: of an ablation, finished or not.
        seed: of the bootstrap.

    Raises:
        UsageError: the study is no ablation, or none of its arms is complete.
        StudyError: its record lacks the design or the factors' levels.
    """
    about = record.attrs.get("ablation")
    if not isinstance(about, Mapping):
        raise UsageError(f"study “{record.name}” is no ablation: its file has no mode: ablation")
    lacking = [key for key in ("design", "levels") if key not in about]
    if lacking:
        raise StudyError(
            f"study “{record.name}” records no {' and no '.join(lacking)} of its ablation, without "
            "which its arms have no contrasts: its search space was recorded incompletely"
        )
    trials = record.trials[(record.trials.state == "complete") & record.trials.arm.map(bool)]
    if trials.empty:
        raise UsageError(f"no arm of study “{record.name}” is complete yet")
    trials = trials.drop_duplicates(["name", "seed"])
    quality = steering_quality(record)
    scores = _arm_scores(record, trials, quality)
    generators = tuple(about["design"].get("generators", ()))
    design = Design.model_validate({**about["design"], "generators": generators})
    of_design = contrasts(design, about["levels"])
    costs = without_busy_times(trials).groupby("name", sort=False)[list(COSTS.values())].mean()
    rng = np.random.default_rng(seed)
    rows = [_row(contrast, scores, costs, noise, rng) for contrast in of_design]
    table = pd.DataFrame(rows, columns=list(EFFECT_COLUMNS))
    for _, own in table.groupby("kind"):
        table.loc[own.index, "holm_p"] = holm(own.wilcoxon_p.tolist())
        times = _quantile(noise, len(own)) if noise else math.nan
        table.loc[own.index, "least_db"] = times * own.noise_db.astype(float)
    table["verdict"] = [_verdict(row, quality.direction) for _, row in table.iterrows()]
    missing = {name for contrast in of_design for name in contrast.weights} - set(scores)
    return Effects(table, noise, tuple(_notes(table, sorted(missing))), quality)


def _arm_scores(
    record: StudyRecord, trials: pd.DataFrame, quality: Quality
) -> dict[str, "pd.Series[float]"]:
    """Arm → its scores by seed, track and source: those of which a quality is made."""
    scores = record.scores[record.scores["split"] == record.split]
    rows = quality.rows(scores).merge(trials[["trial", "name"]], on="trial")
    rows["clip"] = rows.group + "/" + rows.track
    indexed = rows.set_index(["seed", "clip", "source"])
    return {str(name): of_arm["value"] for name, of_arm in indexed.groupby("name", sort=False)}


def _effect(row: Row) -> Effect:
    confused = row["confused_with"]
    return Effect(
        kind=str(row["kind"]),
        factor=str(row["factor"]),
        alternative=str(row["alternative"]),
        against=str(row["against"]),
        size=number(row, "effect_db"),
        low=number(row, "low_db"),
        high=number(row, "high_db"),
        p=number(row, "holm_p"),
        macs_change=number(row, "macs_per_second_change"),
        verdict=str(row["verdict"]),
        n_seeds=int(number(row, "n_seeds")),
        n_tracks=int(number(row, "n_tracks")),
        confused_with=tuple(map(str, confused)) if isinstance(confused, list | tuple) else (),
    )


def _row(
    contrast: Contrast,
    scores: Mapping[str, "pd.Series[float]"],
    costs: pd.DataFrame,
    noise: Noise | None,
    rng: np.random.Generator,
) -> dict[str, object]:
    """One effect, without what depends on the others."""
    cube = cube_of(scores, contrast.weights)
    row: dict[str, object] = {
        "kind": contrast.kind,
        "factor": contrast.factor,
        "alternative": contrast.alternative,
        "against": contrast.against,
        "confused_with": list(contrast.confused_with),
        "n_seeds": cube.n_seeds,
        "n_tracks": cube.n_tracks,
        "by_source": {},
    }
    if not cube.differences.size:
        return row
    interval = hierarchical_interval(cube.differences, rng=rng)
    by_source = np.nanmean(cube.differences, axis=(0, 1))
    squares = sum(weight**2 for weight in contrast.weights.values())
    row |= {
        "effect_db": interval.value,
        "low_db": interval.low,
        "high_db": interval.high,
        "wilcoxon_p": signed_rank_p(np.nanmean(cube.differences, axis=(0, 2))),
        "noise_db": noise.sigma.value * math.sqrt(squares / cube.n_seeds) if noise else math.nan,
        "by_source": dict(zip(cube.sources, map(float, by_source), strict=True)),
    }
    if contrast.kind != INTERACTION:
        row |= {change: _change(contrast, costs[column]) for change, column in COSTS.items()}
    return row


def _change(contrast: Contrast, cost: "pd.Series[float]") -> float:
    """The relative change of a cost, geometric means over the arms."""
    logs = [weight * math.log(cost[name]) for name, weight in contrast.weights.items()]
    return math.expm1(sum(logs))


def _quantile(noise: Noise, n_effects: int) -> float:
    """Student's t that the largest of so many effects without substance exceeds once in 20."""
    return float(t.ppf(1 - LEVEL / 2 / n_effects, noise.degrees))


def _verdict(row: "pd.Series[float]", direction: Direction) -> str:
    """What may be claimed of an effect."""
    if math.isnan(row.effect_db):
        return "incomplete"
    if row.n_seeds < FEWEST_SEEDS or row.n_tracks < FEWEST_TRACKS:
        return "too few"
    interval = Interval(row.effect_db, row.low_db, row.high_db)
    is_beyond_noise = abs(row.effect_db) > row.least_db
    if row.holm_p < LEVEL and interval.excludes_zero and is_beyond_noise:
        is_more = row.effect_db > 0
        return "better" if is_more == (direction == "maximize") else "worse"
    return "not told apart"


def _notes(table: pd.DataFrame, missing: list[str]) -> list[str]:
    """What a reader must know before believing a row."""
    notes = []
    known = table[table.verdict != "incomplete"]
    n_seeds, n_tracks = (
        int(known[name].min()) if len(known) else 0 for name in ("n_seeds", "n_tracks")
    )
    if n_seeds < FEWEST_SEEDS or n_tracks < FEWEST_TRACKS:
        found = f"{n_seeds} shared seed{'s' * (n_seeds != 1)}, {n_tracks} tracks"
        notes.append(f"{found}: too few to claim anything; {RULE}")
    largest = int(table.groupby("kind").size().max())
    needed = fewest_tracks(largest, LEVEL)
    if FEWEST_TRACKS <= n_tracks < needed:
        notes.append(
            f"with {n_tracks} tracks no p of {largest} effects can fall below {LEVEL} once "
            f"adjusted; {needed} tracks could"
        )
    if n_seeds == 1:
        notes.append("one seed: the intervals know nothing of what another would give")
    if missing:
        notes.append(f"not complete, and left out: {'; '.join(missing)}")
    changes = table.macs_per_second_change.astype(float).abs()
    if changes.max() > MOST_COST_CHANGE:
        notes.append(
            f"arms differ in MACs by up to {changes.max():.0%}: an effect may be one of size; "
            "at_cost, with a small unused, solves the widths for equal cost"
        )
    if table.confused_with.map(bool).any():
        notes.append("the fraction confuses some effects with others: see confused_with")
    return notes
