"""What only a whole search space shows to be wrong: names, conditions, the sampler."""

import itertools
import json
import re
from collections.abc import Iterator, Sequence

from msdemucs.errors import Problem, UsageError
from msdemucs.metrics import USUAL
from msdemucs.spec.source import Node, split_field
from msdemucs.study.records import COMPUTED, asked_quality, qualities_of
from msdemucs.study.search_space.sampling import (
    EXHAUSTIVE,
    OPTIONS,
    known_experiments,
    option_fault,
    sampler_options,
)
from msdemucs.study.search_space.space import SearchSpace
from msdemucs.study.search_space.variations import combinations, fault

WITHOUT_MEANING = {
    "search": ("factors", "design"),
    "ablation": ("vary", "baselines", "fidelity", "sampler"),
}
"""What belongs to a study of the other mode."""

LENGTHS = ("recipe.steps", "recipe.epochs", "recipe.steps_per_epoch")
"""Recipe fields that say how long a training is."""

MOST_COMBINATIONS = 100_000
"""Of an exhaustive sampler: far more than anyone trains."""


def form_problems(node: Node) -> Iterator[Problem]:
    """Varied fields with values alone, which do not say how they vary; before validation."""
    vary = node.child("vary")
    for name, written in vary.value.items() if vary and isinstance(vary.value, dict) else ():
        if isinstance(written.value, dict):
            continue
        value = written.plain()
        shown = json.dumps(value if isinstance(value, list) else [value], ensure_ascii=False)
        yield written.place.problem(
            f"must say how it varies; found {json.dumps(value, ensure_ascii=False)}",
            field=f"vary.{name}",
            hint=f"{{choice: {shown}}} tries each of these values, {{int: [low, high]}} and "
            "{float: [low, high]} are ranges; what does not vary stands under set",
        )


def name_problems(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """Fields that this mode does not read, or whose names are none or twice there; arms' names."""
    for name in WITHOUT_MEANING[space.mode]:
        written = node.child(name)
        if written and written.value not in ({}, [], None):
            message = f"has no meaning in a study of mode {space.mode}"
            if name == "factors":
                message += "; add the line “mode: ablation”, which trains them"
            yield node.problem_at((name,), message)
    places = [("vary",), ("set",), *(("baselines", name) for name in space.baselines)]
    for factor, alternatives in space.factors.items():
        for name in (factor, *alternatives):
            if re.search(r"[=,\n]", name) or not name.strip():
                message = f"the arms are called “factor=alternative, …”: “{name}” cannot be told"
                parts = ("factors", factor, *([name] if name != factor else []))
                yield node.problem_at(parts, message, "take letters, digits and spaces")
            elif name in alternatives:
                places.append(("factors", factor, name))
    for place in places:
        yield from _misnamed(node, place)


def _misnamed(node: Node, place: tuple[str, ...]) -> Iterator[Problem]:
    """What is wrong with the names of the fields in one section."""
    section = node
    for part in place:
        section = section.child(part) or Node({}, node.place)
    seen: dict[str, str] = {}
    for field in section.value if isinstance(section.value, dict) else ():
        plain = ".".join(split_field(field))
        if not plain or field.startswith(".") or field.endswith(".") or ".." in field:
            message = f"“{field}” is no field: names are joined by single dots"
            yield node.problem_at((*place, field), message)
        elif plain in seen:
            yield node.problem_at((*place, field), f"is the same field as “{seen[plain]}”")
        seen[plain] = field


def field_problems(node: Node, space: SearchSpace, sources: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with qualities' sources, with conditions, and with what is varied beside rungs.

    Groups of qualities are known once there are tracks.
    """
    for name in qualities_of(space.objectives):
        try:
            asked_quality(name, sources=sources)
        except UsageError as error:
            yield node.problem_at(("objectives", name), str(error))
    for field in space.vary:
        if condition := fault(space.vary, field):
            other, message, hint = condition
            yield node.problem_at(("vary", field, "when", other), message, hint)
        if space.fidelity and field in LENGTHS:
            message = "rungs compare trials of one length: vary this in a study without fidelity"
            yield node.problem_at(("vary", field), message)


def sampler_problems(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """What is wrong with the sampler's options, and with the space for the sampler."""
    kind = space.sampler.kind
    if option := option_fault(space.sampler):
        name, message, hint = option
        yield node.problem_at(("sampler", "options", name), message, hint)
        return
    if kind in EXHAUSTIVE:
        unfit = [*_endless(node, space)]
    else:
        unfit = [*_unmodelled(node, space)] if kind == "surrogate" else []
    yield from unfit
    if unfit or any(fault(space.vary, field) for field in space.vary):
        return
    try:
        with known_experiments():
            OPTIONS[kind](**sampler_options(space.sampler, space.vary))
    except (TypeError, ValueError, AttributeError) as error:
        yield node.problem_at(("sampler", "options"), f"{kind} refuses them: {error}")


def _endless(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """Fields that an exhaustive sampler cannot go through."""
    kind = space.sampler.kind
    for field, variation in space.vary.items():
        if variation.n_values is None:
            message = f"{kind} tries every value: a float range needs a step"
            yield node.problem_at(("vary", field, "float"), message)
        if variation.log:
            message = f"{kind} tries every value: list them as a choice in place of log"
            yield node.problem_at(("vary", field, "log"), message)
        if kind == "grid" and variation.when:
            message = "grid knows no conditions"
            yield node.problem_at(("vary", field, "when"), message, "use kind: brute_force")
    sizes = [variation.n_values for variation in space.vary.values()]
    if None in sizes or any(fault(space.vary, field) for field in space.vary):
        return
    is_large = any(size > MOST_COMBINATIONS for size in sizes if size is not None)
    beyond = itertools.islice(combinations(space.vary), MOST_COMBINATIONS, None)
    if is_large or next(beyond, None) is not None:
        message = f"{kind} would try more than {MOST_COMBINATIONS:,} combinations: narrow vary"
        yield node.problem_at(("sampler", "kind"), message)


def _unmodelled(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """What a surrogate cannot follow."""
    qualities = qualities_of(space.objectives)
    for name in space.objectives:
        if name not in (*qualities, *COMPUTED):
            message = (
                "surrogate models a quality beside costs that are known before a model is built"
            )
            yield node.problem_at(("objectives", name), message, f"leave {name} out")
    if not qualities:
        message = "surrogate needs a quality among the objectives"
        yield node.problem_at(("objectives",), message, f"add {USUAL}")
    for name in sorted(space.fidelity.model_fields_set - {"rungs"} if space.fidelity else ()):
        message = f"surrogate decides itself who goes on: {name} has no meaning beside it"
        yield node.problem_at(("fidelity", name), message, f"leave {name} out")
