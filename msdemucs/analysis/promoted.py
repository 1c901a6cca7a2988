"""What became of trials that were trained for longer than the study had trained them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean

import pandas as pd

from msdemucs.analysis.judged import value_of_later
from msdemucs.analysis.measure import Measure
from msdemucs.analysis.trials import Row, mapping_of, number, rows_of, trial_number
from msdemucs.study.records import PROMOTION, Split


@dataclass(frozen=True)
class PromotedTrial:
    """A trial that was trained for longer.

    Attributes:
        trial: its number.
        name: its name.
        short: its quality as the study trained it.
        long: its quality after the longest of its promotions.
        steps: of that promotion.
        recipe: its name; "" where it has none.
    """

    trial: int
    name: str
    short: float
    long: float
    steps: int
    recipe: str

    def change(self, measure: Measure) -> float:
        """How much better it became, below 0 where it became worse."""
        return measure.sign * (self.long - self.short)


def promoted_trials(
    later: pd.DataFrame, rows: Sequence[Row], measure: Measure, split: Split
) -> tuple[PromotedTrial, ...]:
    """The trials that were trained for longest, the best after it first.

    Scores after fewer steps than the longest promotion's do not compare with these and are left
    out.

    Args:
        later: LATER_COLUMNS.
        rows: the study's trials.
        measure: the quality.
        split: of the tracks by which the study selected.
    """
    trials = {trial_number(row): row for row in rows}
    values: dict[tuple[int, int, str], list[float]] = {}
    for row in rows_of(later[later["kind"] == PROMOTION]) if len(later) else ():
        value, detail = value_of_later(row, measure, split), mapping_of(row, "detail")
        if isfinite(value) and trial_number(row) in trials:
            recipe = str(mapping_of(detail, "recipe").get("name") or "")
            steps = number(detail, "steps")
            key = (trial_number(row), int(steps) if isfinite(steps) else 0, recipe)
            values.setdefault(key, []).append(value)
    longest = max((steps for _, steps, _ in values), default=0)
    promoted = [
        PromotedTrial(
            trial,
            str(trials[trial]["name"]),
            number(trials[trial], measure.column),
            fmean(of_trial),
            steps,
            recipe,
        )
        for (trial, steps, recipe), of_trial in values.items()
        if steps == longest
    ]
    return tuple(sorted(promoted, key=lambda trial: -measure.sign * trial.long))
