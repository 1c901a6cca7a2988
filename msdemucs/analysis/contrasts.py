"""Which arms answer which question: an effect as a weighted sum of arms' scores."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from msdemucs.study.ablation.designs import (
    Arm,
    Design,
    Levels,
    alias_sign,
    aliases,
    arm_name,
    arms,
    fraction_of,
)


@dataclass(frozen=True)
class Contrast:
    """An effect of one alternative, or of two together.

    Attributes:
        kind: "alone" (of one at a time), "left out", "main" (over all other factors' levels),
            "interaction" (how much more the one alternative gives where the other is there: a
            difference of differences).
        factor: the factor, or both: "fusion × resolutions".
        alternative: its level, or both.
        against: the base's level, or both.
        weights: arm's name → weight; they sum to 0.
        confused_with: other effects that the design cannot tell from it, each with the sign of
            its share: "−b × c" where the contrast falls as b × c grows.
    """

    kind: str
    factor: str
    alternative: str
    against: str
    weights: Mapping[str, float]
    confused_with: tuple[str, ...] = ()


def contrasts(design: Design, levels: Levels) -> list[Contrast]:
    """Every effect that a design can tell: each alternative's, then two-way interactions."""
    base = {factor: names[0] for factor, names in levels.items()}
    designed = {arm_name(arm, base): arm for arm in arms(design, levels)}
    if design.kind in ("one_at_a_time", "leave_one_out"):
        return list(_pairs(design, levels))
    confused: dict[int, list[int]] = {}
    if design.kind == "fractional":
        generators = fraction_of(design, list(levels))
        for effect in _effects(len(levels)):
            confused[effect] = aliases(generators, effect, n_factors=len(levels))
    return [
        *_main_effects(levels, designed, confused),
        *_interactions(levels, designed, confused),
    ]


def _pairs(design: Design, levels: Levels) -> Iterator[Contrast]:
    """One arm less another."""
    base = {factor: names[0] for factor, names in levels.items()}
    is_alone = design.kind == "one_at_a_time"
    others_at = base if is_alone else {factor: names[1] for factor, names in levels.items()}
    for factor, (own, *others) in levels.items():
        for alternative in others:
            plus = arm_name({**others_at, factor: alternative}, base)
            minus = arm_name({**others_at, factor: own}, base)
            weights = {plus: 1.0, minus: -1.0}
            kind = "alone" if is_alone else "left out"
            yield Contrast(kind, factor, alternative, own, weights)


def _main_effects(
    levels: Levels, designed: Mapping[str, Arm], confused: Mapping[int, list[int]]
) -> Iterator[Contrast]:
    for index, (factor, (own, *others)) in enumerate(levels.items()):
        for alternative in others:
            weights = _difference(designed, {factor: alternative}, {factor: own})
            names = _named(1 << index, confused.get(1 << index, []), list(levels))
            yield Contrast("main", factor, alternative, own, weights, names)


def _interactions(
    levels: Levels, designed: Mapping[str, Arm], confused: Mapping[int, list[int]]
) -> Iterator[Contrast]:
    """Two-way interactions; of those that are confused with one another, the first."""
    seen: set[int] = set()
    factors = list(levels)
    for (i, a), (j, b) in itertools.combinations(enumerate(factors), 2):
        effect = 1 << i | 1 << j
        others = confused.get(effect, [])
        is_main = any(other.bit_count() == 1 for other in others)
        if effect in seen or is_main:
            continue
        seen.update(others)
        for x, y in itertools.product(levels[a][1:], levels[b][1:]):
            with_y = _difference(designed, {a: x, b: y}, {a: levels[a][0], b: y})
            own = levels[b][0]
            without = _difference(designed, {a: x, b: own}, {a: levels[a][0], b: own})
            weights = {name: with_y.get(name, 0.0) - without.get(name, 0.0) for name in designed}
            kept = {name: weight for name, weight in weights.items() if weight}
            against = f"{levels[a][0]} × {own}"
            names = _named(effect, others, factors)
            yield Contrast("interaction", f"{a} × {b}", f"{x} × {y}", against, kept, names)


def _difference(
    designed: Mapping[str, Arm], there: Mapping[str, str], here: Mapping[str, str]
) -> dict[str, float]:
    """The mean of the arms with some levels, less that of those with others."""
    weights: dict[str, float] = {}
    for wanted, sign in ((there, 1), (here, -1)):
        names = [name for name, arm in designed.items() if wanted.items() <= arm.items()]
        for name in names:
            weights[name] = sign / len(names)
    return weights


def _effects(n_factors: int) -> Iterator[int]:
    """Main effects and two-way interactions, as bits over the factors."""
    for index in range(n_factors):
        yield 1 << index
    for i, j in itertools.combinations(range(n_factors), 2):
        yield 1 << i | 1 << j


def _named(effect: int, others: list[int], factors: list[str]) -> tuple[str, ...]:
    """Effects that are confused with one, each with the sign that it is in its contrast with."""
    return tuple(
        ("−" if alias_sign(effect, other) < 0 else "+")
        + " × ".join(factor for index, factor in enumerate(factors) if other >> index & 1)
        for other in others
    )
