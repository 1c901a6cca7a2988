"""The three kinds of storage, made to outlive restarts, kills and full disks."""

import fcntl
import functools
import json
import os
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

LOCK_TIMEOUT_S = 300
"""How long a writer waits for SQLite's lock before it gives up."""

PATIENCE_S = 300.0
"""How long a database may be away before a study gives up."""

LONGEST_PAUSE_S = 15.0

DISK_FULL = "53100"
"""PostgreSQL's code for it."""


T = TypeVar("T")


class Waiting:
    """Whom to tell that a database is away, and who may end the waiting.

    Attributes:
        say: is told once when the waiting begins, and when it is over.
        is_over: whether to give up at once: Ctrl-C.
    """

    def __init__(self) -> None:
        self.say: Callable[[str], None] = lambda _: None
        self.is_over: Callable[[], bool] = lambda: False


class Database(RDBStorage):
    """An SQLite file or a PostgreSQL database that is asked again while it does not answer.

    A write may have been done although its answer was lost; all but the making of a trial can be
    repeated without harm, and a trial made twice stays unclaimed and is cleared away.
    """

    def __init__(self, url: str) -> None:
        self.waiting = Waiting()
        self._together = threading.local()
        self.is_sqlite = url.startswith("sqlite")
        kwargs: dict[str, Any] = {"connect_args": {"timeout": LOCK_TIMEOUT_S}}
        if not self.is_sqlite:  # a connection a worker, more only for moments
            kwargs = {"pool_size": 1, "max_overflow": 5, "pool_pre_ping": True}
        super().__init__(url, engine_kwargs=kwargs)
        weakref.finalize(self, self.engine.dispose)  # drivers complain of connections left open

    @contextmanager
    def turn(self, study: str) -> Iterator[None]:
        """A block that only one of all processes that work on a study is in at any time."""
        path = self.engine.url.database
        if self.is_sqlite and path is not None:
            with locked(Path(f"{path}.lock")):
                yield
            return
        connection = self.patiently(lambda: self._take_turn(study))
        try:
            yield
        finally:
            with suppress(SQLAlchemyError):  # the lock ends with its connection
                connection.close()

    def _take_turn(self, study: str) -> sqlalchemy.Connection:
        """A connection that holds the study's lock for as long as it is open."""
        connection = self.engine.connect()
        try:
            key = {"key": zlib.crc32(f"msdemucs {study}".encode())}
            connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), key)
        except BaseException:
            with suppress(SQLAlchemyError):
                connection.close()
            raise
        return connection

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    def patiently(self, call: Callable[[], T]) -> T:
        """The call's result, repeated with growing pauses while the database is away.

        Raises:
            StorageInternalError: the database was away for PATIENCE_S.
            SQLAlchemyError: likewise, or something else is wrong.
        """
        began, pause = time.monotonic(), 0.25
        while True:
            try:
                result = call()
            except (StorageInternalError, SQLAlchemyError) as error:
                waited = time.monotonic() - began
                is_over = waited > PATIENCE_S or self.waiting.is_over()
                if is_over or self.is_sqlite or not _is_away(error):
                    raise
                if pause == 0.25:
                    self.waiting.say(f"the database does not answer: {reason_of(error)}; waiting")
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                if pause > 0.25:
                    self.waiting.say("the database answers again")
                return result

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block whose attributes of trials, if set by this thread, are written at its end."""
        outer = getattr(self._together, "rows", None)
        self._together.rows = rows = {} if outer is None else outer
        try:
            yield
        finally:
            self._together.rows = outer
            if outer is None and rows:
                self.patiently(functools.partial(self._write, rows))

    def set_trial_user_attr(self, trial_id: int, key: str, value: object) -> None:
        """As Optuna's, at once or together with others."""
        rows = getattr(self._together, "rows", None)
        if rows is None:
            self.patiently(functools.partial(self._write, {(trial_id, key): value}))
        else:
            rows[trial_id, key] = value

    def _write(self, rows: Mapping[tuple[int, str], object]) -> None:
        """Write attributes of trials in one transaction: a disk waits once for all of them."""
        model = optuna.storages._rdb.models.TrialUserAttributeModel
        with _create_scoped_session(self.scoped_session, ignore_integrity_error=True) as session:
            for (trial_id, key), value in rows.items():
                self._set_trial_attr_without_commit(session, model, trial_id, key, value)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """As Optuna's; an end that was recorded although its answer was lost is an end."""
        attempts = 0

        def once() -> bool:
            nonlocal attempts
            attempts += 1
            try:
                return RDBStorage.set_trial_state_values(self, trial_id, state, values)
            except UpdateFinishedTrialError:
                stored = RDBStorage.get_trial(self, trial_id)
                is_ours = stored.state == state and (stored.values or []) == list(values or [])
                if attempts == 1 or not is_ours:
                    raise
                return True

        return self.patiently(once)


REPEATED = (
    *("delete_study", "set_study_user_attr", "set_study_system_attr", "get_study_id_from_name"),
    *("get_study_name_from_id", "get_study_directions", "get_study_user_attrs"),
    *("get_study_system_attrs", "get_all_studies", "_create_new_trial", "_set_trial_param"),
    *("set_trial_intermediate_value", "set_trial_system_attr", "get_trial"),
    *("get_trial_id_from_study_id_trial_number", "_get_trials", "_get_best_trial_id"),
)
"""RDBStorage's methods that Optuna calls, and that are asked again while the database is away."""


def _repeated(name: str) -> Callable[..., Any]:
    method: Callable[..., Any] = getattr(RDBStorage, name)

    @functools.wraps(method)
    def call(self: Database, *args: Any, **kwargs: Any) -> Any:
        return self.patiently(functools.partial(method, self, *args, **kwargs))

    return call


for _name in REPEATED:
    setattr(Database, _name, _repeated(_name))


class Journal(JournalStorage):
    """A file to which every process appends what it does."""

    def __init__(self, path: Path) -> None:
        self.waiting = Waiting()
        self.path = path
        super().__init__(JournalFile(path))

    def close(self) -> None:
        """Nothing: the file is opened for each read and write."""

    @contextmanager
    def turn(self, study: str) -> Iterator[None]:  # noqa: ARG002 (one lock a file)
        """A block that only one of all processes that work on a study is in at any time."""
        with locked(self.path.with_name(self.path.name + ".turn")):
            yield


class JournalFile(JournalFileBackend):
    """Optuna's journal file with the kernel's lock, and without half-written lines.

    A kill or a full disk in the middle of a write leaves a line without an end, which Optuna takes
    for a damaged file as soon as another line follows; here it is removed before one does: nobody
    was told that it was written. The kernel's lock ends with the process that holds it; Optuna's
    own locks stay for 30 s after a kill.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(str(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append lines, all or none.

        Raises:
            OSError: they cannot be written.
        """
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with locked(self.path.with_name(self.path.name + ".lock")), self.path.open("r+b") as file:
            end = _end_of_last_line(file)
            file.truncate(end)
            file.seek(end)
            try:
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    os.ftruncate(file.fileno(), end)
                raise


def _end_of_last_line(file: Any) -> int:
    """The position after the last line that has an end."""
    position = file.seek(0, os.SEEK_END)
    while position:
        begin = max(0, position - 65536)
        file.seek(begin)
        found = file.read(position - begin).rfind(b"\n")
        if found >= 0:
            return int(begin + found + 1)
        position = begin
    return 0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the kernel's lock on a file, which is made; a killed process lets go of it."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def reason_of(error: BaseException) -> str:
    """The driver's own line about what is wrong."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    text = str(getattr(cause, "orig", None) or cause or error).strip()
    return (text.splitlines() or ["no reason given"])[0]


def _is_away(error: BaseException) -> bool:
    """Whether a database may answer later: it restarts, or the network failed."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, DBAPIError) and cause.connection_invalidated:
        return True
    is_full = getattr(getattr(cause, "orig", None), "sqlstate", None) == DISK_FULL
    return isinstance(cause, OperationalError | InterfaceError) and not is_full


AnyStorage = Database | Journal
"""What a study is kept in."""
