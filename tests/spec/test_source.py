"""Strict YAML: scalars of the core schema, places, what is refused; and files of another kind."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from pydantic import BaseModel
from typer.testing import CliRunner

from msdemucs.cli.app import app
from msdemucs.errors import SpecError, UsageError
from msdemucs.spec import Spec
from msdemucs.spec.sections import DOCUMENTS
from msdemucs.spec.source import read_yaml, read_yaml_file
from msdemucs.study.search_space.space import SearchSpace
from msdemucs.train import Recipe


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


FILES = {
    "spec.yaml": "extends: htdemucs_n\nname: mine\n",
    "recipe.yaml": "name: mine\nsegment: 2\nbatch_size: 2\nsteps: 4\n",
    "space.yaml": "name: mine\nbase: htdemucs_n\nvary: {depth: {int: [3, 4]}}\n",
    "list.yaml": "- name: mine\n",
    "text.yaml": "mine\n",
}

SPEC, RECIPE = ["spec", "check"], ["train", "htdemucs_n", "--data", ".", "--out", "x", "--recipe"]
STUDY, SMALL = ["study", "run"], ["study", "run", "--small"]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text)
    with closing(sqlite3.connect("study.db")) as opened:
        opened.execute("CREATE TABLE studies (x)")
    safetensors.numpy.save_file({"x": np.zeros(2)}, "weights.safetensors")


@pytest.mark.parametrize(
    ("command", "file", "message"),
    [
        (SPEC, "space.yaml", "space.yaml:1:1: error: is a search space, and no spec"),
        (SPEC, "recipe.yaml", "is a recipe, and no spec"),
        (STUDY, "spec.yaml", "is a spec, and no search space"),
        (SMALL, "spec.yaml", "is a spec, and no search space"),
        (STUDY, "recipe.yaml", "is a recipe, and no search space"),
        (RECIPE, "spec.yaml", "is a spec, and no recipe"),
        (RECIPE, "space.yaml", "is a search space, and no recipe"),
        *((command, "list.yaml", "found a list") for command in (SPEC, STUDY, RECIPE)),
        *((command, "text.yaml", "found a single value") for command in (SPEC, STUDY, RECIPE)),
        *((command, "study.db", "an SQLite database") for command in (SPEC, STUDY, RECIPE)),
        *((command, "weights.safetensors", "of weights") for command in (SPEC, STUDY, RECIPE)),
    ],
)
def test_another_kind_of_file_is_one_error_that_says_what_it_is(
    command: list[str], file: str, message: str, files: None
) -> None:
    done = CliRunner().invoke(app, [*command, file])
    assert isinstance(done.exception, SpecError)
    assert message in str(done.exception)
    assert len(done.exception.problems) == 1


@pytest.mark.parametrize("command", ["show", "best", "effects", "fidelity", "rm"])
def test_a_file_in_a_studys_place_is_told(command: str, files: None) -> None:
    done = CliRunner().invoke(app, ["study", command, "space.yaml"])
    assert isinstance(done.exception, UsageError)
    assert "space.yaml is a file, but no study's database" in str(done.exception)


def test_the_marks_of_a_kind_are_fields_of_its_own() -> None:
    models: dict[str, type[BaseModel]] = {
        "Spec": Spec,
        "Recipe": Recipe,
        "SearchSpace": SearchSpace,
    }
    assert models.keys() == DOCUMENTS.keys()
    for name, kind in DOCUMENTS.items():
        others = (other for key, other in models.items() if key != name)
        assert kind.marks - {"extends"} <= {*models[name].model_fields}
        assert not any(kind.marks & {*other.model_fields} for other in others)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "vary: {channels.start: [4, 8]}",
            r"{choice: [4, 8]} tries each of these values, {int:",
        ),
        ("vary: {channels.start: 4}", "{choice: [4]} tries each"),
        ("factors: {a: {x: {}, y: {depth: 3}}}", "mode: ablation"),
        ("factors: {a: {x: {}, y: {depth: 3}}}\nbaselines: [htdemucs]", "mode: ablation"),
    ],
)
def test_a_search_space_that_says_half_is_told_the_other_half(
    lines: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(f"name: mine\nbase: htdemucs_n\n{lines}\n")
    done = CliRunner().invoke(app, ["study", "run", str(path)])
    assert isinstance(done.exception, SpecError)
    assert re.search(re.escape(message), str(done.exception))
