"""What was found after the trials had ended: by longer training, and on the test tracks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import fmean
from typing import Any

import pandas as pd

from msdemucs.analysis.measure import Measure
from msdemucs.analysis.trials import Row, mapping_of, number, rows_of, trial_number
from msdemucs.study.records import JUDGE, PROMOTION, SCORE_COLUMNS, Split

TEST: Split = "test"


@dataclass(frozen=True)
class JudgedTrial:
    """A trial that was scored on test tracks.

    Attributes:
        trial: its number.
        name: its name.
        validation: its quality on the tracks that the study selected by; NaN where it is unknown,
            and of weights that a promotion trained for longer.
        test: the same on test tracks, of all looks the mean.
        n_looks: how often it was scored there.
        recipe: of the promotion whose weights were scored; "" for the study's own.
    """

    trial: int
    name: str
    validation: float
    test: float
    n_looks: int
    recipe: str = ""


def judged_trials(
    looks: pd.DataFrame, rows: Sequence[Row], measure: Measure
) -> tuple[JudgedTrial, ...]:
    """The trials, and their promotions, judged by a quality: best on test tracks first.

    Args:
        looks: LATER_COLUMNS, of scores on test tracks.
        rows: the study's trials.
        measure: the quality.
    """
    values: dict[tuple[int, str], list[float]] = {}
    for look in rows_of(looks[looks["kind"] == JUDGE]):
        value = value_of_later(look, measure, TEST)
        if isfinite(value):
            recipe = str(mapping_of(look, "detail").get("promoted", ""))
            values.setdefault((trial_number(look), recipe), []).append(value)
    trials = {trial_number(row): row for row in rows}
    judged = [
        JudgedTrial(
            trial,
            f"{trials[trial]['name']}, promoted by {recipe}"
            if recipe
            else str(trials[trial]["name"]),
            nan if recipe else number(trials[trial], measure.column),
            fmean(of_trial),
            len(of_trial),
            recipe,
        )
        for (trial, recipe), of_trial in values.items()
        if trial in trials
    ]
    return tuple(sorted(judged, key=lambda trial: -measure.sign * trial.test))


def kept_scores(detail: Mapping[str, Any]) -> pd.DataFrame:
    """Return the scores by track and source that a later row kept; empty where it kept none.

    Args:
        detail: of the row, as in LATER_COLUMNS.
    """
    table = detail.get("scores", {"rows": [], "columns": SCORE_COLUMNS[1:]})
    scores = pd.DataFrame(table["rows"], columns=list(table["columns"]))
    return scores.assign(value=pd.to_numeric(scores["value"]))


def value_of_later(row: Row, measure: Measure, split: Split) -> float:
    """A later row's quality: of its scores where it kept them, else its own value if it is of that.

    Args:
        row: of LATER_COLUMNS.
        measure: the quality.
        split: of the tracks that count.
    """
    scores = kept_scores(mapping_of(row, "detail"))
    if measure.quality is not None and len(scores):
        return measure.quality.of(scores[scores["split"] == split] if "split" in scores else scores)
    return float(str(row["value"])) if row["convention"] == measure.column else nan


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
