"""Strict YAML: text → nodes that remember their place; validated models with errors that name it.

PyYAML reads YAML 1.1: `no` as false, `010` as 8, `1e-3` as text, and keeps the last of two equal
keys. Here scalars follow the YAML 1.2 core schema; duplicate keys, aliases and tags are refused.
"""

import io
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import yaml

from msdemucs.errors import Problem, SpecError
from msdemucs.spec.documents import kind_of

Scalar = str | int | float | bool | None

DEEPEST = 50
"""Sections inside sections beyond which a document is refused; a spec has about five."""

MOST_DIGITS = 300
"""Of a number: a float holds no more, and Python reads no whole number of several thousand."""


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
        index = str(part)
        if isinstance(self.value, list) and index.isascii() and index.isdigit():
            return self.value[int(index)] if int(index) < len(self.value) else None
        return None


class _CoreLoader(yaml.SafeLoader):
    """SafeLoader with the YAML 1.2 core schema's idea of null, true, int and float."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        fault = ""
        if isinstance(event, yaml.AliasEvent):
            fault = "aliases (*name) are refused"
        elif getattr(event, "tag", None):
            fault = "tags (!name) are refused"
        elif self.depth >= DEEPEST:
            fault = f"more than {DEEPEST} lists and mappings inside one another"
        if fault:
            raise yaml.MarkedYAMLError(problem=fault, problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def take_core_schema(resolver: type[yaml.resolver.BaseResolver]) -> None:
    """Make a loader or dumper of PyYAML's tell null, true, int and float from text as YAML 1.2."""
    for tag, pattern, first in (
        ("null", r"~|null|Null|NULL|", "~nN"),
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("int", r"[-+]?[0-9]+", "-+0123456789"),
        ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
        ("null", "", [""]),
    ):
        resolver.add_implicit_resolver(
            f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first)
        )


take_core_schema(_CoreLoader)

_CONVERT: dict[str, Callable[[str], Scalar]] = {
    "tag:yaml.org,2002:null": lambda _: None,
    "tag:yaml.org,2002:bool": lambda text: text.lower() == "true",
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
}
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Reader:
    """Turns PyYAML's nodes of one document into ours and collects what is wrong with them."""

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.lines = text.splitlines()
        self.problems: list[Problem] = []

    def place(self, mark: yaml.Mark) -> Place:
        text = self.lines[mark.line] if mark.line < len(self.lines) else ""
        return Place(self.path, mark.line + 1, mark.column + 1, text)

    def read(self, node: yaml.Node, field: str = "") -> Node:
        place = self.place(node.start_mark)
        if isinstance(node, yaml.MappingNode):
            return Node(self.mapping(node, field), place)
        if isinstance(node, yaml.SequenceNode):
            items = enumerate(node.value)
            return Node([self.read(item, _within(field, at)) for at, item in items], place)
        assert isinstance(node, yaml.ScalarNode)
        return Node(self.scalar(node, place, field), place)

    def scalar(self, node: yaml.ScalarNode, place: Place, field: str) -> Scalar:
        if node.tag in _NUMBERS and len(node.value) > MOST_DIGITS:
            message = f"a number has at most {MOST_DIGITS} digits"
            self.problems.append(place.problem(message, field=field))
            return None
        value = _CONVERT.get(node.tag, str)(node.value)
        if isinstance(value, float) and math.isinf(value):
            message = f"{node.value} is too large a number"
            self.problems.append(place.problem(message, field=field))
        return value

    def mapping(self, node: yaml.MappingNode, field: str) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problems.append(self.place(key.start_mark).problem("a key must be a name"))
            elif key.value in entries:
                first = (entries[key.value].key or entries[key.value].place).line
                message = f"“{key.value}” is given twice, first on line {first}"
                self.problems.append(self.place(key.start_mark).problem(message))
            else:
                found = self.read(value, _within(field, key.value))
                entries[key.value] = replace(found, key=self.place(key.start_mark))
        return entries


def _within(field: str, part: str | int) -> str:
    """A field of a field, dotted."""
    return f"{field}.{part}".lstrip(".")


@lru_cache(maxsize=128)  # a study makes each of its specs of the same few files
def read_yaml(text: str, path: str) -> Node:
    """The root mapping of one YAML document, every value with its place.

    Args:
        text: the document.
        path: the name that errors give it.

    Raises:
        SpecError: not YAML, not a mapping, a key given twice, an alias, a tag.
    """
    reader = _Reader(text, path)
    try:
        root = yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = reader.place(mark) if mark else Place(path)
        raise SpecError([place.problem(_said(error), hint=_tab_hint(place))]) from None
    except yaml.reader.ReaderError as error:
        place = _place_after(text[: error.position], path)
        message = f"U+{error.character:04X} is a character that YAML does not allow"
        raise SpecError([place.problem(message)]) from None
    except yaml.YAMLError as error:
        raise SpecError([Place(path).problem(f"is not YAML: {error}")]) from None
    if not isinstance(root, yaml.MappingNode):
        kinds = {yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}
        found = kinds.get(type(root), "nothing")
        message = f"must hold fields (name: value), found {found}"
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
    return read_yaml(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The text of a file that a person wrote.

    Raises:
        SpecError: it is not there, cannot be read, or is not UTF-8.
    """
    try:
        data = path.read_bytes()
        if kind := kind_of(data[:16]):
            raise SpecError([Place(str(path)).problem(f"is no YAML, but {kind}")])
        return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()  # any line ends
    except FileNotFoundError:
        problem = Place(str(path)).problem("there is no such file")
    except UnicodeDecodeError as error:
        place = _place_after(error.object[: error.start].decode("utf-8"), str(path))
        problem = place.problem("cannot be read as UTF-8, which the file must be saved as")
    except OSError as error:
        problem = Place(str(path)).problem(f"cannot be read: {error.strerror or error}")
    raise SpecError([problem])


def nodes_of(data: object, path: str) -> Node:
    """Plain data as nodes that share one place, so that overrides merge like files.

    A node keeps its own place.

    Raises:
        SpecError: a value that YAML could not hold.
    """
    if isinstance(data, Node):
        return data
    place = Place(path)
    if isinstance(data, Mapping):
        return Node({str(key): nodes_of(value, path) for key, value in data.items()}, place)
    if isinstance(data, list | tuple):
        return Node([nodes_of(value, path) for value in data], place)
    if data is None or isinstance(data, str | int | float | bool):
        return Node(data, place)
    raise SpecError([place.problem(f"cannot hold a {type(data).__name__}")])


def _said(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's words; some of its sentences begin in the context."""
    if error.problem and error.context and error.problem.startswith("but "):
        return f"{error.context}, {error.problem}"
    return error.problem or error.context or "is not YAML"


def _place_after(text: str, path: str) -> Place:
    """The place that a document has come to after some of its text."""
    *_, last = text.split("\n")
    return Place(path, text.count("\n") + 1, len(last) + 1)


def _tab_hint(place: Place) -> str:
    """YAML's oldest trap: a tab used as indentation."""
    return "indent with spaces, not tabs" if "\t" in place.text[: place.column] else ""
