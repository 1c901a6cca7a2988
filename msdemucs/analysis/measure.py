"""The numbers of a study: what each is called and which way is better, and means of its scores.

A Measure is a column of the trials as people read it; what follows it makes numbers of the long
frame of scores: by training, by source, by track.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from statistics import fmean

import pandas as pd

from msdemucs.analysis.trials import Row, number
from msdemucs.columns import COLUMNS, FORMATS
from msdemucs.metrics import METRICS, Quality
from msdemucs.study.records import Direction, StudyRecord
from msdemucs.units import MISSING, typeset, unsigned_zero

COSTS = ("macs_per_second", "parameters", "latency_ms_p50")
"""What quality is always drawn against; memory and further objectives of a study follow."""

MEMORIES = ("inference_bytes", "peak_memory_bytes")
"""The first of these that trials have is drawn too."""


@dataclass(frozen=True)
class Measure:
    """A numeric column of a record's trials as people read it.

    Attributes:
        column: its name in the record.
        label: its name on an axis, with the unit where ticks carry none.
        header: its name in a sentence or over a table column.
        unit: a key of FORMATS.
        direction: what is better.
        convention: how the number was made; "" when the label says it.
        quality: what it is made of; None for a cost.
    """

    column: str
    label: str
    header: str
    unit: str
    direction: Direction
    convention: str = ""
    quality: Quality | None = None

    @property
    def sign(self) -> float:
        """1 where more is better, -1 where less is."""
        return 1.0 if self.direction == "maximize" else -1.0

    @property
    def may_be_log(self) -> bool:
        """Whether values far apart are drawn by their logarithm: decibels are one already."""
        return self.quality is None

    @property
    def named(self) -> str:
        """Its name with its unit: "uSDR (dB)"."""
        return f"{self.header} ({self.unit})" if self.quality else self.label

    @property
    def silence(self) -> float | None:
        """What silence as every estimate scores; None where it depends, or is infinite."""
        value = self.quality.silence if self.quality else None
        return value if value is not None and isfinite(value) else None

    def is_better(self, value: float, than: float) -> bool:
        """Whether a value is better than another."""
        return self.sign * value > self.sign * than

    def text(self, value: float) -> str:
        """The value with its unit, or a dash for one that was not measured."""
        if value != value:
            return MISSING
        return typeset(unsigned_zero(FORMATS[self.unit](value)).replace("inf", "∞"))


def measure_of(column: str, record: StudyRecord | None = None) -> Measure:
    """The measure of a record's column; a column without a name of its own keeps it as label.

    Args:
        column: a numeric column of the record's trials.
        record: the study, which knows its sources and groups, its split, and what is better;
            without one, a quality is a metric over all of them.
    """
    if record is not None:
        quality = record.qualities.get(column)
    else:
        quality = Quality(METRICS[column]) if column in METRICS else None
    if quality is not None:
        measure = measure_of_quality(quality, record.split if record is not None else "")
    elif column in COLUMNS:
        known = COLUMNS[column]
        measure = Measure(
            column,
            known.label or column,
            known.heading or column,
            known.unit,
            known.direction or "minimize",
            f"{known.meaning}.",
        )
    else:
        measure = Measure(column, column, column, "", "minimize")
    directions = record.directions if record is not None else {}
    return replace(measure, column=column, direction=directions.get(column, measure.direction))


def measure_of_quality(quality: Quality, split: str = "") -> Measure:
    """A quality as people read it.

    Args:
        quality: the quality.
        split: of its tracks; "" to leave it unnamed.
    """
    known = Measure(
        str(quality), quality.label, quality.label, quality.unit, quality.direction, quality=quality
    )
    notes = [quality.convention]
    notes += [f"Of {split} tracks"] if split else []
    notes += [] if known.silence is None else [f"Silence scores {known.text(known.silence)}"]
    notes += ["Less is better"] if quality.direction == "minimize" else []
    tracks = f", {split} tracks" if split else ""
    label = f"{quality.label} ({quality.unit}){tracks}"
    return replace(known, label=label, convention=". ".join(notes) + ".")


def recorded_measures(record: StudyRecord, rows: Sequence[Row]) -> tuple[Measure, ...]:
    """The objectives, and all numbers that some trial has: qualities first, then costs.

    Args:
        record: the study.
        rows: its trials.
    """
    of_groups = {name for name, quality in record.qualities.items() if quality.group}
    redundant = of_groups if len(of_groups) == 1 else set()  # the only one says what the whole says
    others = sorted(name for name in record.qualities if name not in redundant)
    known = [name for name, column in COLUMNS.items() if column.direction is not None]
    objectives = [name for name in record.directions if name in record.qualities]
    named = [*objectives, *others, *known, *record.directions]
    return tuple(
        measure_of(column, record)
        for column in dict.fromkeys(named)
        if column in record.directions or any(isfinite(number(row, column)) for row in rows)
    )


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
