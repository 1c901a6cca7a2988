"""Which choices matter for a number, and what each alternative gave."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean
from typing import TYPE_CHECKING

from msdemucs.analysis.measure import Measure
from msdemucs.analysis.trials import Row, mapping_of, number, trial_number
from msdemucs.units import format_value

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


def with_choices(rows: Sequence[Row], column: str) -> list[Row]:
    """The trials that a sampler or a baseline gave choices for, with a finite number."""
    return [row for row in rows if mapping_of(row, "params") and isfinite(number(row, column))]


def importances(rows: Sequence[Row], measures: Sequence[Measure]) -> tuple[Importance, ...]:
    """PED-ANOVA importances of every choice for each number.

    Source: Watanabe et al. 2023 (arXiv:2304.10255), as Optuna computes it, over the trials that
    made all choices.

    Args:
        rows: complete trials.
        measures: the numbers; those that too few trials have are left out.
    """
    computed = (_importance(with_choices(rows, measure.column), measure) for measure in measures)
    return tuple(importance for importance in computed if importance is not None)


def _importance(rows: Sequence[Row], measure: Measure) -> Importance | None:
    names = _shared(rows)
    if len(rows) < FEWEST_TRIALS or not names:
        return None
    import optuna  # slow to load, and needed here alone

    values = {name: [mapping_of(row, "params")[name] for row in rows] for name in names}
    spaces = {name: _space(drawn) for name, drawn in values.items()}
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
            counts.setdefault(name, set()).add(format_value(value))
            made[name] = made.get(name, 0) + 1
    return [name for name, texts in counts.items() if made[name] == len(rows) and len(texts) > 1]


def _space(values: Sequence[object]) -> "BaseDistribution":
    """What a choice is drawn from, as far as its values tell."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) < len(values):
        return CategoricalDistribution(sorted({format_value(value) for value in values}))
    if all(isinstance(value, int) for value in numbers):
        return IntDistribution(int(min(numbers)), int(max(numbers)))
    return FloatDistribution(min(numbers), max(numbers))


def _value(value: object, space: object) -> object:
    from optuna.distributions import CategoricalDistribution

    return format_value(value) if isinstance(space, CategoricalDistribution) else value


def lies_on_a_scale(values: Sequence[str]) -> bool:
    """Whether numbers, as distinct texts, are too many or too long for a place each."""
    return len(values) > MOST_VALUES or max(map(len, values), default=0) > MOST_DIGITS


def marginal(rows: Sequence[Row], field: str, measure: Measure) -> Marginal | None:
    """A number by one choice; None where the trials do not differ in it.

    Args:
        rows: complete trials.
        field: the choice.
        measure: the number.
    """
    rows = [row for row in with_choices(rows, measure.column) if field in mapping_of(row, "params")]
    raw = [mapping_of(row, "params")[field] for row in rows]
    texts = [format_value(value) for value in raw]
    numbers = [number(row, measure.column) for row in rows]
    is_numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in raw)
    if is_numeric:
        order = {format_value(v): float(v) for v in raw if isinstance(v, int | float)}
    else:
        groups: dict[str, list[float]] = {}
        for text, value in zip(texts, numbers, strict=True):
            groups.setdefault(text, []).append(value)
        order = {text: fmean(members) for text, members in groups.items()}
    values = tuple(sorted(order, key=lambda text: order[text]))
    if len(values) < 2:
        return None
    ranks = {text: rank for rank, text in enumerate(values)}
    places = tuple(ranks[text] for text in texts)
    is_scale = is_numeric and lies_on_a_scale(values)
    trials = tuple(map(trial_number, rows))
    return Marginal(field, measure, values, places, tuple(numbers), trials, is_scale)
