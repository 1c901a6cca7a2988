"""A trial's uSDR by track and source, as texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import nan
from statistics import fmean

import pandas as pd

from msdemucs.report.measures import USDR
from msdemucs.study.records import StudyRecord


@dataclass(frozen=True)
class TrackScores:
    """One track's uSDR by source, as text, and the mixture's own as the estimate."""

    group: str
    track: str
    scores: tuple[str, ...]
    floors: tuple[str, ...]


@dataclass(frozen=True)
class ScoreTable:
    """A trial's uSDR by track and source.

    Attributes:
        sources: over the columns.
        tracks: one a row.
        step: of the rung at which a trial was stopped that has no other scores; None otherwise.
    """

    sources: tuple[str, ...]
    tracks: tuple[TrackScores, ...]
    step: int | None = None


def score_table(record: StudyRecord, trial: int) -> ScoreTable:
    """A trial's scores, tracks and sources in the order in which they were measured.

    Of several seeds the mean is shown; of a trial that was stopped, what it had at its last rung.
    """
    known = score_tables(record).get(trial) or stopped_tables(record).get(trial)
    return known or ScoreTable((), ())


@lru_cache(maxsize=4)
def score_tables(record: StudyRecord) -> Mapping[int, ScoreTable]:
    """Every scored trial's table."""
    return _tables(record.scores)


@lru_cache(maxsize=4)
def stopped_tables(record: StudyRecord) -> Mapping[int, ScoreTable]:
    """The table of every trial that was stopped, after as many steps as it says."""
    rows = record.rung_scores
    last = {
        int(str(trial)): int(step) for trial, step in rows.groupby("trial")["step"].max().items()
    }
    kept = rows[rows["step"] == rows["trial"].map(last)]
    return {trial: replace(own, step=last[trial]) for trial, own in _tables(kept).items()}


def _tables(scores: pd.DataFrame) -> Mapping[int, ScoreTable]:
    columns = ("trial", "group", "track", "source", "usdr_db", "input_usdr_db")
    trials: dict[int, dict[tuple[str, str], dict[str, list[tuple[float, float]]]]] = {}
    for row in scores[list(columns)].itertuples(index=False):
        trial, group, track, source, score, floor = row
        tracks = trials.setdefault(int(trial), {})
        by_source = tracks.setdefault((str(group), str(track)), {})
        by_source.setdefault(str(source), []).append((float(score), float(floor)))
    return {trial: _score_table(tracks) for trial, tracks in trials.items()}


def _score_table(
    tracks: Mapping[tuple[str, str], Mapping[str, Sequence[tuple[float, float]]]],
) -> ScoreTable:
    sources = tuple(dict.fromkeys(source for by_source in tracks.values() for source in by_source))
    lines = []
    for (group, track), by_source in tracks.items():
        means = [
            tuple(
                fmean(column) for column in zip(*by_source.get(source, ((nan, nan),)), strict=True)
            )
            for source in sources
        ]
        scores, floors = (
            [USDR.text(value) for value in column] for column in zip(*means, strict=True)
        )
        lines.append(TrackScores(group, track, tuple(scores), tuple(floors)))
    return ScoreTable(sources, tuple(lines))
