"""An ablation's question: factors with named alternatives, and the design that picks its arms.

An arm gives every factor one of its levels. Each factor's first level is the base's own, so the arm
of first levels is the base itself.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_, xor
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from msdemucs.spec import Spec
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


BASE = "base"
"""What the base's level and arm are called where nobody named them."""


def _one_base_level(
    alternatives: Mapping[str, Mapping[str, JsonValue]],
) -> Mapping[str, Mapping[str, JsonValue]]:
    """The alternatives, where one level at most is the base's and at least one is not.

    Raises:
        ValueError: they are not so.
    """
    empty = [name for name, fields in alternatives.items() if not fields]
    if len(empty) > 1:
        raise ValueError(
            f"only one alternative without fields, the base's own; found {', '.join(empty)}"
        )
    if len(empty) == len(alternatives):
        raise ValueError("needs an alternative with fields that differ from the base; found none")
    if not empty and BASE in alternatives:
        raise ValueError(f"“{BASE}” is what the base's own level is called; give it another name")
    return alternatives


Alternatives = Annotated[
    Mapping[str, Mapping[str, JsonValue]], AfterValidator(_one_base_level), Field(min_length=1)
]
"""Name → dotted fields that differ from the base; none, for the base's own level."""


@dataclass(frozen=True)
class ArmSpec:
    """One arm of an ablation.

    Attributes:
        name: how its levels differ from the base's: "fusion=sum, attention=none"; "base" for it.
        levels: factor → level.
        fields: the dotted fields of its alternatives.
        spec: what is built.
    """

    name: str
    levels: Arm
    fields: Mapping[str, JsonValue]
    spec: Spec


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

    @model_validator(mode="before")
    @classmethod
    def _kind_alone(cls, value: object) -> object:
        if isinstance(value, Mapping) and isinstance(value.get("generators"), list):
            return {**value, "generators": tuple(value["generators"])}
        return {"kind": value} if isinstance(value, str) else value

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
        fields = [name for name in ("resolution", "generators") if getattr(self, name)]
        if fields and self.kind != "fractional":
            raise ValueError(f"{fields[0]} belongs to fractional; found beside {self.kind}")
        if len(fields) == 2:
            raise ValueError("a fraction has either a resolution or generators; found both")
        return self


def levels_of(factors: Mapping[str, Alternatives]) -> dict[str, list[str]]:
    """Every factor's levels, the base's first."""
    levels = {}
    for factor, alternatives in factors.items():
        bases = [name for name, fields in alternatives.items() if not fields] or [BASE]
        levels[factor] = [*bases, *(name for name in alternatives if name not in bases)]
    return levels


def arm_name(arm: Arm, base: Mapping[str, str]) -> str:
    """How an arm differs from the base."""
    changed = [f"{factor}={level}" for factor, level in arm.items() if level != base[factor]]
    return ", ".join(changed) or BASE


def clashes(factors: Mapping[str, Alternatives]) -> list[tuple[str, str]]:
    """(field, factor) for every field that an earlier factor sets already.

    A field inside one that another factor sets to a single value is the same field: together the
    inner one would win. Inside a list or a section, it changes what the other factor sets.
    """
    owners: dict[str, str] = {}
    values = {
        (field, factor): value
        for factor, alternatives in factors.items()
        for set_fields in alternatives.values()
        for field, value in set_fields.items()
    }
    single = {field for (field, _), value in values.items() if not isinstance(value, list | dict)}
    clashing = []
    for field, factor in values:
        parts = field.split(".")
        above = (".".join(parts[:count]) for count in range(1, len(parts)))
        whole = next((outer for outer in above if outer in single), field)
        if owners.setdefault(whole, factor) != factor:
            clashing.append((field, factor))
    return clashing


def beyond_adding(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The dotted fields in which an ablation asks for more than further arms and seeds.

    Further alternatives and factors leave the arms as they are where each is trained beside the
    base's levels, one at a time or in full; other designs would be others.

    Args:
        before: what a search space asked, as plain data.
        now: what it asks.
    """
    beyond = []
    if now["repeats"] < before["repeats"]:
        beyond.append("repeats")
    kind = now["design"]["kind"]
    levels, wider = levels_of(before["factors"]), levels_of(now["factors"])
    if kind not in ("one_at_a_time", "full") and before["factors"] != now["factors"]:
        return [*beyond, "factors"]
    for factor, alternatives in before["factors"].items():
        kept = now["factors"].get(factor, {})
        is_kept = all(kept.get(name) == fields for name, fields in alternatives.items())
        if factor not in wider or not is_kept or levels[factor][0] != wider[factor][0]:
            beyond.append(f"factors.{factor}")
    return beyond


def arms(design: Design, levels: Levels) -> list[Arm]:
    """The arms of a design, the base's first where it is one of them.

    Args:
        design: which one.
        levels: every factor's levels.

    Raises:
        ValueError: the design cannot be made of these factors; why, in the user's words.
    """
    base = {factor: names[0] for factor, names in levels.items()}
    for factor, names in levels.items() if design.kind in ("leave_one_out", "fractional") else ():
        if len(names) != 2:
            raise ValueError(
                f"{design.kind} takes one alternative a factor beside the base; "
                f"{factor} has {len(names) - 1}: {', '.join(names[1:])}"
            )
    designed: list[Arm]
    if design.kind == "one_at_a_time":
        designed = [base, *({**base, f: name} for f, names in levels.items() for name in names[1:])]
    elif design.kind == "leave_one_out":
        full = {factor: names[1] for factor, names in levels.items()}
        designed = [full, *({**full, factor: base[factor]} for factor in levels)]
    elif design.kind == "full":
        combinations = itertools.product(*levels.values())
        designed = [dict(zip(levels, names, strict=True)) for names in combinations]
    else:
        designed = [
            {f: levels[f][run >> index & 1] for index, f in enumerate(levels)}
            for run in _runs(fraction_of(design, list(levels)), len(levels))
        ]
    if len(designed) > MOST_ARMS:
        raise ValueError(f"the design has {len(designed)} arms; allowed are at most {MOST_ARMS}")
    return designed


def fraction_of(design: Design, factors: Sequence[str]) -> dict[int, int]:
    """The generators of a two-level fraction: a factor's index → bits of the product for it.

    Raises:
        ValueError: generators that name no factor or each other; a resolution out of reach.
    """
    if not design.generators:
        return fraction(len(factors), design.resolution or 4)
    generators: dict[int, int] = {}
    for text in design.generators:
        match = GENERATOR.fullmatch(text)
        assert match
        names = [match[1], *(name.strip() for name in match[2].split("*"))]
        for name in names:
            if name not in factors:
                raise ValueError(f"generator “{text}”: there is no factor “{name}”")
        if len(set(names)) < len(names):
            raise ValueError(f"generator “{text}”: a factor stands in it twice")
        made, *product = (factors.index(name) for name in names)
        if made in generators:
            raise ValueError(f"generator “{text}”: {factors[made]} has a generator already")
        generators[made] = sum(1 << index for index in product)
    for made, other in itertools.product(generators, repeat=2):
        if generators[made] >> other & 1:
            message = f"{factors[made]} is made of {factors[other]}, which has a generator itself"
            raise ValueError(message)
    if resolution(generators) < 3:
        raise ValueError("these generators confuse main effects with one another")
    return generators


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
        generators = _choose(range(n_free, n_factors), words, {}, least)
        if generators:
            return generators
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
            completed = _choose(made[1:], words[position + 1 :], wider, least)
            if completed:
                return completed
    return {}


def resolution(generators: Mapping[int, int]) -> int:
    """The length of the shortest word of the defining relation, up to 5; what is longer, as 5.

    A word is a set of factors whose product is constant over the runs: whose columns, as bits over
    the factors that are free, cancel.
    """
    free = reduce(or_, generators.values(), 0)
    alone = (1 << index for index in range(free.bit_length()) if free >> index & 1)
    columns = [*alone, *generators.values()]
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
    column = _column(columns, effect)
    others = (
        sum(1 << index for index in chosen)
        for count in range(1, order + 1)
        for chosen in itertools.combinations(range(n_factors), count)
    )
    return sorted(o for o in others if o != effect and _column(columns, o) == column)


def alias_sign(effect: int, other: int) -> int:
    """Whether two effects that a fraction confuses have the same contrast, 1, or opposite ones, -1.

    With the base's levels as -1 and the alternatives as 1, as contrasts count them. The base is a
    run of every fraction: there a product of an odd number of factors is -1, of an even one 1.

    Args:
        effect: its factors as bits.
        other: likewise; `aliases` names it.
    """
    return -1 if (effect.bit_count() + other.bit_count()) & 1 else 1


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
