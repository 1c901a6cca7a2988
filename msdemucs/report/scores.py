"""A trial's scores by track and source, as texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import nan
from statistics import fmean

import pandas as pd

from msdemucs.metrics import Quality
from msdemucs.report.frames import metric_of
from msdemucs.report.measures import Measure, measure_of_quality
from msdemucs.study.records import StudyRecord


@dataclass(frozen=True)
class TrackScores:
    """One track's scores by source, as text, and the mixture's own as the estimate."""

    group: str
    track: str
    scores: tuple[str, ...]
    floors: tuple[str, ...]


@dataclass(frozen=True)
class ScoreTable:
    """A trial's scores by track and source.

    Attributes:
        label: whose scores, with the split of the tracks.
        sources: over the columns.
        tracks: one a row.
        step: of the rung at which a trial was stopped that has no other scores; None otherwise.
    """

    label: str
    sources: tuple[str, ...]
    tracks: tuple[TrackScores, ...]
    step: int | None = None


def score_table(record: StudyRecord, trial: int) -> ScoreTable:
    """A trial's scores, tracks and sources in the order in which they were measured.

    Of several seeds the mean is shown; of a trial that was stopped, what it had at its last rung.
    """
    known = score_tables(record).get(trial) or stopped_tables(record).get(trial)
    return known or ScoreTable("", (), ())


@lru_cache(maxsize=4)
def score_tables(record: StudyRecord) -> Mapping[int, ScoreTable]:
    """Every scored trial's table."""
    return _tables(record, record.scores)


@lru_cache(maxsize=4)
def stopped_tables(record: StudyRecord) -> Mapping[int, ScoreTable]:
    """The table of every trial that was stopped, after as many steps as it says."""
    rows = record.rung_scores
    last = {
        int(str(trial)): int(step) for trial, step in rows.groupby("trial")["step"].max().items()
    }
    kept = rows[rows["step"] == rows["trial"].map(last)]
    return {trial: replace(own, step=last[trial]) for trial, own in _tables(record, kept).items()}


def _tables(record: StudyRecord, scores: pd.DataFrame) -> Mapping[int, ScoreTable]:
    """Tables of the first quality's metric, on the tracks that the study selected by."""
    overall = metric_of(record)
    measure = measure_of_quality(Quality(overall.metric), record.split)
    own, floors = (
        overall.rows(frame[frame["split"] == record.split]) for frame in (scores, record.floors)
    )
    keys = ["group", "track", "source"]
    of_mixture = {
        (str(group), str(track), str(source)): float(value)
        for group, track, source, value in floors[[*keys, "value"]].itertuples(index=False)
    }
    trials: dict[int, dict[tuple[str, str], dict[str, list[float]]]] = {}
    for trial, group, track, source, value in own[["trial", *keys, "value"]].itertuples(
        index=False
    ):
        tracks = trials.setdefault(int(trial), {})
        by_source = tracks.setdefault((str(group), str(track)), {})
        by_source.setdefault(str(source), []).append(float(value))
    return {trial: _score_table(measure, tracks, of_mixture) for trial, tracks in trials.items()}


def _score_table(
    measure: Measure,
    tracks: Mapping[tuple[str, str], Mapping[str, Sequence[float]]],
    of_mixture: Mapping[tuple[str, str, str], float],
) -> ScoreTable:
    sources = tuple(dict.fromkeys(source for by_source in tracks.values() for source in by_source))
    lines = []
    for (group, track), by_source in tracks.items():
        scores = [measure.text(fmean(by_source.get(source, (nan,)))) for source in sources]
        floors = [measure.text(of_mixture.get((group, track, s), nan)) for s in sources]
        lines.append(TrackScores(group, track, tuple(scores), tuple(floors)))
    return ScoreTable(measure.label, sources, tuple(lines))
