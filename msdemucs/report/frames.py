"""What a report shows, computed from a record as plain values that a test can compare.

Nothing here draws; `figures` paints, `page.py` fills the templates.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isfinite, nan
from numbers import Real

import pandas as pd

from msdemucs.analysis.noise import by_training
from msdemucs.metrics import METRICS, USUAL, Quality
from msdemucs.report.measures import Measure, measure_of
from msdemucs.study.records import STATES, StudyRecord
from msdemucs.units import count

COSTS = ("macs_per_second", "parameters", "latency_ms_p50")
"""What quality is always drawn against; memory and further objectives of a study follow."""

MEMORIES = ("inference_bytes", "peak_memory_bytes")
"""The first of these that trials have is drawn too."""

Row = Mapping[str, object]


@dataclass(frozen=True)
class Curve:
    """The training loss of one trial."""

    trial: int
    name: str
    state: str
    is_baseline: bool
    steps: tuple[int, ...]
    losses: tuple[float, ...]


@dataclass(frozen=True)
class StateCount:
    """How many trials are in a state, and why, the commonest reason first."""

    state: str
    n: int
    reasons: tuple[tuple[str, int], ...]


@lru_cache(maxsize=8)
def rows_of(record: StudyRecord) -> tuple[Row, ...]:
    """The record's trials, each as a mapping of its columns."""
    return tuple(
        {str(column): value for column, value in row.items()}
        for row in record.trials.to_dict("records")
    )


def number(row: Row, column: str) -> float:
    """A row's finite number, or NaN for one that is absent, infinite or not a number."""
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        return nan
    return float(value)


def trial_number(row: Row) -> int:
    """A row's trial number."""
    return int(number(row, "trial"))


def is_baseline(row: Row) -> bool:
    """Whether the row is a named baseline; pandas may hold an absent name as NaN."""
    return isinstance(row.get("baseline"), str)


def mapping_of(row: Row, column: str) -> Mapping[str, object]:
    """A row's mapping, empty where it has none."""
    value = row.get(column)
    return value if isinstance(value, Mapping) else {}


def left_out_of(row: Row) -> tuple[str, ...]:
    """Why each track that a trial's scores are without could not be used."""
    value = row.get("left_out")
    return tuple(str(reason) for reason in value) if isinstance(value, list | tuple) else ()


@lru_cache(maxsize=8)
def complete_rows(record: StudyRecord) -> tuple[Row, ...]:
    """The trials that came to their end."""
    return tuple(row for row in rows_of(record) if row["state"] == "complete")


def qualities_of(record: StudyRecord) -> tuple[Measure, ...]:
    """The study's objectives that are qualities; uSDR over everything where none is."""
    named = [column for column in record.directions if column in record.qualities]
    return tuple(measure_of(column, record) for column in named or [USUAL])


def quality_of(record: StudyRecord) -> Measure:
    """The first of the study's qualities."""
    return qualities_of(record)[0]


def metric_of(record: StudyRecord) -> Quality:
    """The first quality over all its sources: what the tables by source are of."""
    quality = quality_of(record).quality or Quality(METRICS[USUAL])
    return replace(quality, source="")


def scores_of(record: StudyRecord) -> pd.DataFrame:
    """The scores that the study selected by: those of its own split."""
    return record.scores[record.scores["split"] == record.split]


def tracks_text(record: StudyRecord, n: int) -> str:
    """So many of the tracks that the study selected by: "3 validation tracks"."""
    return count(n, f"{record.split} track")


def costs_of(record: StudyRecord) -> tuple[Measure, ...]:
    """What quality is drawn against: COSTS, a memory, then the study's other objectives."""
    known = record.trials
    memories = [name for name in MEMORIES if name in known and known[name].notna().any()]
    drawn = (*COSTS, *memories[:1])
    others = [
        column
        for column in record.directions
        if column not in drawn and column not in record.qualities
    ]
    return tuple(measure_of(column, record) for column in (*drawn, *others))


@lru_cache(maxsize=4)
def curves_of(record: StudyRecord) -> tuple[Curve, ...]:
    """Every trial's finite losses by step; trials without one are left out."""
    finite = record.curves[record.curves["loss"].map(isfinite).astype(bool)]
    by_trial = dict(list(finite.sort_values("step").groupby("trial")))
    return tuple(
        Curve(
            trial_number(row),
            str(row["name"]),
            str(row["state"]),
            is_baseline(row),
            tuple(int(step) for step in by_trial[trial_number(row)]["step"]),
            tuple(float(loss) for loss in by_trial[trial_number(row)]["loss"]),
        )
        for row in rows_of(record)
        if trial_number(row) in by_trial
    )


def count_states(record: StudyRecord) -> tuple[StateCount, ...]:
    """The states that occur, in the order of STATES, with the reasons that trials gave."""
    counts = []
    for state in STATES:
        rows = [row for row in rows_of(record) if row["state"] == state]
        reasons = Counter(_reason(row) for row in rows if isinstance(row["failure"], str))
        if rows:
            counts.append(StateCount(state, len(rows), tuple(reasons.most_common())))
    return tuple(counts)


def _reason(row: Row) -> str:
    """Why a trial did not complete; where stopped ones stood at a rung is told in their rows."""
    step = number(row, "stopped_at")
    is_stopped = row["state"] == "stopped" and isfinite(step)
    return f"behind at step {step:.0f}" if is_stopped else str(row["failure"])


def source_means(record: StudyRecord) -> pd.DataFrame:
    """The first quality's metric of each source alone: one row a trial, one column a source."""
    overall, scores = metric_of(record), scores_of(record)
    sources = dict.fromkeys(str(name) for name in overall.rows(scores)["source"])
    return pd.DataFrame(
        {name: means_of(scores, replace(overall, source=name)) for name in sources}, dtype=float
    ).sort_index()


def means_of(scores: pd.DataFrame, quality: Quality) -> Mapping[int, float]:
    """A quality of each trial, the mean over its seeds; one without any score is left out.

    Args:
        scores: of one split.
        quality: what to make of them.
    """
    means = by_training(scores, quality).groupby("trial")["value"].mean()
    return {int(str(trial)): float(value) for trial, value in means.items()}
