"""Specs → YAML as a person would write it: short spellings, and what differs from a system."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import zip_longest
from typing import cast

import yaml

from msdemucs.errors import MsdemucsError
from msdemucs.spec.interchange import load_spec, read_document, spec_hash, zoo_names
from msdemucs.spec.schema import ChangePoints, Geometric, Growth, Resolution, Spec, expand
from msdemucs.spec.sections import Kind, Section, validate
from msdemucs.spec.source import Node, merge, nodes_of, read_yaml, take_core_schema

WIDTH = 80
"""Characters of a line; a section that does not fit gets a line an entry."""

HEAD = ("extends", "name")
"""The fields above the differences."""


def whole_yaml(spec: Spec) -> str:
    """YAML of every field, defaults included, that loads as the spec."""
    return yaml_text({name: _written(getattr(spec, name), whole=True) for name in _fields(spec)})


def extending_yaml(spec: Spec, *, rather: str | None = None) -> str:
    """YAML that loads as the spec: `extends:` the nearest system of the zoo, and what differs.

    The nearest is the one with the fewest lines of difference. Each text is loaded and compared
    before it is given out.

    Args:
        spec: planned, as every loaded spec is.
        rather: the system that is extended where others are as near.
    """
    named = {base: _system(base).model_copy(update={"name": spec.name}) for base in zoo_names()}
    differences = {base: dict(_changes(named[base], spec, spec.depth)) for base in named}
    ranked: list[tuple[int, bool, str, str]] = []
    for base in sorted(differences, key=lambda base: (len(differences[base]), base != rather)):
        if ranked and len(differences[base]) + len(HEAD) > min(ranked)[0]:
            break  # a field takes a line at least
        text = yaml_text({"extends": base, "name": spec.name} | differences[base])
        if _is_read_as(text, base, spec):
            ranked.append((text.count("\n"), base != rather, base, text))
    return min(ranked)[-1] if ranked else whole_yaml(spec)


def yaml_text(data: Mapping[str, object]) -> str:
    """Plain data as YAML, a line a field; what is longer than a line has a line an entry."""
    text = yaml.dump(dict(data), Dumper=_Writer, sort_keys=False, allow_unicode=True, width=1 << 30)
    return "".join(map(_wrapped, text.splitlines(keepends=True)))


def _wrapped(line: str) -> str:
    """The line, broken where commas would lead beyond WIDTH; YAML reads a break as a blank."""
    first, *pieces = line.split(", ")
    begin = " " * (len(line) - len(line.lstrip(" -")) + 2)
    wrapped, length = first, len(first)
    for piece in pieces:
        is_beyond = length + len(piece) + 3 > WIDTH
        wrapped += (",\n" + begin if is_beyond else ", ") + piece
        length = len(piece) + (len(begin) if is_beyond else length + 2)
    return wrapped


@lru_cache(maxsize=64)
def _system(base: str) -> Spec:
    return load_spec(base)


@lru_cache(maxsize=64)
def _document(base: str) -> Node:
    return read_document(base)


def _is_read_as(text: str, base: str, spec: Spec) -> bool:
    """Whether a text that extends a system is the spec; the system's file is read once."""
    _, _, changes = text.partition("\n")
    try:
        read = validate(merge(_document(base), read_yaml(changes, "difference")), Spec)
        return read == spec or spec_hash(read) == spec_hash(spec)
    except MsdemucsError:
        return False


def _changes(base: Section, spec: Section, depth: int) -> Iterator[tuple[str, object]]:
    """The fields of a section that another of its kind does not have alike, as they are written."""
    for name in _fields(spec):
        old, new = getattr(base, name), getattr(spec, name)
        if old == new:
            continue
        if isinstance(new, Growth | ChangePoints | Geometric):
            yield name, _schedule(old, new, depth)
        elif isinstance(new, Section) and type(old) is type(new):
            yield name, dict(_changes(old, new, depth))
        elif isinstance(new, tuple):
            pairs = zip_longest(new, old if isinstance(old, tuple) else ())
            yield name, [_entry(before, item, depth) for item, before in pairs if item is not None]
        else:
            yield name, _written(new)


def _entry(old: object, new: object, depth: int) -> object:
    """An entry of a list that differs: lists are replaced, so that it is told in full.

    What it has other than the entry that it replaces is written even where that is the default.
    """
    if not isinstance(new, Kind) or not isinstance(old, type(new)):
        return _written(new)
    changes = cast(dict[str, object], _written(new)) | dict(_changes(old, new, depth))
    return {name: changes[name] for name in _fields(new) if name in changes}


def _schedule(old: object, new: Growth | ChangePoints | Geometric, depth: int) -> object:
    """A schedule that differs; as a list where it cannot be laid over the other one."""
    if not isinstance(old, Section):
        return _written(new)
    if type(old) is type(new):
        changes = dict(_changes(old, new, depth))
        before, after = (nodes_of(_written(each, whole=True), "schedule") for each in (old, new))
        if merge(before, nodes_of(changes, "schedule")).plain() == after.plain():
            return changes
    return list(expand(new, depth))


def _written(value: object, *, whole: bool = False) -> object:
    """A value as plain data, in its shortest spelling; `whole`: with defaults."""
    if isinstance(value, Resolution):
        usual = Resolution.model_validate({"n_fft": value.n_fft})
        others = {name: getattr(value, name) for name in ("hop_length", "framing")}
        changed = {name: item for name, item in others.items() if item != getattr(usual, name)}
        return {"n_fft": value.n_fft, **changed} if changed else value.n_fft
    if isinstance(value, Section):
        fields = type(value).model_fields
        return {
            name: _written(getattr(value, name), whole=whole)
            for name in _fields(value)
            if whole or name == "kind" or getattr(value, name) != fields[name].default
        }
    if isinstance(value, list | tuple):
        return [_written(item, whole=whole) for item in value]
    if isinstance(value, Mapping):
        return {key: _written(item, whole=whole) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _fields(section: Section) -> tuple[str, ...]:
    return tuple(type(section).model_fields)


class _Writer(yaml.CSafeDumper):
    """Sections and lists that fit stand on one line, as people write them.

    A text that YAML 1.1 or 1.2 would take for a number or the like is quoted.
    """

    def serialize(self, node: yaml.Node) -> None:
        """Write the document, its root's fields on lines of their own."""
        _lay_out(node, 0)
        assert isinstance(node, yaml.CollectionNode)
        node.flow_style = False
        super().serialize(node)


take_core_schema(_Writer)


def _lay_out(node: yaml.Node, column: int) -> None:
    """Choose the style of a list or mapping whose text would begin at a column, and what it holds.

    What holds no mapping stands on one line, even if that has to be broken later.
    """
    if isinstance(node, yaml.ScalarNode):
        return
    for entry in node.value:
        key, value = entry if isinstance(node, yaml.MappingNode) else (None, entry)
        _lay_out(value, 2 + (_length(key) if key else column))
    assert isinstance(node, yaml.CollectionNode)
    node.flow_style = _is_flat(node) or column + _length(node) <= WIDTH


def _is_flat(node: yaml.Node) -> bool:
    """Whether a node holds no mapping, and no list but of scalars."""
    values = node.value if isinstance(node, yaml.SequenceNode) else [v for _, v in node.value]
    return all(
        isinstance(v, yaml.ScalarNode) or (isinstance(v, yaml.SequenceNode) and _is_flat(v))
        for v in values
    )


def _length(node: yaml.Node) -> int:
    """Characters of a node on one line."""
    if isinstance(node, yaml.ScalarNode):
        return len(node.value)
    entries = (
        sum(map(_length, entry)) + 2 if isinstance(entry, tuple) else _length(entry)
        for entry in node.value
    )
    return 2 + sum(length + 2 for length in entries) - 2 * bool(node.value)
