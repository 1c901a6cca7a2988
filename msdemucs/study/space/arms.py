"""An ablation's arms: checked against the base, then enqueued with every seed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydantic import JsonValue

from msdemucs.errors import PlanError, Problem, SpecError
from msdemucs.spec import Spec, spec_hash
from msdemucs.spec.source import Node, Place
from msdemucs.study.space.ablation import ArmSpec, arm_name, clashes, fields_of, levels_of
from msdemucs.study.space.designs import arms
from msdemucs.study.space.fields import recipe_fields
from msdemucs.study.space.space import TASK_FIELDS, Search

ABOUT = "ablation"
"""The study's attribute that says what its arms are."""


def with_arms(search: Search, node: Node) -> Search:
    """The search with its arms, every one of them a spec that can be built.

    Args:
        search: of an ablation.
        node: the document that it was read from.

    Raises:
        SpecError: an alternative that makes no valid spec or changes nothing, at its line; a
            design that cannot be made of these factors.
    """
    space = search.space
    problems = list(_problems(search, node))
    if problems:
        raise SpecError(problems)
    levels = levels_of(space.factors)
    base = {factor: names[0] for factor, names in levels.items()}
    try:
        designed = arms(space.design, levels)
    except ValueError as error:
        raise SpecError([_at(node, "design").problem(str(error), field="design")]) from None
    if node.child("trials"):
        message = f"{len(designed)} arms with {space.repeats} seeds each are trained: remove it"
        raise SpecError([_at(node, "trials").problem(message, field="trials")])
    found = {}
    for arm in designed:
        name = arm_name(arm, base)
        fields = fields_of(arm, space.factors)
        try:
            found[name] = ArmSpec(name, arm, fields, search.spec(fields, name=name))
        except SpecError as error:
            message = f"the arm {name} makes no valid spec: {error.first.message}"
            raise SpecError([_at(node, "design").problem(message, field="design")]) from None
    wanted = len(found) * space.repeats
    return replace(search, arms=found, space=space.model_copy(update={"trials": wanted}))


def about_ablation(search: Search) -> dict[str, object]:
    """What a study records of its question: every factor's levels, the base's first."""
    space = search.space
    levels = levels_of(space.factors)
    return {
        "levels": levels,
        "design": space.design.model_dump(mode="json"),
        "arms": len(search.arms),
    }


def arm_of(search: Search, name: str | None) -> tuple[Spec, dict[str, JsonValue]]:
    """An arm's spec, and the fields of its alternatives.

    Raises:
        SpecError: none was enqueued: another process took the last one.
    """
    if name is None:
        raise SpecError([Problem("no arm was left to train")])
    return search.arms[name].spec, dict(search.arms[name].fields)


def _problems(search: Search, node: Node) -> Iterator[Problem]:
    """What is wrong with the factors, each at its line."""
    factors = search.space.factors
    for field, factor in clashes(factors):
        place = _at(node, "factors", factor)
        yield place.problem(
            f"{field} is set by an earlier factor already", field=f"factors.{factor}"
        )
    for factor, alternatives in factors.items():
        for name, fields in alternatives.items():
            found = _fault(search, fields)
            if found:
                message, hint = found
                place = _at(node, "factors", factor, name)
                yield place.problem(message, field=f"factors.{factor}.{name}", hint=hint)


def _fault(search: Search, fields: Mapping[str, JsonValue]) -> tuple[str, str] | None:
    """What is wrong with an alternative, and a hint; None for nothing that shows by itself."""
    for field in fields:
        if field.split(".")[0] in TASK_FIELDS:
            return f"{field} belongs to the task: scores of arms would not compare", ""
    try:
        spec = search.spec(fields)
        if recipe_fields(fields):
            search.recipe(fields)
    except PlanError:
        return None  # it may do together with other factors' alternatives
    except SpecError as error:
        first = error.first
        message = f"{first.field}: {first.message}" if first.field else first.message
        return message, first.hint
    is_same = fields and not recipe_fields(fields) and spec_hash(spec) == spec_hash(search.base)
    if is_same:
        return "changes nothing: the base has these values", ""
    return None


def _at(node: Node, *parts: str) -> Place:
    """The place of a field, or of the nearest one above it."""
    for part in parts:
        node = node.child(part) or node
    return node.key or node.place
