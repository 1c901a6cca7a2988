"""An ablation's arms: checked against the base, then enqueued with every seed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydantic import JsonValue

from msdemucs.errors import PlanError, Problem, SpecError
from msdemucs.spec import spec_hash
from msdemucs.spec.source import Node
from msdemucs.study.ablation.designs import ArmSpec, arm_name, arms, clashes, levels_of
from msdemucs.study.search_space.fields import described, recipe_fields
from msdemucs.study.search_space.space import TASK_FIELDS, Search

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
    if problems := [*_problems(search, node)]:
        raise SpecError(problems)
    levels = levels_of(space.factors)
    base = {factor: names[0] for factor, names in levels.items()}
    try:
        designed = arms(space.design, levels)
    except ValueError as error:
        raise SpecError([node.problem_at(("design",), str(error))]) from None
    if node.child("trials"):
        message = f"{len(designed)} arms with {space.repeats} seeds each are trained: remove it"
        raise SpecError([node.problem_at(("trials",), message)])
    specs = {}
    for arm in designed:
        name, fields = arm_name(arm, base), dict[str, JsonValue]()
        for factor, level in arm.items():
            fields |= space.factors[factor].get(level, {})
        try:
            specs[name] = ArmSpec(name, arm, fields, search.spec(fields, name=name))
        except SpecError as error:
            message = f"the arm {name} makes no valid spec: {error.first.message}"
            raise SpecError([node.problem_at(("design",), message)]) from None
    trials = len(specs) * space.repeats
    return replace(search, arms=specs, space=space.model_copy(update={"trials": trials}))


def about_ablation(search: Search) -> dict[str, object]:
    """What a study records of its question: every factor's levels, the base's first."""
    space = search.space
    levels = levels_of(space.factors)
    return {
        "levels": levels,
        "design": space.design.model_dump(mode="json"),
        "arms": len(search.arms),
    }


def _problems(search: Search, node: Node) -> Iterator[Problem]:
    """What is wrong with the factors, each at its line."""
    factors = search.space.factors
    for field, factor in clashes(factors):
        message = f"{field} is set by an earlier factor already"
        yield node.problem_at(("factors", factor), message)
    for factor, alternatives in factors.items():
        known = {_trained(search, {}): "the base has these values"}
        for name, fields in alternatives.items():
            fault = _fault(search, fields, known) if fields else None
            if fault:
                yield node.problem_at(("factors", factor, name), *fault)
            else:
                known.setdefault(_trained(search, fields), f"{name} has these values")


def _trained(search: Search, fields: Mapping[str, JsonValue]) -> tuple[str, str]:
    """What tells an alternative's model and its training from another's; ("", "") for no model."""
    try:
        model = spec_hash(search.spec(fields))
        factors = search.space.factors.values()
        if not any(recipe_fields(changed) for level in factors for changed in level.values()):
            return model, ""  # recipes load torch
        return model, search.recipe(fields).model_dump_json(exclude={"name"})
    except SpecError:
        return "", ""


def _fault(
    search: Search, fields: Mapping[str, JsonValue], known: Mapping[tuple[str, str], str]
) -> tuple[str, str] | None:
    """What is wrong with an alternative, and a hint; None for nothing that shows by itself."""
    for field in fields:
        if field.split(".")[0] in TASK_FIELDS:
            return f"{field} belongs to the task: scores of arms would not compare", ""
    try:
        search.spec(fields)
        if recipe_fields(fields):
            search.recipe(fields)
    except PlanError:
        return None  # it may do together with other factors' alternatives
    except SpecError as error:
        return described(error.first), error.first.hint
    same = known.get(_trained(search, fields))
    return (f"changes nothing: {same}", "") if same else None
