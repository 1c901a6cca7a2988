"""An ablation's question: factors with named alternatives around a base, and the arms to train."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue

from msdemucs.spec import Spec
from msdemucs.study.ablation.designs import Arm

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


def levels_of(factors: Mapping[str, Alternatives]) -> dict[str, list[str]]:
    """Every factor's levels, the base's first."""
    found = {}
    for factor, alternatives in factors.items():
        own = [name for name, fields in alternatives.items() if not fields] or [BASE]
        found[factor] = [*own, *(name for name in alternatives if name not in own)]
    return found


def arm_name(arm: Arm, base: Mapping[str, str]) -> str:
    """How an arm differs from the base."""
    changed = [f"{factor}={level}" for factor, level in arm.items() if level != base[factor]]
    return ", ".join(changed) or BASE


def fields_of(arm: Arm, factors: Mapping[str, Alternatives]) -> dict[str, JsonValue]:
    """The dotted fields of an arm's alternatives."""
    return {
        field: value
        for factor, level in arm.items()
        for field, value in factors[factor].get(level, {}).items()
    }


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
    found = []
    for field, factor in values:
        parts = field.split(".")
        above = (".".join(parts[:count]) for count in range(1, len(parts)))
        whole = next((outer for outer in above if outer in single), field)
        if owners.setdefault(whole, factor) != factor:
            found.append((field, factor))
    return found


def beyond_adding(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The dotted fields in which an ablation asks for more than further arms and seeds.

    Further alternatives and factors leave the arms as they are where each is trained beside the
    base's levels, one at a time or in full; other designs would be others.

    Args:
        before: what a search space asked, as plain data.
        now: what it asks.
    """
    found = []
    if now["repeats"] < before["repeats"]:
        found.append("repeats")
    kind = now["design"]["kind"]
    levels, wider = levels_of(before["factors"]), levels_of(now["factors"])
    if kind not in ("one_at_a_time", "full") and before["factors"] != now["factors"]:
        return [*found, "factors"]
    for factor, alternatives in before["factors"].items():
        kept = now["factors"].get(factor, {})
        is_kept = all(kept.get(name) == fields for name, fields in alternatives.items())
        if factor not in wider or not is_kept or levels[factor][0] != wider[factor][0]:
            found.append(f"factors.{factor}")
    return found
