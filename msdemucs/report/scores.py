"""A trial's uSDR by track and source, as texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import nan
from statistics import fmean

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
    """A trial's uSDR by track and source."""

    sources: tuple[str, ...]
    tracks: tuple[TrackScores, ...]


def score_table(record: StudyRecord, trial: int) -> ScoreTable:
    """A trial's scores, tracks and sources in the order in which they were measured.

    Of several seeds the mean is shown.
    """
    return score_tables(record).get(trial, ScoreTable((), ()))


@lru_cache(maxsize=4)
def score_tables(record: StudyRecord) -> Mapping[int, ScoreTable]:
    """Every scored trial's table."""
    columns = ("trial", "group", "track", "source", "usdr_db", "input_usdr_db")
    trials: dict[int, dict[tuple[str, str], dict[str, list[tuple[float, float]]]]] = {}
    for row in record.scores[list(columns)].itertuples(index=False):
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
