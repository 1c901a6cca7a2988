"""Storages that restart, fill up or are cut off in the middle of a write."""

import errno
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from msdemucs.errors import CheckpointError, StudyError
from msdemucs.study.execution.loop import run_study
from msdemucs.study.execution.trial_runner import is_disk_full
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage import databases
from msdemucs.study.storage.databases import Database
from msdemucs.study.storage.load import load_study, open_storage, study_names
from msdemucs.study.storage.locks import Journal, JournalFile
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import TrialRecorder
from tests.study.conftest import asking, toy
from tests.study.postgres import Postgres
from tests.study.test_loop import Ears


def test_processes_that_begin_at_once_make_the_tables_once(url: str) -> None:
    at_once = threading.Barrier(4)

    def names() -> list[str]:
        at_once.wait(60)
        with closing(open_storage(url, create=True)) as opened:
            return study_names(opened)

    with ThreadPoolExecutor(4) as pool:
        begun = [pool.submit(names) for _ in range(4)]
        assert [one.result(60) for one in begun] == [[]] * 4


@pytest.mark.slow
def test_a_study_outlives_a_restart_of_its_database(search: Search, postgres: Postgres) -> None:
    url = postgres.create_database("restarted")

    class Restarts(Ears):
        """Starts the server once it hears that it is away."""

        def said(self, message: str) -> None:
            super().said(message)
            if message.startswith("the database does not answer"):
                postgres.start()

    ears = Restarts()

    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        if candidate.trial == 1:
            postgres.stop()
        toy(candidate, log)

    finished = run_study(asking(search, trials=3), evaluate, storage=url, listener=ears)
    assert finished.complete == 3
    assert [line.split(":")[0] for line in ears.lines] == [
        "the database does not answer",
        "the database answers again",
    ]
    assert list(load_study("toy", storage=url).trials.failure.dropna()) == []


@pytest.mark.slow
def test_a_look_that_a_restart_cuts_short_is_repeated(postgres: Postgres) -> None:
    opened = Database(postgres.create_database("cut"))
    said: list[str] = []
    opened.waiting.say = said.append
    study = optuna.create_study(storage=opened, study_name="toy")
    study.ask()
    cuts = iter([postgres.stop])

    def cut(*about: object) -> None:
        if "FROM trials" in str(about[2]):
            for stop in cuts:
                stop()
                threading.Timer(0.3, postgres.start).start()

    sqlalchemy.event.listen(opened.engine, "before_cursor_execute", cut)
    assert len(study.get_trials(deepcopy=False)) == 1
    assert said[0].startswith("the database does not answer")
    assert said[-1] == "the database answers again"
    assert "Can't reconnect" not in said[0], "what went wrong first, not what came of it"
    opened.close()


@pytest.mark.slow
def test_a_database_that_stays_away_ends_the_study_with_a_message(
    search: Search, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.create_database("gone")
    monkeypatch.setattr(databases, "PATIENCE_S", 0.5)

    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        if candidate.trial == 1:
            postgres.stop()
        toy(candidate, log)

    try:
        with pytest.raises(StudyError, match="same command continues the study") as caught:
            run_study(asking(search, trials=3), evaluate, storage=url)
        assert "msdemucs@127.0.0.1" in str(caught.value)
    finally:
        postgres.start()
    assert run_study(asking(search, trials=3), toy, storage=url).complete == 3
    trials = load_study("toy", storage=url).trials
    assert list(trials.failure.dropna()) == ["killed; goes on as trial 2"]


def test_an_answer_that_was_lost_is_no_second_end(in_tmp: Path) -> None:
    class Forgetful(Database):
        """Ends trials, and breaks off before it says so, once."""

        def with_retries(self, call):  # type: ignore[no-untyped-def]
            call()
            return call()

    with closing(Forgetful(f"sqlite:///{in_tmp}/a.db")) as opened:
        study = optuna.create_study(storage=opened)
        trial = study.ask()  # made twice: the first is left to be cleared away
        study.tell(trial, 1.0)
        assert [trial.value for trial in study.trials] == [None, 1.0]
        with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
            opened.set_trial_state_values(trial._trial_id, TrialState.FAIL)


def test_a_half_written_line_of_a_journal_is_removed_by_the_next_writer(in_tmp: Path) -> None:
    path = in_tmp / "a.journal"
    study = optuna.create_study(storage=Journal(path), study_name="a")
    study.tell(study.ask(), 1.0)
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"kil')
    again = optuna.load_study(storage=Journal(path), study_name="a")
    again.tell(again.ask(), 2.0)
    assert [trial.value for trial in study.trials] == [1.0, 2.0]
    assert [t.value for t in optuna.load_study(storage=Journal(path), study_name="a").trials] == [
        1,
        2,
    ]
    assert b"kil" not in path.read_bytes()


def test_optunas_own_journal_reads_ours(in_tmp: Path, search: Search) -> None:
    finished = run_study(search, toy, storage="studies/toy.journal")
    backend = optuna.storages.journal.JournalFileBackend("studies/toy.journal")
    study = optuna.load_study(storage=optuna.storages.JournalStorage(backend), study_name="toy")
    assert len(study.trials) >= 5
    assert [trial.number for trial in study.best_trials] == list(finished.front)
    assert load_study("studies/toy.journal").name == "toy"
    assert finished.url == "journal:///studies/toy.journal"


def test_a_write_that_fails_leaves_the_journal_as_it_was(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = JournalFile(in_tmp / "a.journal")
    file.append_logs([{"a": 1}])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            file.append_logs([{"b": "x" * 9000}])
    file.append_logs([{"c": 3}])
    assert list(file.read_logs(0)) == [{"a": 1}, {"c": 3}]


def test_a_full_disk_ends_the_study_and_the_trial_goes_on_later(search: Search) -> None:
    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        if candidate.trial == 1:
            (candidate.folder / "checkpoint").mkdir(parents=True)
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            except OSError as error:
                raise CheckpointError("cannot be written") from error
        toy(candidate, log)

    with pytest.raises(StudyError, match=r"no space is left .* same command continues"):
        run_study(search, evaluate)
    trials = load_study("toy").trials
    assert list(trials.state) == ["complete", "continued", "waiting"]
    finished = run_study(search, toy)
    assert finished.complete == 5
    folder = Path("studies/toy/trials/1")
    assert load_study("toy").trials.log[2] == str(folder / "log.txt")
    assert (folder / "checkpoint").is_dir()


def test_a_database_on_a_full_disk_loses_nothing(search: Search) -> None:
    """SQLite is told that its file may not grow: it says then that the disk is full."""
    run_study(asking(search, trials=2), toy)
    limit = [0]
    connect = sqlite3.connect

    class Limited(sqlite3.Connection):
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)  # type: ignore[arg-type]
            if limit[0]:
                super().execute(f"PRAGMA max_page_count = {limit[0]}")

    pages = connect("studies/toy.db").execute("PRAGMA page_count").fetchone()[0]
    limit[0] = pages
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sqlite3.dbapi2, "connect", lambda *a, **k: Limited(*a, **k))
        with pytest.raises(StudyError, match="no space is left"):
            run_study(asking(search, trials=12), toy)
    trials = load_study("toy").trials
    assert len(trials.query("state == 'complete'")) >= 2
    assert run_study(asking(search, trials=5), toy).complete == 5


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (StorageInternalError("(sqlite3.OperationalError) database or disk is full"), True),
        (RuntimeError("I/O error: No space left on device (os error 28)"), True),
        (OSError(errno.EACCES, "x"), False),
        (ValueError("x"), False),
    ],
)
def test_a_full_disk_is_told_from_other_failures(
    error: Exception, is_full: bool, in_tmp: Path
) -> None:
    assert is_disk_full(error, in_tmp) == is_full
