"""Scores by training, by source and by track: means of a study's long frame of scores."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import nan
from statistics import fmean

import pandas as pd

from msdemucs.metrics import Quality


@dataclass(frozen=True)
class TrackScores:
    """One track's scores by source, and the mixture's own as the estimate; NaN for none."""

    group: str
    track: str
    scores: tuple[float, ...]
    floors: tuple[float, ...]


@dataclass(frozen=True)
class ScoreTable:
    """A trial's scores by track and source.

    Attributes:
        sources: over the columns.
        tracks: one a row.
        step: of the rung at which a trial was stopped that has no other scores; None otherwise.
    """

    sources: tuple[str, ...]
    tracks: tuple[TrackScores, ...]
    step: int | None = None


def by_training(scores: pd.DataFrame, quality: Quality) -> pd.DataFrame:
    """The quality of each training: columns trial, seed, value.

    Args:
        scores: of one split; SCORE_COLUMNS, or more.
        quality: what to make of them.
    """
    keys = ["trial", "seed"]
    rows = quality.rows(scores)
    seeds = pd.to_numeric(rows["seed"]).fillna(-1).astype(int)
    rows = rows.assign(trial=rows["trial"].astype(int), seed=seeds)
    codes = rows.groupby(keys).ngroup()
    values = quality.by_seed(rows.assign(seed=codes))
    known = rows[keys].assign(code=codes).drop_duplicates()
    known = known[known["code"].isin(list(values))].sort_values("code")
    return known.assign(value=known["code"].map(values).astype(float))[[*keys, "value"]]


def mean_by_trial(scores: pd.DataFrame, quality: Quality) -> Mapping[int, float]:
    """A quality of each trial, the mean over its seeds; one without any score is left out.

    Args:
        scores: of one split.
        quality: what to make of them.
    """
    means = by_training(scores, quality).groupby("trial")["value"].mean()
    return {int(str(trial)): float(value) for trial, value in means.items()}


def source_means(scores: pd.DataFrame, overall: Quality) -> pd.DataFrame:
    """A metric of each source alone: one row a trial, one column a source.

    Args:
        scores: of one split.
        overall: the metric over all sources.
    """
    sources = dict.fromkeys(str(name) for name in overall.rows(scores)["source"])
    return pd.DataFrame(
        {name: mean_by_trial(scores, replace(overall, source=name)) for name in sources},
        dtype=float,
    ).sort_index()


def score_tables(
    scores: pd.DataFrame, floors: pd.DataFrame, overall: Quality
) -> dict[int, ScoreTable]:
    """Every trial's scores by track and source, of several seeds the mean.

    Tracks and sources are in the order in which they were measured.

    Args:
        scores: of one split.
        floors: the mixture's own, of that split.
        overall: the metric over all sources.
    """
    keys = ["group", "track", "source"]
    of_mixture = {
        (str(group), str(track), str(source)): float(value)
        for group, track, source, value in overall.rows(floors)[[*keys, "value"]].itertuples(
            index=False
        )
    }
    trials: dict[int, dict[tuple[str, str], dict[str, list[float]]]] = {}
    rows = overall.rows(scores)[["trial", *keys, "value"]]
    for trial, group, track, source, value in rows.itertuples(index=False):
        tracks = trials.setdefault(int(trial), {})
        by_source = tracks.setdefault((str(group), str(track)), {})
        by_source.setdefault(str(source), []).append(float(value))
    return {trial: _score_table(tracks, of_mixture) for trial, tracks in trials.items()}


def stopped_score_tables(
    rung_scores: pd.DataFrame, floors: pd.DataFrame, overall: Quality
) -> dict[int, ScoreTable]:
    """The table of every trial that was stopped, at the last rung that it came to.

    Args:
        rung_scores: RUNG_SCORE_COLUMNS, of one split.
        floors: the mixture's own, of that split.
        overall: the metric over all sources.
    """
    last = {
        int(str(trial)): int(step)
        for trial, step in rung_scores.groupby("trial")["step"].max().items()
    }
    kept = rung_scores[rung_scores["step"] == rung_scores["trial"].map(last)]
    tables = score_tables(kept, floors, overall)
    return {trial: replace(table, step=last[trial]) for trial, table in tables.items()}


def _score_table(
    tracks: Mapping[tuple[str, str], Mapping[str, list[float]]],
    of_mixture: Mapping[tuple[str, str, str], float],
) -> ScoreTable:
    sources = tuple(dict.fromkeys(source for by_source in tracks.values() for source in by_source))
    lines = tuple(
        TrackScores(
            group,
            track,
            tuple(fmean(by_source.get(source, (nan,))) for source in sources),
            tuple(of_mixture.get((group, track, source), nan) for source in sources),
        )
        for (group, track), by_source in tracks.items()
    )
    return ScoreTable(sources, lines)
