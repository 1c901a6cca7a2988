"""The trials of a study as rows: what a row holds, how many are in which state, their losses."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from numbers import Real

import pandas as pd

from msdemucs.columns import MOST_BUSY, TIMED
from msdemucs.study.records import STATES
from msdemucs.units import count, percent

Row = Mapping[str, object]
"""A trial: TRIAL_COLUMNS, and its qualities, by name."""


@dataclass(frozen=True)
class StateCount:
    """How many trials are in a state, and why, the commonest reason first."""

    state: str
    n: int
    reasons: tuple[tuple[str, int], ...]


def rows_of(trials: pd.DataFrame) -> tuple[Row, ...]:
    """A frame's rows, each a mapping of its columns."""
    return tuple(
        {str(column): value for column, value in row.items()} for row in trials.to_dict("records")
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


def is_complete(row: Row) -> bool:
    """Whether the trial came to its end."""
    return row["state"] == "complete"


def is_baseline(row: Row) -> bool:
    """Whether the row is a named baseline; pandas may hold an absent name as NaN."""
    return isinstance(row.get("baseline"), str)


def is_copy(row: Row) -> bool:
    """Whether the trial took another's result, and trained nothing."""
    return isinstance(row.get("duplicate_of"), str)


def is_busy_time(row: Row, column: str) -> bool:
    """Whether a row's number is a time that was measured while others kept the cores busy."""
    return column in TIMED and number(row, "latency_busy") > MOST_BUSY


def without_busy_times(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials, those times unknown that were measured while others kept the cores busy.

    They tell more of the machine's load than of the spec.
    """
    if "latency_busy" not in trials:
        return trials
    is_busy = pd.to_numeric(trials["latency_busy"]) > MOST_BUSY
    if not is_busy.any():
        return trials
    times = [column for column in TIMED if column in trials]
    return trials.assign(**{column: trials[column].mask(is_busy, nan) for column in times})


def busy_times_text(trials: pd.DataFrame) -> str:
    """How many latencies of complete trials count for nothing, and why; "" where all count."""
    rows = [row for row in rows_of(trials) if is_complete(row)]
    n_busy = sum(is_busy_time(row, TIMED[0]) for row in rows)
    if not n_busy:
        return ""
    return (
        f"The latency of {n_busy} of {count(len(rows), 'complete trial')} was measured while "
        f"others kept more than {percent(MOST_BUSY)} of the cores busy: it counts on no front and "
        "in no hypervolume."
    )


def mapping_of(row: Row, column: str) -> Mapping[str, object]:
    """A row's mapping, empty where it has none."""
    value = row.get(column)
    return value if isinstance(value, Mapping) else {}


def exceeded_constraints(row: Row) -> tuple[str, ...]:
    """The constraints that a trial exceeds, as only a baseline can that was trained."""
    return tuple(mapping_of(row, "violations"))


def left_out_of(row: Row) -> tuple[str, ...]:
    """Why each track that a trial's scores are without could not be used."""
    value = row.get("left_out")
    return tuple(str(reason) for reason in value) if isinstance(value, list | tuple) else ()


def count_states(rows: Sequence[Row]) -> tuple[StateCount, ...]:
    """The states that occur, in the order of STATES, with the reasons that trials gave."""
    counts = []
    for state in STATES:
        in_state = [row for row in rows if row["state"] == state]
        reasons = Counter(_reason(row) for row in in_state if isinstance(row["failure"], str))
        if in_state:
            counts.append(StateCount(state, len(in_state), tuple(reasons.most_common())))
    return tuple(counts)


def _reason(row: Row) -> str:
    """Why a trial did not complete; where stopped ones stood at a rung is told in their rows."""
    step = number(row, "stopped_at")
    is_stopped = row["state"] == "stopped" and isfinite(step)
    return f"behind at step {step:.0f}" if is_stopped else str(row["failure"])


@dataclass(frozen=True)
class Curve:
    """The training loss of one trial."""

    trial: int
    name: str
    state: str
    is_baseline: bool
    steps: tuple[int, ...]
    losses: tuple[float, ...]


def learning_curves(curves: pd.DataFrame, rows: Sequence[Row]) -> tuple[Curve, ...]:
    """Every trial's finite losses by step; trials without one are left out.

    Args:
        curves: CURVE_COLUMNS.
        rows: the trials, in the order of the result.
    """
    finite = curves[curves["loss"].map(isfinite).astype(bool)]
    by_trial = dict(list(finite.sort_values("step").groupby("trial")))
    return tuple(
        Curve(
            trial,
            str(row["name"]),
            str(row["state"]),
            is_baseline(row),
            tuple(int(step) for step in by_trial[trial]["step"]),
            tuple(float(loss) for loss in by_trial[trial]["loss"]),
        )
        for row in rows
        if (trial := trial_number(row)) in by_trial
    )
