"""What only a whole search space shows to be wrong, each at its line: conditions, the sampler."""

from collections.abc import Iterator

from msdemucs.errors import Problem
from msdemucs.spec.source import Node
from msdemucs.study.space.conditions import fault
from msdemucs.study.space.samplers import (
    EXHAUSTIVE,
    MOST_COMBINATIONS,
    count_combinations,
    make_sampler,
    unknown_option,
)
from msdemucs.study.space.space import SearchSpace


def condition_problems(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """What is wrong with the conditions of varied fields."""
    for field in space.vary:
        found = fault(space.vary, field)
        if found:
            other, message, hint = found
            yield _problem(node, ("vary", field, "when", other), message, hint)


LENGTHS = ("recipe.steps", "recipe.epochs", "recipe.steps_per_epoch")


def length_problems(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """Recipe fields that rungs forbid: at a rung trials are compared after equally many steps."""
    for field in LENGTHS if space.fidelity else ():
        if field in space.vary:
            message = "rungs compare trials of one length: vary this in a study without fidelity"
            yield _problem(node, ("vary", field), message)


def sampler_problems(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """What is wrong with the sampler's options, and with the space for the sampler."""
    found = unknown_option(space.sampler)
    if found:
        name, hint = found
        message = f"{space.sampler.kind} has no such option"
        yield _problem(node, ("sampler", "options", name), message, hint)
        return
    unfit = list(_unfit(node, space))
    yield from unfit
    if unfit or any(fault(space.vary, field) for field in space.vary):
        return
    try:
        make_sampler(space, drawn=0)
    except (TypeError, ValueError, AttributeError) as error:
        yield _problem(node, ("sampler", "options"), f"{space.sampler.kind} refuses them: {error}")


def _unfit(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """Fields that an exhaustive sampler cannot go through."""
    kind = space.sampler.kind
    if kind not in EXHAUSTIVE:
        return
    for field, variation in space.vary.items():
        if variation.values is None:
            message = f"{kind} tries every value: a float range needs a step"
            yield _problem(node, ("vary", field, "float"), message)
        if variation.log:
            message = f"{kind} tries every value: list them as a choice in place of log"
            yield _problem(node, ("vary", field, "log"), message)
        if kind == "grid" and variation.when:
            message = "grid knows no conditions"
            yield _problem(node, ("vary", field, "when"), message, "use kind: brute_force")
    if any(fault(space.vary, field) for field in space.vary):
        return
    if all(variation.values for variation in space.vary.values()):
        count = count_combinations(space)
        if count > MOST_COMBINATIONS:
            message = f"{kind} would try more than {MOST_COMBINATIONS:,} combinations: narrow vary"
            yield _problem(node, ("sampler", "kind"), message)


def _problem(node: Node, parts: tuple[str, ...], message: str, hint: str = "") -> Problem:
    """A problem at a field's line, or at that of the nearest field above it."""
    for part in parts:
        node = node.child(part) or node
    return (node.key or node.place).problem(message, field=".".join(parts), hint=hint)
