"""The specs that a search space names, its base and its baselines, each fault at its line."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from msdemucs.errors import PlanError, SpecError, UsageError
from msdemucs.spec import Spec, load_spec
from msdemucs.spec.source import Node
from msdemucs.study.search_space.fields import RECIPE, recipe_fields, spec_fields
from msdemucs.study.search_space.locations import below, described, fault_of
from msdemucs.study.search_space.space import TASK_FIELDS, Search, SearchSpace, resolve


def at_cost(node: Node, search: Search) -> Search:
    """The search with its base and baselines at the cost that it asks for, if it asks for one.

    Raises:
        SpecError: one that no width brings near it, at the line that names it.
    """
    space = search.space
    if space.at_cost is None:
        return search
    solved: dict[str, Spec] = {}
    own = {name for name, fields in space.baselines.items() if any("channels" in f for f in fields)}
    for name, spec in {"": search.base, **search.baselines}.items():
        field = f"baselines.{name}" if name else "base"
        try:
            solved[name] = spec if name in own else search.at_cost(spec)
        except SpecError as error:
            place = below(node, *(("baselines", name) if name else ("base",)))
            raise SpecError([fault_of(place, described(error.first), field)]) from None
    return replace(search, base=solved.pop(""), baselines=solved)


def base_of(node: Node, space: SearchSpace, source: str | Path) -> Spec:
    """The base with `set` applied.

    Raises:
        SpecError: what is wrong with it, at its line, or at that of the field that makes it so.
    """
    fields = spec_fields(space.set)
    if fields:
        _refuse_field(node, source, fields)
    return _spec_at(below(node, "base"), "base", source, fields)


def _refuse_field(node: Node, source: str | Path, fields: Mapping[str, object]) -> None:
    """Raise SpecError for a field of `set` at fault, unless the base itself is.

    Raises:
        SpecError: the first field of `set` that makes it no spec, at its line.
    """
    names = list(fields)
    for count in range(len(names) + 1):
        given = {name: fields[name] for name in names[:count]}
        try:
            load_spec(source, overrides=given)
        except PlanError:
            continue  # it may do together with the fields that follow
        except UsageError:
            return
        except SpecError as error:
            if not count:
                return
            name, first = names[count - 1], error.first
            message = described(first, name)
            at = below(node, "set", name)
            raise SpecError([fault_of(at, message, f"set.{name}", first.hint)]) from None


def baselines_of(node: Node, space: SearchSpace, folder: Path, base: Spec) -> dict[str, Spec]:
    """Every baseline's spec.

    Raises:
        SpecError: a baseline that is no valid spec or has another task than the base.
    """
    specs: dict[str, Spec] = {}
    alike = spec_fields(space.set)
    for index, (name, fields) in enumerate(space.baselines.items()):
        listed = below(node, "baselines")
        place = listed.child(name) or listed.child(index) or listed
        field = f"baselines.{name}"
        for own in recipe_fields(fields):
            at = below(place, RECIPE + own)
            message = "baselines are trained as all trials are: put it under set"
            raise SpecError([fault_of(at, message, f"{field}.{RECIPE}{own}")])
        spec = _spec_at(place, field, resolve(name, folder), {**alike, **fields})
        for task in TASK_FIELDS[1:]:
            here, there = getattr(spec, task), getattr(base, task)
            if here != there:
                found, wanted = (json.dumps(one, ensure_ascii=False) for one in (here, there))
                message = f"{task} is {found}, but the base has {wanted}: scores would not compare"
                raise SpecError([place.place.problem(message, field=field)])
        specs[name] = spec
    return specs


def _spec_at(node: Node, field: str, source: str | Path, overrides: Mapping[str, object]) -> Spec:
    """A named spec.

    Raises:
        SpecError: what is wrong with it, at the place that names it.
    """
    try:
        return load_spec(source, overrides=overrides)
    except UsageError as error:
        raise SpecError([fault_of(node, str(error), field)]) from None
    except SpecError as error:
        first = error.first
        raise SpecError([fault_of(node, described(first), field, first.hint)]) from None
