"""Where a search space's fields are written, and problems told there."""

from msdemucs.errors import Problem
from msdemucs.spec.source import Node


def below(node: Node, *parts: str) -> Node:
    """The node of a field or of a name in a list, or the nearest one above it."""
    for part in parts:
        listed = node.value if isinstance(node.value, list) else []
        named = next((entry for entry in listed if entry.value == part), None)
        node = node.child(part) or named or node
    return node


def fault_of(node: Node, message: str, field: str, hint: str = "") -> Problem:
    """A problem where a node's name is written; its value, where it has none."""
    return (node.key or node.place).problem(message, field=field, hint=hint)


def fault_at(node: Node, parts: tuple[str, ...], message: str, hint: str = "") -> Problem:
    """A problem at a field's line, or at that of the nearest field above it."""
    return fault_of(below(node, *parts), message, ".".join(parts), hint)


def described(problem: Problem, varied: str = "") -> str:
    """The message with the spec's field that it is about, unless that is the varied one."""
    is_other = problem.field and problem.field not in (varied, varied.removeprefix("recipe."))
    return f"{problem.field}: {problem.message}" if is_other else problem.message
