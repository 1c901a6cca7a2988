"""Deltas: `extends:` and dotted overrides merge nodes, so every value keeps its own place."""

import re
from collections.abc import Mapping
from dataclasses import replace

from msdemucs.errors import SpecError
from msdemucs.spec.source import Node, nodes_of


def merge(base: Node, delta: Node) -> Node:
    """The base with the delta's values in place of its own.

    Mappings merge field by field; lists and scalars are replaced. A mapping that names another
    `kind` replaces the base's as a whole, since the options of one kind mean nothing to another.
    """
    if not isinstance(base.value, dict) or not isinstance(delta.value, dict):
        return delta
    if _kind(delta) is not None and _kind(delta) != _kind(base):
        return delta
    merged = dict(base.value)
    for name, node in delta.value.items():
        merged[name] = merge(merged[name], node) if name in merged else node
    return replace(delta, value=merged)


def override(node: Node, overrides: Mapping[str, object], *, origin: str = "override") -> Node:
    """The node with dotted fields set: `{"fusion.output.kind": "sum", "attention.0.heads": 4}`.

    Args:
        node: the root mapping.
        overrides: dotted field → plain value; list entries by number, `a.0` or `a[0]`.
        origin: what errors name as the file.

    Raises:
        SpecError: a list entry that does not exist.
    """
    for field, value in overrides.items():
        node = _set(node, split_field(field), nodes_of(value, origin), field)
    return node


def split_field(field: str) -> list[str]:
    """The parts of a dotted field: "attention[0].heads" → ["attention", "0", "heads"]."""
    return [part for part in re.split(r"[.\[\]]+", field) if part]


def _set(node: Node, parts: list[str], value: Node, field: str) -> Node:
    if not parts:
        return merge(node, value)
    head, *rest = parts
    child = node.child(head)
    if isinstance(node.value, list):
        if child is None:
            message = f"there is no entry {head}; the list has {len(node.value)}, counted from 0"
            raise SpecError([value.place.problem(message, field=field)])
        items = list(node.value)
        items[int(head)] = _set(child, rest, value, field)
        return replace(node, value=items)
    inner = _set(child or Node({}, value.place), rest, value, field)
    return merge(node, Node({head: inner}, node.place, node.key))


def _kind(node: Node) -> object:
    kind = node.child("kind")
    return kind.value if kind else None
