"""Relational databases that outlive restarts, written in as few statements as a study needs."""

import functools
import json
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from msdemucs.errors import causes
from msdemucs.study.storage.locks import (
    LOCK_TIMEOUT_S,
    Journal,
    Waiting,
    locked,
    tell_when_locked,
    told_when_locked,
)
from msdemucs.study.storage.urls import database_path

PATIENCE_S = 300.0
"""How long a database may be away before a study gives up."""

LONGEST_PAUSE_S = 15.0

GLANCE = (
    "SELECT state, count(*), max(trial_id) FROM trials WHERE study_id = :study "
    "GROUP BY state ORDER BY state"
)

INDEX = "msdemucs_result_key"

ADD_INDEX = (
    f"CREATE INDEX IF NOT EXISTS {INDEX} ON trial_user_attributes (value_json) "
    "WHERE key = 'result_key'"
)

DISK_FULL = "53100"
"""PostgreSQL's code for it."""


T = TypeVar("T")


class Database(RDBStorage):
    """An SQLite file or a PostgreSQL database that is asked again while it does not answer.

    A write may have been done although its answer was lost; all but the making of a trial can be
    repeated without harm, and a trial made twice stays unclaimed and is cleared away.

    Attributes:
        leaves_out: user attributes that are not kept of a study's trials; `whole` reads all.
    """

    def __init__(self, url: str) -> None:
        self.waiting = Waiting()
        self.leaves_out: tuple[str, ...] = ()
        self._here = threading.local()
        self.is_sqlite = url.startswith("sqlite")
        kwargs: dict[str, Any] = {"connect_args": {"timeout": LOCK_TIMEOUT_S}}
        if not self.is_sqlite:  # a connection a worker, more only for moments
            kwargs = {"pool_size": 1, "max_overflow": 5, "pool_pre_ping": True}
        path = database_path(url)
        with told_when_locked(path, self.waiting) if path else nullcontext():
            super().__init__(url, engine_kwargs=kwargs)
        if path:
            tell_when_locked(self.engine, path, self.waiting)
        weakref.finalize(self, self.engine.dispose)  # drivers complain of connections left open

    @staticmethod
    def _fill_storage_url_template(template: str) -> str:
        """The URL as it is: Optuna's own would format it, and paths and passwords have braces."""
        return template

    @contextmanager
    def study_lock(self, study: str) -> Iterator[None]:
        """A block that only one of all processes that work on a study is in at any time."""
        path = self.engine.url.database
        if self.is_sqlite and path is not None:
            with locked(Path(f"{path}.lock"), self.waiting.say):
                yield
            return
        connection = self.with_retries(lambda: self._take_turn(study))
        try:
            yield
        finally:
            with suppress(SQLAlchemyError):  # the lock ends with its connection
                connection.close()

    def _take_turn(self, study: str) -> sqlalchemy.Connection:
        """A connection that holds the study's lock for as long as it is open."""
        connection = self.engine.connect()
        try:
            _take(connection, study)
        except BaseException:
            with suppress(SQLAlchemyError):
                connection.close()
            raise
        return connection

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    def with_retries(self, call: Callable[[], T]) -> T:
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
                    self.waiting.answered_at = time.monotonic()
                    self.waiting.say("the database answers again")
                return result

    @contextmanager
    def together(self) -> Iterator[None]:
        """A block whose attributes of trials, if set by this thread, are written at its end."""
        outer = getattr(self._here, "rows", None)
        self._here.rows = rows = {} if outer is None else outer
        try:
            yield
        finally:
            self._here.rows = outer
            if outer is None and rows:
                self._write(rows)

    def change_marker(self, study_id: int) -> object:
        """Something that differs once a trial of a study has begun, ended or been enqueued."""
        query = sqlalchemy.text(GLANCE)

        def once() -> object:
            with self.engine.connect() as connection:
                return connection.execute(query, {"study": study_id}).all()

        return self.with_retries(once)

    def set_trial_user_attr(self, trial_id: int, key: str, value: object) -> None:
        """As Optuna's, at once or together with others."""
        rows = getattr(self._here, "rows", None)
        if rows is None:
            self._write({(trial_id, key): value})
        else:
            rows[trial_id, key] = value

    def _write(self, rows: Mapping[tuple[int, str], object]) -> None:
        """Write attributes of trials in one transaction: a disk waits once for all of them."""

        def once() -> None:
            with self.engine.begin() as connection:
                write_user_attrs(connection, rows)

        self.with_retries(once)

    def _get_trials(self, *args: Any, **kwargs: Any) -> list[FrozenTrial]:
        """As Optuna's, whose cache keeps trials that ended; less of each, where little is read."""
        trials = self.with_retries(lambda: RDBStorage._get_trials(self, *args, **kwargs))
        for trial in trials:
            for name in self.leaves_out:
                trial.user_attrs.pop(name, None)
        return trials

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
                stored = self.get_trial(trial_id)
                is_ours = stored.state == state and (stored.values or []) == list(values or [])
                if attempts == 1 or not is_ours:
                    raise
                return True

        return self.with_retries(once)


def write_user_attrs(connection: Connection, attrs: Mapping[tuple[int, str], object]) -> None:
    """Set (trial's id, name) → value, by one statement: Optuna asks for the trial before each.

    Raises:
        UpdateFinishedTrialError: a trial has ended.
        KeyError: there is no such trial.
    """
    table: Any = models.TrialUserAttributeModel.__table__
    ids = sorted({trial_id for trial_id, _ in attrs})
    with Session(connection) as session:
        of_trials = session.query(models.TrialModel.trial_id, models.TrialModel.state).filter(
            models.TrialModel.trial_id.in_(ids)
        )
        # waits for who is about to end one, which a server may do for a process that was killed
        rows = of_trials.order_by(models.TrialModel.trial_id).with_for_update(key_share=True)
        states = {row.trial_id: row.state for row in rows}
    for trial_id in ids:
        if trial_id not in states:
            raise KeyError(models.NOT_FOUND_MSG)
        if states[trial_id].is_finished():
            raise UpdateFinishedTrialError(f"trial with the id {trial_id} has ended")
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(table)
    upsert = insert.on_conflict_do_update(
        index_elements=[table.c.trial_id, table.c.key],
        set_={"value_json": insert.excluded.value_json},
    )
    connection.execute(
        upsert,
        [
            {"trial_id": trial_id, "key": name, "value_json": json.dumps(value)}
            for (trial_id, name), value in attrs.items()
        ],
    )


def create_database(url: str) -> Database:
    """A database with Optuna's tables and the index by which results are found, made if absent.

    Only one of all processes makes them at any time: Optuna looks for the tables and then makes
    them, whoever else is about to.
    """
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    path = engine.url.database
    with ExitStack() as held:
        if url.startswith("sqlite") and path is not None:
            held.enter_context(locked(Path(f"{path}.lock")))
        else:
            _take(held.enter_context(engine.connect()), "tables")
        opened = Database(url)
        with suppress(SQLAlchemyError):  # results are found without it, only later
            known = sqlalchemy.inspect(opened.engine).get_indexes("trial_user_attributes")
            if not any(index["name"] == INDEX for index in known):
                with opened.engine.begin() as connection:
                    connection.execute(sqlalchemy.text(ADD_INDEX))
        return opened


def _take(connection: sqlalchemy.Connection, name: str) -> None:
    """Wait for a lock of PostgreSQL's, which ends with the connection's transaction."""
    key = {"key": zlib.crc32(f"msdemucs {name}".encode())}
    connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:key)"), key)


REPEATED = (
    *("delete_study", "set_study_user_attr", "set_study_system_attr", "get_study_id_from_name"),
    *("get_study_name_from_id", "get_study_directions", "get_study_user_attrs"),
    *("get_study_system_attrs", "get_all_studies", "_create_new_trial", "_set_trial_param"),
    *("set_trial_intermediate_value", "set_trial_system_attr"),
    *("get_trial_id_from_study_id_trial_number", "_get_best_trial_id", "get_trial"),
)
"""RDBStorage's methods that Optuna calls, and that are asked again while the database is away."""


def _repeated(name: str) -> Callable[..., Any]:
    method: Callable[..., Any] = getattr(RDBStorage, name)

    @functools.wraps(method)
    def call(self: Database, *args: Any, **kwargs: Any) -> Any:
        return self.with_retries(functools.partial(method, self, *args, **kwargs))

    return call


for _name in REPEATED:
    setattr(Database, _name, _repeated(_name))


def below_cache(storage: BaseStorage) -> BaseStorage:
    """The storage itself, of which Optuna's studies hold a cache."""
    backend: BaseStorage = getattr(storage, "_backend", storage)
    return backend


def together(storage: BaseStorage) -> AbstractContextManager[None]:
    """A block whose attributes of trials are written at its end, in one transaction."""
    backend = below_cache(storage)
    return backend.together() if isinstance(backend, Database) else nullcontext()


def named_lock(storage: BaseStorage, name: str) -> AbstractContextManager[None]:
    """A block that only one of all processes that use a storage and a name is in at any time."""
    backend = below_cache(storage)
    return backend.study_lock(name) if isinstance(backend, Database | Journal) else nullcontext()


def whole(storage: BaseStorage, trial_id: int) -> FrozenTrial:
    """A trial with all its attributes, whatever a process that runs trials leaves unread."""
    return below_cache(storage).get_trial(trial_id)


def reason_of(error: BaseException) -> str:
    """The driver's own line about what went wrong first."""
    errors = [cause for cause in causes(error) if isinstance(cause, DBAPIError)]
    cause = errors[-1] if errors else error.__cause__ or error
    text = str(getattr(cause, "orig", None) or cause or error).strip()
    return (text.splitlines() or ["no reason given"])[0]


def _is_away(error: BaseException) -> bool:
    """Whether a database may answer later: it restarts, or the network failed.

    Optuna's look at trials asks again by itself, in the transaction that failed, and raises that.
    """
    for cause in causes(error):
        if isinstance(cause, DBAPIError) and cause.connection_invalidated:
            return True
        is_full = getattr(getattr(cause, "orig", None), "sqlstate", None) == DISK_FULL
        if isinstance(cause, OperationalError | InterfaceError):
            return not is_full
    return False


StudyStorage = Database | Journal
"""What a study is kept in."""
