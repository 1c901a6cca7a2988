"""What only a whole search space shows to be wrong: names, conditions, the sampler."""

import json
import re
from collections.abc import Iterator, Sequence

from msdemucs.errors import Problem, UsageError
from msdemucs.metrics import USUAL
from msdemucs.spec.source import Node, split_field
from msdemucs.study.records import asked_quality
from msdemucs.study.search_space.combinations import MOST_COMBINATIONS, count_combinations
from msdemucs.study.search_space.conditions import fault
from msdemucs.study.search_space.locations import fault_at
from msdemucs.study.search_space.objectives import COMPUTED, qualities_of
from msdemucs.study.search_space.sampler_options import option_fault, value_fault
from msdemucs.study.search_space.space import EXHAUSTIVE, SearchSpace

WITHOUT_MEANING = {
    "search": ("factors", "design"),
    "ablation": ("vary", "baselines", "fidelity", "sampler"),
}
"""What belongs to a study of the other mode."""


def mode_problems(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """Fields that a study of this mode does not read."""
    for name in WITHOUT_MEANING[space.mode]:
        written = node.child(name)
        if written and written.value not in ({}, [], None):
            message = f"has no meaning in a study of mode {space.mode}"
            if name == "factors":
                message += "; add the line “mode: ablation”, which trains them"
            yield fault_at(node, (name,), message)


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
    """Fields whose names are no dotted names, or that stand there twice; names of arms."""
    places = [("vary",), ("set",), *(("baselines", name) for name in space.baselines)]
    for factor, alternatives in space.factors.items():
        for name in (factor, *alternatives):
            if re.search(r"[=,\n]", name) or not name.strip():
                message = f"the arms are called “factor=alternative, …”: “{name}” cannot be told"
                parts = ("factors", factor, *([name] if name != factor else []))
                yield fault_at(node, parts, message, "take letters, digits and spaces")
            elif name in alternatives:
                places.append(("factors", factor, name))
    for place in places:
        yield from _field_name_problems(node, place)


def _field_name_problems(node: Node, place: tuple[str, ...]) -> Iterator[Problem]:
    """What is wrong with the names of the fields in one section."""
    section = node
    for part in place:
        section = section.child(part) or Node({}, node.place)
    seen: dict[str, str] = {}
    for field in section.value if isinstance(section.value, dict) else ():
        plain = ".".join(split_field(field))
        at = (*place, field)
        if not plain or field.startswith(".") or field.endswith(".") or ".." in field:
            message = f"“{field}” is no field: names are joined by single dots"
            yield fault_at(node, at, message)
        elif plain in seen:
            yield fault_at(node, at, f"is the same field as “{seen[plain]}”")
        seen[plain] = field


def condition_problems(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """What is wrong with the conditions of varied fields."""
    for field in space.vary:
        found = fault(space.vary, field)
        if found:
            other, message, hint = found
            yield fault_at(node, ("vary", field, "when", other), message, hint)


def objective_problems(node: Node, space: SearchSpace, sources: Sequence[str]) -> Iterator[Problem]:
    """Qualities of sources that are not estimated; groups are known once there are tracks."""
    for name in qualities_of(space.objectives):
        try:
            asked_quality(name, sources=sources)
        except UsageError as error:
            yield fault_at(node, ("objectives", name), str(error))


LENGTHS = ("recipe.steps", "recipe.epochs", "recipe.steps_per_epoch")


def length_problems(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """Recipe fields that rungs forbid: at a rung trials are compared after equally many steps."""
    for field in LENGTHS if space.fidelity else ():
        if field in space.vary:
            message = "rungs compare trials of one length: vary this in a study without fidelity"
            yield fault_at(node, ("vary", field), message)


def sampler_problems(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """What is wrong with the sampler's options, and with the space for the sampler."""
    found = option_fault(space.sampler)
    if found:
        name, message, hint = found
        yield fault_at(node, ("sampler", "options", name), message, hint)
        return
    unfit = [*_unfit(node, space), *_unmodelled(node, space)]
    yield from unfit
    if unfit or any(fault(space.vary, field) for field in space.vary):
        return
    if refusal := value_fault(space):
        yield fault_at(node, ("sampler", "options"), refusal)


def _unfit(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """Fields that an exhaustive sampler cannot go through."""
    kind = space.sampler.kind
    if kind not in EXHAUSTIVE:
        return
    for field, variation in space.vary.items():
        if variation.n_values is None:
            message = f"{kind} tries every value: a float range needs a step"
            yield fault_at(node, ("vary", field, "float"), message)
        if variation.log:
            message = f"{kind} tries every value: list them as a choice in place of log"
            yield fault_at(node, ("vary", field, "log"), message)
        if kind == "grid" and variation.when:
            message = "grid knows no conditions"
            yield fault_at(node, ("vary", field, "when"), message, "use kind: brute_force")
    if any(fault(space.vary, field) for field in space.vary):
        return
    sizes = [variation.n_values for variation in space.vary.values()]
    known = [size for size in sizes if size is not None]
    is_small = len(known) == len(sizes) and max(known, default=0) <= MOST_COMBINATIONS
    if len(known) < len(sizes) or (is_small and count_combinations(space) <= MOST_COMBINATIONS):
        return
    message = f"{kind} would try more than {MOST_COMBINATIONS:,} combinations: narrow vary"
    yield fault_at(node, ("sampler", "kind"), message)


def _unmodelled(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """What a surrogate cannot follow."""
    if space.sampler.kind != "surrogate":
        return
    qualities = qualities_of(space.objectives)
    for name in space.objectives:
        if name not in (*qualities, *COMPUTED):
            message = (
                "surrogate models a quality beside costs that are known before a model is built"
            )
            yield fault_at(node, ("objectives", name), message, f"leave {name} out")
    if not qualities:
        message = "surrogate needs a quality among the objectives"
        yield fault_at(node, ("objectives",), message, f"add {USUAL}")
    for name in sorted(space.fidelity.model_fields_set - {"rungs"} if space.fidelity else ()):
        message = f"surrogate decides itself who goes on: {name} has no meaning beside it"
        yield fault_at(node, ("fidelity", name), message, f"leave {name} out")
