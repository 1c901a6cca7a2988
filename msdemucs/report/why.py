"""Why some trials are better: which choices matter, and what each alternative gave."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean
from typing import TYPE_CHECKING

from msdemucs.report.frames import (
    Row,
    complete_rows,
    costs_of,
    mapping_of,
    number,
    qualities_of,
    quality_of,
)
from msdemucs.report.frames import trial_number as number_of
from msdemucs.report.measures import Measure
from msdemucs.report.tables import plain
from msdemucs.study.records import StudyRecord

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FEWEST_TRIALS = 10
"""Sampled trials below which importances are noise."""

MOST_VALUES = 8
"""Distinct numbers of one choice that have a place each; of more, numbers lie on a scale."""

MOST_DIGITS = 8
"""Signs of a number that a person may have written; drawn ones have more."""

QUANTILE = 0.25
"""What PED-ANOVA calls good: the best quarter. Its own default of a tenth needs more trials."""


@dataclass(frozen=True)
class Importance:
    """How much each choice matters for one number.

    Attributes:
        measure: the number.
        shares: choice → share of the whole, the largest first; they sum to 1.
        n: how many trials that rests on.
    """

    measure: Measure
    shares: Mapping[str, float]
    n: int


@dataclass(frozen=True)
class Marginal:
    """A number of the trials by the value of one choice.

    Attributes:
        field: the choice.
        measure: the number.
        values: the distinct values as text, numbers ascending, others by their mean, best last.
        places: for each trial, which of the values it has.
        numbers: for each trial, the number.
        trials: the trials.
        is_scale: the values are too many numbers for a place each.
    """

    field: str
    measure: Measure
    values: tuple[str, ...]
    places: tuple[int, ...]
    numbers: tuple[float, ...]
    trials: tuple[int, ...]
    is_scale: bool = False

    def of(self, place: int) -> list[float]:
        """The numbers of the trials with one value."""
        return [v for v, at in zip(self.numbers, self.places, strict=True) if at == place]


def sampled(record: StudyRecord, column: str) -> list[Row]:
    """The complete trials that a sampler or a baseline gave choices for, with a finite number."""
    return [
        row
        for row in complete_rows(record)
        if mapping_of(row, "params") and isfinite(number(row, column))
    ]


def importances_of(record: StudyRecord) -> tuple[Importance, ...]:
    """PED-ANOVA importances of every choice for the quality and for each cost.

    Source: Watanabe et al. 2023 (arXiv:2304.10255), as Optuna computes it, over the trials that
    made all choices.
    """
    measures = (*qualities_of(record), *costs_of(record))
    found = (_importance(sampled(record, measure.column), measure) for measure in measures)
    return tuple(one for one in found if one is not None)


def _importance(rows: Sequence[Row], measure: Measure) -> Importance | None:
    names = _shared(rows)
    if len(rows) < FEWEST_TRIALS or not names:
        return None
    import optuna  # slow to load, and needed here alone

    values = {name: [mapping_of(row, "params")[name] for row in rows] for name in names}
    spaces = {name: _space(own) for name, own in values.items()}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # not a word about this helper's study
    study = optuna.create_study()
    optuna.logging.set_verbosity(verbosity)
    for index, row in enumerate(rows):
        params = {name: _value(values[name][index], spaces[name]) for name in names}
        trial = optuna.trial.create_trial(
            params=params,
            distributions=spaces,
            value=-measure.sign * number(row, measure.column),
        )
        study.add_trial(trial)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=QUANTILE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an experimental class
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return Importance(measure, {name: float(share) for name, share in shares.items()}, len(rows))


def _shared(rows: Sequence[Row]) -> list[str]:
    """The choices that all trials made, of which some differ."""
    counts: dict[str, set[str]] = {}
    made: dict[str, int] = {}
    for row in rows:
        for name, value in mapping_of(row, "params").items():
            counts.setdefault(name, set()).add(plain(value))
            made[name] = made.get(name, 0) + 1
    return [name for name, own in counts.items() if made[name] == len(rows) and len(own) > 1]


def _space(values: Sequence[object]) -> "BaseDistribution":
    """What a choice is drawn from, as far as its values tell."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values):
        return CategoricalDistribution(sorted({plain(value) for value in values}))
    if all(isinstance(value, int) for value in numbers):
        return IntDistribution(int(min(numbers)), int(max(numbers)))
    return FloatDistribution(min(numbers), max(numbers))


def _value(value: object, space: object) -> object:
    from optuna.distributions import CategoricalDistribution

    return plain(value) if isinstance(space, CategoricalDistribution) else value


def fields_by_importance(record: StudyRecord, found: Sequence[Importance]) -> list[str]:
    """All choices, those that matter most for the quality first."""
    shares = found[0].shares if found and found[0].measure == quality_of(record) else {}
    names = dict.fromkeys(
        name for row in complete_rows(record) for name in mapping_of(row, "params")
    )
    return sorted(names, key=lambda name: -shares.get(name, 0.0))


def lies_on_a_scale(values: Sequence[str]) -> bool:
    """Whether numbers, as distinct texts, are too many or too long for a place each."""
    return len(values) > MOST_VALUES or max(map(len, values), default=0) > MOST_DIGITS


def marginal_of(record: StudyRecord, field: str, measure: Measure) -> Marginal | None:
    """A number by one choice; None where the trials do not differ in it."""
    rows = [r for r in sampled(record, measure.column) if field in mapping_of(r, "params")]
    raw = [mapping_of(row, "params")[field] for row in rows]
    texts = [plain(value) for value in raw]
    numbers = [number(row, measure.column) for row in rows]
    is_numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in raw)
    if is_numeric:
        order = {plain(v): float(v) for v in raw if isinstance(v, int | float)}
    else:
        groups: dict[str, list[float]] = {}
        for text, value in zip(texts, numbers, strict=True):
            groups.setdefault(text, []).append(value)
        order = {text: fmean(own) for text, own in groups.items()}
    values = tuple(sorted(order, key=lambda text: order[text]))
    if len(values) < 2:
        return None
    ranks = {text: rank for rank, text in enumerate(values)}
    places = tuple(ranks[text] for text in texts)
    is_scale = is_numeric and lies_on_a_scale(values)
    trials = tuple(map(number_of, rows))
    return Marginal(field, measure, values, places, tuple(numbers), trials, is_scale)
