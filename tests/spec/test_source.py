"""Strict YAML: scalars of the core schema, places, and what is refused."""

from pathlib import Path

import pytest

from msdemucs.errors import SpecError
from msdemucs.spec.source import read_yaml, read_yaml_file


def plain(text: str) -> object:
    node = read_yaml(f"value: {text}", "test.yaml").child("value")
    assert node is not None
    return node.plain()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("010", 10),
        ("-3", -3),
        ("1e-3", 1e-3),
        (".5", 0.5),
        ("2.", 2.0),
        ("true", True),
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'8'", "8"),
        ("2026-11-20", "2026-11-20"),
        ("[1, a, {b: 2}]", [1, "a", {"b": 2}]),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    found = plain(text)
    assert found == value
    assert type(found) is type(value)


def test_values_and_keys_know_their_place() -> None:
    root = read_yaml("a: 1\nb:\n  - x\n  - {deep: 2}\n", "test.yaml")
    entry = root.child("b")
    assert entry is not None
    item = entry.child(1)
    assert item is not None
    deep = item.child("deep")
    assert deep is not None
    assert deep.key is not None
    assert (deep.place.line, deep.place.column, deep.key.column) == (4, 12, 6)
    assert deep.place.text == "  - {deep: 2}"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "“a” is given twice, first on line 1"),
        ("a: &x 1\nb: *x\n", 2, "aliases"),
        ("a:\n\t- 1\n", 2, "cannot start any token"),
        ("a: [1, 2\n", 2, "expected ',' or ']'"),
        ("- 1\n- 2\n", 1, "must hold fields"),
        ("", 1, "found nothing"),
        ("? [a, b]\n: 1\n", 1, "a key must be a name"),
        ("a: 1\nb: !!int x\n", 2, "tags (!name) are refused"),
        ("a: 1\n? !t b\n: 1\n", 2, "tags (!name) are refused"),
        ("a: 1\nb: " + "[" * 3000, 2, "more than 50 lists and mappings"),
        ("a: 1\nb: " + "9" * 5000, 2, "at most 300 digits"),
        ("a: 1\nb: -1e999\n", 2, "-1e999 is too large a number"),
        ("a: 1\nb: 'c\0d'\n", 2, "U+0000 is a character that YAML does not allow"),
        ("a: 1\n---\nb: 1\n", 2, "expected a single document in the stream, but found another"),
    ],
)
def test_what_is_refused_names_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(SpecError, match=r"test\.yaml") as caught:
        read_yaml(text, "test.yaml")
    assert caught.value.first.line == line
    assert message in caught.value.first.message


def test_a_field_that_is_no_ascii_number_names_no_entry_of_a_list() -> None:
    entries = read_yaml("a: [1, 2]\n", "test.yaml").child("a")
    assert entries is not None
    assert entries.child("²") is None


def test_a_tab_gets_a_hint() -> None:
    with pytest.raises(SpecError, match="indent with spaces"):
        read_yaml("a:\n\t- 1\n", "test.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gone\.yaml: error: there is no such file"):
        read_yaml_file(tmp_path / "gone.yaml")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(SpecError, match=r"binary\.yaml:2:7: error: cannot be read as UTF-8"):
        read_yaml_file(path)
