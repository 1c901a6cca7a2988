"""Combinations of a finite search space: all, those that were tried, and whether any is left."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState
from pydantic import JsonValue

from msdemucs.study.search_space.conditions import Vary, in_order, is_varied
from msdemucs.study.search_space.objectives import SPENT
from msdemucs.study.search_space.space import EXHAUSTIVE, SearchSpace
from msdemucs.study.search_space.variations import Scalar

MOST_COMBINATIONS = 100_000
"""Of an exhaustive sampler: far more than anyone trains."""

MOST_LISTED = 4096
"""Combinations of a space whose untried ones are listed: a list takes some 20 ms."""


def combinations(vary: Vary) -> Iterator[dict[str, Scalar]]:
    """Every combination of what Optuna stores for a finite space; fields not varied are absent."""
    yield from _combinations(vary, in_order(vary), {}, {})


def _combinations(
    vary: Vary, fields: list[str], labels: dict[str, Scalar], drawn: Mapping[str, JsonValue]
) -> Iterator[dict[str, Scalar]]:
    if not fields:
        yield labels
        return
    field, *rest = fields
    if not is_varied(vary, field, drawn):
        yield from _combinations(vary, rest, labels, drawn)
        return
    for label in vary[field].values or ():
        value = vary[field].value_of(label)
        yield from _combinations(vary, rest, {**labels, field: label}, {**drawn, field: value})


def count_combinations(space: SearchSpace) -> int:
    """How many combinations a finite space has, counted to just above MOST_COMBINATIONS."""
    return sum(1 for _ in itertools.islice(combinations(space.vary), MOST_COMBINATIONS + 1))


def as_key(params: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return parameters as something that can be compared: floats to nine digits."""
    return tuple(
        (name, f"{value:.9g}" if isinstance(value, float) else repr(value))
        for name, value in sorted(params.items())
    )


def tried_in(trials: Sequence[FrozenTrial]) -> set[object]:
    """Return the combinations of trials as keys, also of those that are only enqueued."""
    return {as_key({**t.system_attrs.get("fixed_params", {}), **t.params}) for t in trials}


def can_be_listed(space: SearchSpace) -> bool:
    """Return whether a space's combinations are few, and each is trained only once.

    A finite space that is larger than MOST_LISTED without its conditions is none.
    """
    sizes = [variation.n_values or math.inf for variation in space.vary.values()]
    is_trained_once = not set(space.objectives) & set(SPENT)
    return bool(sizes) and is_trained_once and math.prod(sizes) <= MOST_LISTED


def is_used_up(trials: Sequence[FrozenTrial], space: SearchSpace) -> bool:
    """Return whether nothing is left to begin.

    No combination of an exhaustive sampler's or of a space that can be listed, those in work
    included; or none of the arms or baselines of a study that draws nothing.
    """
    if space.vary and space.sampler.kind not in EXHAUSTIVE and not can_be_listed(space):
        return False
    if any(trial.state == TrialState.WAITING for trial in trials):
        return False
    if not space.vary:
        return True
    tried = tried_in(trials)
    return all(as_key(params) in tried for params in combinations(space.vary))
