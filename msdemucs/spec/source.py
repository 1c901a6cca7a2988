"""Strict YAML: text → nodes that remember their place, also once they are merged into one document.

PyYAML reads YAML 1.1: `no` as false, `010` as 8, `1e-3` as text, and keeps the last of two equal
keys. Here scalars follow the YAML 1.2 core schema; duplicate keys, aliases and tags are refused.
"""

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import yaml

from msdemucs.errors import Problem, SpecError

Scalar = str | int | float | bool | None

DEEPEST = 50
"""Sections inside sections beyond which a document is refused; a spec has about five."""

MOST_DIGITS = 300
"""Of a number: a float holds no more, and Python reads no whole number of several thousand."""

MAGIC = {
    b"SQLite format 3\0": "an SQLite database; msdemucs study show FILE shows a study's",
    b"PK\3\4": "a ZIP archive, as PyTorch's checkpoints are; msdemucs weights import takes some",
    b"\x80\2": "a pickle, as PyTorch's older checkpoints are; msdemucs weights import takes some",
    b"RIFF": "audio; msdemucs separate takes it",
    b"fLaC": "audio; msdemucs separate takes it",
    b"OggS": "audio; msdemucs separate takes it",
    b"ID3": "audio; msdemucs separate takes it",
    b"PAR1": "a Parquet table; pandas reads it",
    b"\x89PNG": "a picture",
}
"""What files that hold no text begin with, and what they are."""


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

    def below(self, *parts: str) -> "Node":
        """The node of a field, or of a name in a list; the nearest one above where it is not."""
        node = self
        for part in parts:
            listed = node.value if isinstance(node.value, list) else []
            named = next((entry for entry in listed if entry.value == part), None)
            child = node.child(part) or named
            if child is None:
                break
            node = child
        return node

    def problem(self, message: str, *, field: str, hint: str = "") -> Problem:
        """A problem where the node's name is written; its value, where it has none."""
        return (self.key or self.place).problem(message, field=field, hint=hint)

    def problem_at(self, parts: Sequence[str], message: str, hint: str = "") -> Problem:
        """A problem with a field, at its line or at that of the nearest field above it."""
        return self.below(*parts).problem(message, field=".".join(parts), hint=hint)


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
        if node.tag in _NUMBERS and len(node.value) > MOST_DIGITS:
            message = f"a number has at most {MOST_DIGITS} digits"
            self.problems.append(place.problem(message, field=field))
            return Node(None, place)
        value = _CONVERT.get(node.tag, str)(node.value)
        if isinstance(value, float) and math.isinf(value):
            message = f"{node.value} is too large a number"
            self.problems.append(place.problem(message, field=field))
        return Node(value, place)

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
                entry = self.read(value, _within(field, key.value))
                entries[key.value] = replace(entry, key=self.place(key.start_mark))
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
        message = error.problem or error.context or "is not YAML"
        if error.problem and error.context and error.problem.startswith("but "):
            message = f"{error.context}, {error.problem}"  # one sentence, begun in the context
        has_tab = "\t" in place.text[: place.column]
        hint = "indent with spaces, not tabs" if has_tab else ""
        raise SpecError([place.problem(message, hint=hint)]) from None
    except yaml.reader.ReaderError as error:
        place = _place_after(text[: error.position], path)
        message = f"U+{error.character:04X} is a character that YAML does not allow"
        raise SpecError([place.problem(message)]) from None
    except yaml.YAMLError as error:
        raise SpecError([Place(path).problem(f"is not YAML: {error}")]) from None
    if not isinstance(root, yaml.MappingNode):
        kinds = {yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value"}
        message = f"must hold fields (name: value), found {kinds.get(type(root), 'nothing')}"
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
        kind = next((kind for start, kind in MAGIC.items() if data.startswith(start)), "")
        if not kind and data[8:9] == b"{" and int.from_bytes(data[:8], "little") < 1 << 32:
            kind = (
                "a file of weights (safetensors); msdemucs weights show FILE shows the spec in it"
            )
        if kind:
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


def _place_after(text: str, path: str) -> Place:
    """The place that a document has come to after some of its text."""
    *_, last = text.split("\n")
    return Place(path, text.count("\n") + 1, len(last) + 1)


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


def override(node: Node, overrides: Mapping[str, object]) -> Node:
    """The node with dotted fields set: `{"fusion.output.kind": "sum", "attention.0.heads": 4}`.

    Args:
        node: the root mapping.
        overrides: dotted field → plain value; list entries by number, `a.0` or `a[0]`.

    Raises:
        SpecError: a list entry that does not exist.
    """
    for field, value in overrides.items():
        node = _set(node, split_field(field), nodes_of(value, "override"), field)
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
