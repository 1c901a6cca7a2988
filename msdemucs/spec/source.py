"""Strict YAML: text → nodes that remember their place; validated models with errors that name it.

PyYAML reads YAML 1.1: `no` as false, `010` as 8, `1e-3` as text, and keeps the last of two equal
keys. Here scalars follow the YAML 1.2 core schema, and duplicate keys and aliases are refused.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from msdemucs.errors import Problem, SpecError

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Place:
    """Where a value was written: file, line and column counted from 1, and the line's text."""

    path: str
    line: int = 0
    column: int = 0
    text: str = ""

    def problem(self, message: str, *, field: str = "", hint: str = "") -> Problem:
        """A problem at this place."""
        return Problem(message, field, self.path, self.line, self.column, hint, self.text)


@dataclass(frozen=True)
class Node:
    """A value with its place: a scalar, a list of nodes, or a mapping of names to nodes.

    Attributes:
        value: what was written.
        place: where the value begins.
        key: where its name begins, for an entry of a mapping.
    """

    value: "Scalar | list[Node] | dict[str, Node]"
    place: Place
    key: Place | None = None

    def plain(self) -> object:
        """The value as ordinary dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def child(self, part: str | int) -> "Node | None":
        """The entry of a mapping or list, or None where there is none."""
        if isinstance(self.value, dict):
            return self.value.get(str(part))
        if isinstance(self.value, list) and str(part).isdigit() and int(part) < len(self.value):
            return self.value[int(part)]
        return None


class _CoreLoader(yaml.SafeLoader):
    """SafeLoader with the YAML 1.2 core schema's idea of null, true, int and float."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases (*name) are refused", problem_mark=mark)
        return super().compose_node(parent, index)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _CoreLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )
_CoreLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^$"), [""])

_CONVERT: dict[str, Callable[[str], Scalar]] = {
    "tag:yaml.org,2002:null": lambda _: None,
    "tag:yaml.org,2002:bool": lambda text: text.lower() == "true",
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
}


class _Reader:
    """Turns PyYAML's nodes of one document into ours and collects what is wrong with them."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.lines = text.splitlines()
        self.problems: list[Problem] = []

    def place(self, mark: yaml.Mark) -> Place:
        text = self.lines[mark.line] if mark.line < len(self.lines) else ""
        return Place(self.path, mark.line + 1, mark.column + 1, text)

    def read(self, node: yaml.Node) -> Node:
        place = self.place(node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return Node(self.mapping(node), place)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.read(item) for item in node.value], place)
        convert = _CONVERT.get(node.tag, str)
        return Node(convert(node.value), place)

    def mapping(self, node: yaml.MappingNode) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(self.place(key.start_mark).problem("a key must be a name"))
            elif key.value in entries:
                first = (entries[key.value].key or entries[key.value].place).line
                message = f"“{key.value}” is given twice, first on line {first}"
                self.problems.append(self.place(key.start_mark).problem(message))
            else:
                entries[key.value] = replace(self.read(value), key=self.place(key.start_mark))
        return entries


def read_yaml(text: str, path: str) -> Node:
    """The root mapping of one YAML document, every value with its place.

    Args:
        text: the document.
        path: the name that errors give it.

    Raises:
        SpecError: not YAML, not a mapping, a key given twice, an alias.
    """
    reader = _Reader(text, path)
    try:
        root = yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = reader.place(mark) if mark else Place(path)
        what = error.problem or error.context or "is not YAML"
        raise SpecError([place.problem(what, hint=_tab_hint(place))]) from None
    except yaml.YAMLError as error:
        raise SpecError([Place(path).problem(f"is not YAML: {error}")]) from None
    if not isinstance(root, yaml.MappingNode):
        message = "must hold fields (name: value), found " + (
            "nothing" if root is None else "a value"
        )
        raise SpecError([Place(path, 1, 1).problem(message)])
    node = reader.read(root)
    if reader.problems:
        raise SpecError(reader.problems)
    return node


def read_yaml_file(path: Path) -> Node:
    """The root mapping of a YAML file.

    Raises:
        SpecError: the file cannot be read, or is not what `read_yaml` accepts.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError([Place(str(path)).problem("there is no such file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([Place(str(path)).problem(f"cannot be read: {error}")]) from None
    return read_yaml(text, str(path))


def nodes_of(data: object, path: str) -> Node:
    """Plain data as nodes that share one place, so that overrides merge like files.

    Raises:
        SpecError: a value that YAML could not hold.
    """
    place = Place(path)
    if isinstance(data, Mapping):
        return Node({str(key): nodes_of(value, path) for key, value in data.items()}, place)
    if isinstance(data, list | tuple):
        return Node([nodes_of(value, path) for value in data], place)
    if data is None or isinstance(data, str | int | float | bool):
        return Node(data, place)
    raise SpecError([place.problem(f"cannot hold a {type(data).__name__}")])


def _tab_hint(place: Place) -> str:
    """YAML's oldest trap: a tab used as indentation."""
    return "indent with spaces, not tabs" if "\t" in place.text[: place.column] else ""
