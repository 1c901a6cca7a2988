"""A file of one kind given in another's place says what it is, and what takes it."""

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
from msdemucs.study.search_space.space import SearchSpace
from msdemucs.train import Recipe

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
