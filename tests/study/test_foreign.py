"""Files that hold no studies stay as they are, whatever reads them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from msdemucs.cli.app import app
from msdemucs.errors import StudyError
from msdemucs.study.storage.load import load_study
from msdemucs.study.storage.studies import open_storage

READING = (
    ["report", "studies/a.db"],
    ["study", "list", "--storage", "sqlite:///studies/a.db"],
    ["study", "show", "a"],
    ["study", "export", "a", "-o", "a.csv"],
    ["study", "effects", "a"],
)


def empty(path: Path) -> str:
    path.touch()
    return "is empty: no study database"


def notes(path: Path) -> str:
    """Somebody else's database."""
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE notes (text TEXT)")
        other.execute("INSERT INTO notes VALUES ('mine')")
    return "is no study database: it holds notes"


def text(path: Path) -> str:
    path.write_text("no database at all")
    return "file is not a database"


@pytest.mark.parametrize("make", [empty, notes, text])
@pytest.mark.parametrize("command", READING, ids=lambda words: " ".join(words[:2]))
def test_reading_leaves_other_files_as_they_are(
    command: list[str], make: object, in_tmp: Path
) -> None:
    path = in_tmp / "studies" / "a.db"
    path.parent.mkdir()
    assert callable(make)
    message = make(path)
    before = path.read_bytes()
    done = CliRunner().invoke(app, command)
    assert done.exit_code != 0
    said = f"{done.output} {done.exception}"
    assert message in " ".join(said.split())
    assert path.read_bytes() == before
    assert [other.name for other in path.parent.iterdir()] == ["a.db"]


def test_an_empty_file_becomes_a_database_when_a_study_begins(in_tmp: Path) -> None:
    (in_tmp / "a.db").touch()
    with pytest.raises(StudyError, match=r"a\.db is empty"):
        load_study("a.db")
    with closing(open_storage("sqlite:///a.db", create=True)):
        pass
    with closing(open_storage("sqlite:///a.db")) as opened:
        assert opened.get_all_studies() == []
