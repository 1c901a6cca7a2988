"""A lock that is waited for long: who holds it is told, and that it is free again."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import optuna
import pytest

from msdemucs.study.storage import locks
from msdemucs.study.storage.databases import Database
from msdemucs.study.storage.load import load_study, open_storage

HOLDERS = {
    "database": "c = sqlite3.connect(path, isolation_level=None); c.execute('BEGIN EXCLUSIVE')",
    "turn": "f = open(path + '.lock', 'w'); fcntl.flock(f, fcntl.LOCK_EX)",
}
"""Programs that hold a lock of a study's database."""


@pytest.fixture
def storage(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database with a study; locks are told of at once."""
    monkeypatch.setattr(locks, "TOLD_AFTER_S", 0.05)
    with closing(open_storage("sqlite:///a.db", create=True)) as opened:
        optuna.create_study(study_name="a", storage=opened)
        assert isinstance(opened, Database)
        yield opened


@contextmanager
def held(kind: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that holds a lock until its input ends."""
    lines = f"import fcntl, sqlite3, sys; path = 'a.db'; {HOLDERS[kind]}"
    words = [sys.executable, "-c", f"{lines}; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


def lets_go(process: "subprocess.Popen[bytes]", lines: list[str]) -> Callable[[str], None]:
    """A listener at whose first line the process lets go of its lock."""

    def say(line: str) -> None:
        lines.append(line)
        assert process.stdin is not None
        process.stdin.close()

    return say


@pytest.mark.parametrize("kind", HOLDERS)
def test_who_holds_a_database_is_told_while_it_is_waited_for(kind: str, storage: Database) -> None:
    lines: list[str] = []
    with held(kind) as process:
        storage.waiting.say = lets_go(process, lines)
        with storage.study_lock("a"):
            storage.set_study_user_attr(1, "x", 1)
    assert f"is locked by process {process.pid} (python" in lines[0]
    assert lines[1].endswith("is free again")
    assert len(lines) == 2


def test_reading_a_locked_database_tells_without_a_listener(
    storage: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with held("database") as process:
        say = lets_go(process, [])
        caplog.handler.addFilter(lambda record: not say(record.getMessage()))
        assert load_study("a.db").name == "a"
    assert f"a.db is locked by process {process.pid}" in caplog.messages[0]


def test_a_lock_of_which_nobody_knows_the_holder_is_told_all_the_same(
    storage: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "LOCKS", Path("nowhere"))
    lines: list[str] = []
    with held("database") as process:
        storage.waiting.say = lets_go(process, lines)
        storage.set_study_user_attr(1, "x", 1)
    assert "a.db is locked by another program; waiting" in lines[0]
