"""Training losses by step."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import pandas as pd

from msdemucs.analysis.trials import Row, is_baseline, trial_number


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
