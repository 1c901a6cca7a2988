"""Folders that are whole or not there at all."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from msdemucs.data.made import make_folder
from msdemucs.errors import DataError

FROM = {"recipe": 1}


def _write(folder: Path) -> Mapping[str, object]:
    (folder / "a.txt").write_text("hello")
    return {"told": True}


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    assert make_folder(tmp_path / "made", FROM, _write)
    assert (tmp_path / "made" / "a.txt").read_text() == "hello"


def test_parents_are_made(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "data" / "made", FROM, _write)


def test_a_run_that_stops_half_way_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> Mapping[str, object]:
        _write(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_folder(tmp_path / "made", FROM, interrupted)
    assert [*tmp_path.iterdir()] == []


def test_another_process_may_be_quicker_and_have_the_same_number(tmp_path: Path) -> None:
    def overtaken(folder: Path) -> Mapping[str, object]:
        (folder / "first.txt").write_text("whose draft this is")
        assert make_folder(tmp_path / "made", FROM, _write)
        assert (folder / "first.txt").is_file()
        return _write(folder)

    assert not make_folder(tmp_path / "made", FROM, overtaken)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(DataError, match="not made by msdemucs; choose another folder"):
        make_folder(tmp_path, FROM, _write)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", [None, "hell"])
def test_damage_is_named_with_what_to_do(tmp_path: Path, text: str | None) -> None:
    make_folder(tmp_path / "made", FROM, _write)
    if text is None:
        (tmp_path / "made" / "a.txt").unlink()
    else:
        (tmp_path / "made" / "a.txt").write_text(text)
    with pytest.raises(DataError, match=r"a\.txt: is damaged or gone; remove .*made and run"):
        make_folder(tmp_path / "made", FROM, _write)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be made"):
        make_folder(tmp_path / "file" / "made", FROM, _write)
    with pytest.raises(DataError, match="cannot be made"):
        make_folder(tmp_path / "file", FROM, _write)
