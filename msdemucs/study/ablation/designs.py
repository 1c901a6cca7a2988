"""Which arms does an ablation need? Designs over factors with named alternatives.

An arm gives every factor one of its levels. Each factor's first level is the base's own, so the arm
of first levels is the base itself.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_, xor
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from msdemucs.spec.sections import Section

Levels = Mapping[str, Sequence[str]]
"""Factor → its levels, the base's first."""

Arm = dict[str, str]
"""Factor → level."""

MOST_ARMS = 512
"""A design with more is a search, and is refused."""

MOST_FACTORS = 16
"""Of which a fraction is looked up; the search for one grows with their number's power."""

GENERATOR = re.compile(r"\s*([\w.-]+)\s*=\s*([\w.-]+(?:\s*\*\s*[\w.-]+)+)\s*")


class Design(Section):
    """Which combinations of the factors' alternatives are trained."""

    kind: Literal["one_at_a_time", "leave_one_out", "full", "fractional"] = "one_at_a_time"
    """one_at_a_time: the base, and each alternative alone; leave_one_out: all alternatives
    together, and without each; full: every combination; fractional: a balanced share of them."""
    resolution: Annotated[int, Field(ge=3, le=5)] | None = None
    """fractional: what may be confused. 3: main effects with two-way interactions; 4 (taken where
    nothing is given): two-way interactions with one another; 5: neither."""
    generators: tuple[str, ...] = ()
    """fractional: instead of a resolution, factors by the product of others: "c = a * b"."""

    @field_validator("generators")
    @classmethod
    def _products(cls, generators: tuple[str, ...]) -> tuple[str, ...]:
        for text in generators:
            if not GENERATOR.fullmatch(text):
                raise ValueError(
                    f'a generator is a product of factors, "c = a * b"; found “{text}”'
                )
        return generators

    @model_validator(mode="after")
    def _of_a_fraction(self) -> Self:
        given = [name for name in ("resolution", "generators") if getattr(self, name)]
        if given and self.kind != "fractional":
            raise ValueError(f"{given[0]} belongs to fractional; found beside {self.kind}")
        if len(given) == 2:
            raise ValueError("a fraction has either a resolution or generators; found both")
        return self


def as_design(value: object) -> object:
    """A kind alone stands for the design of that kind."""
    if isinstance(value, Mapping) and isinstance(value.get("generators"), list):
        return {**value, "generators": tuple(value["generators"])}
    return {"kind": value} if isinstance(value, str) else value


def arms(design: Design, levels: Levels) -> list[Arm]:
    """The arms of a design, the base's first where it is one of them.

    Args:
        design: which one.
        levels: every factor's levels.

    Raises:
        ValueError: the design cannot be made of these factors; why, in the user's words.
    """
    base = {factor: names[0] for factor, names in levels.items()}
    if design.kind in ("leave_one_out", "fractional"):
        _refuse_many_levels(design.kind, levels)
    found: list[Arm]
    if design.kind == "one_at_a_time":
        found = [base, *({**base, f: name} for f, names in levels.items() for name in names[1:])]
    elif design.kind == "leave_one_out":
        full = {factor: names[1] for factor, names in levels.items()}
        found = [full, *({**full, factor: base[factor]} for factor in levels)]
    elif design.kind == "full":
        combinations = itertools.product(*levels.values())
        found = [dict(zip(levels, names, strict=True)) for names in combinations]
    else:
        fraction = fraction_of(design, list(levels))
        found = [
            {f: levels[f][run >> index & 1] for index, f in enumerate(levels)}
            for run in _runs(fraction, len(levels))
        ]
    if len(found) > MOST_ARMS:
        raise ValueError(f"the design has {len(found)} arms; allowed are at most {MOST_ARMS}")
    return found


def fraction_of(design: Design, factors: Sequence[str]) -> dict[int, int]:
    """The generators of a two-level fraction: a factor's index → bits of the product for it.

    Raises:
        ValueError: generators that name no factor or each other; a resolution out of reach.
    """
    if not design.generators:
        return fraction(len(factors), design.resolution or 4)
    found: dict[int, int] = {}
    for text in design.generators:
        made, product = _read_generator(text, factors)
        if made in found:
            raise ValueError(f"generator “{text}”: {factors[made]} has a generator already")
        found[made] = product
    for made, product in found.items():
        for index in found:
            if product >> index & 1:
                raise ValueError(
                    f"{factors[made]} is made of {factors[index]}, which has a generator itself"
                )
    if resolution(found) < 3:
        raise ValueError("these generators confuse main effects with one another")
    return found


def _read_generator(text: str, factors: Sequence[str]) -> tuple[int, int]:
    """(index of the factor that is made, bits of the product).

    Raises:
        ValueError: it names no factor, or one twice.
    """
    match = GENERATOR.fullmatch(text)
    assert match
    names = [match[1], *(name.strip() for name in match[2].split("*"))]
    for name in names:
        if name not in factors:
            raise ValueError(f"generator “{text}”: there is no factor “{name}”")
    if len(set(names)) < len(names):
        raise ValueError(f"generator “{text}”: a factor stands in it twice")
    made, *product = (factors.index(name) for name in names)
    return made, sum(1 << index for index in product)


def fraction(n_factors: int, least: int) -> dict[int, int]:
    """Generators of the smallest two-level fraction of a resolution (Box and Hunter 1961).

    Args:
        n_factors: two-level factors.
        least: the resolution, the length of the shortest word of the defining relation.

    Raises:
        ValueError: not even half of all combinations has it; too many factors.
    """
    if n_factors > MOST_FACTORS:
        raise ValueError(
            f"fractions are looked up for at most {MOST_FACTORS} factors; found {n_factors}: "
            'give generators, ["c = a * b"]'
        )
    for n_free in range(1, n_factors):
        words = [w for w in range(1 << n_free) if w.bit_count() >= least - 1]
        words.sort(key=int.bit_count, reverse=True)
        found = _choose(range(n_free, n_factors), words, {}, least)
        if found:
            return found
    raise ValueError(
        f"{n_factors} factors have no fraction of resolution {least}: take the full design"
    )


def _choose(
    made: Sequence[int], words: Sequence[int], chosen: dict[int, int], least: int
) -> dict[int, int]:
    """Words for the factors to be made, so that the resolution holds; {} where there are none."""
    if not made:
        return chosen
    for position, word in enumerate(words):
        wider = {**chosen, made[0]: word}
        if resolution(wider) >= least:
            found = _choose(made[1:], words[position + 1 :], wider, least)
            if found:
                return found
    return {}


def resolution(generators: Mapping[int, int]) -> int:
    """The length of the shortest word of the defining relation, up to 5; what is longer, as 5.

    A word is a set of factors whose product is constant over the runs: whose columns, as bits over
    the factors that are free, cancel.
    """
    columns = _columns(generators)
    pairs = [a ^ b for a, b in itertools.combinations(columns, 2)]
    if 0 in pairs:
        return 2
    if not set(columns).isdisjoint(pairs):
        return 3
    return 4 if len(set(pairs)) < len(pairs) else 5


def aliases(
    generators: Mapping[int, int], effect: int, *, n_factors: int, order: int = 2
) -> list[int]:
    """The effects of at most `order` factors that a fraction cannot tell from one, as bits."""
    columns = {index: generators.get(index, 1 << index) for index in range(n_factors)}
    own = _column(columns, effect)
    others = (
        sum(1 << index for index in chosen)
        for count in range(1, order + 1)
        for chosen in itertools.combinations(range(n_factors), count)
    )
    return sorted(o for o in others if o != effect and _column(columns, o) == own)


def alias_sign(effect: int, other: int) -> int:
    """Whether two effects that a fraction confuses have the same contrast, 1, or opposite ones, -1.

    With the base's levels as -1 and the alternatives as 1, as contrasts count them. The base is a
    run of every fraction: there a product of an odd number of factors is -1, of an even one 1.

    Args:
        effect: its factors as bits.
        other: likewise; `aliases` names it.
    """
    return -1 if (effect.bit_count() + other.bit_count()) & 1 else 1


def _columns(generators: Mapping[int, int]) -> list[int]:
    """The columns of all factors that occur, as bits over those that are free."""
    free = reduce(or_, generators.values(), 0)
    own = (1 << index for index in range(free.bit_length()) if free >> index & 1)
    return [*own, *generators.values()]


def _column(columns: Mapping[int, int], effect: int) -> int:
    """The column of an effect: the product of its factors'."""
    return reduce(xor, (column for index, column in columns.items() if effect >> index & 1), 0)


def _runs(generators: Mapping[int, int], n_factors: int) -> Iterator[int]:
    """The fraction's runs as bits over the factors; the base, 0, is the first."""
    free = [index for index in range(n_factors) if index not in generators]
    for setting in range(1 << len(free)):
        run = sum(1 << index for bit, index in enumerate(free) if setting >> bit & 1)
        for made, product in generators.items():
            run |= ((run & product).bit_count() & 1) << made
        yield run


def _refuse_many_levels(kind: str, levels: Levels) -> None:
    """Raise ValueError for a factor with more than the base's level and one alternative.

    Raises:
        ValueError: a factor has more.
    """
    for factor, names in levels.items():
        if len(names) != 2:
            raise ValueError(
                f"{kind} takes one alternative a factor beside the base; "
                f"{factor} has {len(names) - 1}: {', '.join(names[1:])}"
            )
