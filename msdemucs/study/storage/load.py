"""Studies found by name, path or URL, opened, and read back as plain frames: a StudyRecord."""

import copy
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

import optuna
import pandas as pd
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from msdemucs.columns import COLUMNS
from msdemucs.errors import MsdemucsError, StudyError, UsageError
from msdemucs.files import within
from msdemucs.metrics import USUAL
from msdemucs.spec import nearest
from msdemucs.study.records import (
    CURVE_COLUMNS,
    LATER_COLUMNS,
    LOOKS,
    RUNG_SCORE_COLUMNS,
    SCORE_COLUMNS,
    TRIAL_COLUMNS,
    Direction,
    StudyRecord,
    is_quality,
)
from msdemucs.study.storage.databases import Database, StudyStorage, create_database, reason_of
from msdemucs.study.storage.leases import REPEATS
from msdemucs.study.storage.locks import LOCK_TIMEOUT_S, Journal, Waiting, told_when_locked
from msdemucs.study.storage.results import (
    BEGUN,
    LOOK,
    PREFIX,
    RUNG_SCORES,
    SCORES,
    STOPPED_AT,
    TEST_TRACKS,
    floors_frame,
    frame_of_trials,
    has_failed,
    is_stopped,
    looks_of,
    rows_of,
    rungs_frame,
)
from msdemucs.study.storage.urls import (
    JOURNAL_ENDINGS,
    STUDIES,
    check_url,
    database_path,
    file_url,
    storage_url,
    without_password,
)

STATE_NAMES = {
    TrialState.COMPLETE: "complete",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
    TrialState.PRUNED: "infeasible",
}

NUMBERS = tuple(name for name, column in COLUMNS.items() if column.kind == "number")
"""The columns of figures; where one was not measured it is NaN."""

FACTS = {*COLUMNS} - {*NUMBERS}

INTERNAL_ATTRS = (BEGUN, "title", "joining", "wanted", "processes", "tracks", TEST_TRACKS)
"""What is no attribute of the record: whether a study is asked the same, and how to join it."""

TABLES = frozenset({"studies", "trials", "version_info"})
"""What every SQLite file of Optuna's has; Optuna would write them into any other."""


def open_storage(url: str, *, create: bool = False) -> StudyStorage:
    """An open storage.

    Args:
        url: sqlite:///studies/a.db, journal:///studies/a.journal,
            postgresql+psycopg://user@host/name.
        create: make a file, and its folder, where there is none.

    Raises:
        UsageError: no URL, no such file, no driver.
        StudyError: no access, not a storage of Optuna's; an SQLite file that is to be read and
            holds no studies is left as it is.
    """
    check_url(url)
    path = database_path(url)
    if path is not None and create:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif path is not None and not path.is_file():
        raise UsageError(f"there is no study database {path}")
    elif path is not None and url.startswith("sqlite"):
        _refuse_other_files(path, url)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if url.startswith("journal:") and path:
            return Journal(path)
        return create_database(url) if create else Database(url)
    except (SQLAlchemyError, RuntimeError, OSError, ValueError, KeyError) as error:
        reason = str(getattr(error, "orig", None) or error)
    raise StudyError(f"cannot open {without_password(url)}: {reason}")


def _refuse_other_files(path: Path, url: str) -> None:
    """Raise StudyError for an SQLite file that is no database of studies; it is only read.

    Raises:
        StudyError: it is empty, no SQLite file, or one of something else.
    """
    try:
        if not path.stat().st_size:
            raise StudyError(f"{path} is empty: no study database")
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_S)
        with closing(connection) as opened, told_when_locked(path, Waiting()):
            rows = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    except (sqlite3.Error, OSError) as error:
        raise StudyError(f"cannot open {without_password(url)}: {error}") from error
    names = {str(name) for (name,) in rows}
    if not names >= TABLES:
        held = ", ".join(sorted(names)[:5]) or "nothing"
        raise StudyError(f"{path} is no study database: it holds {held}")


def study_names(storage: StudyStorage) -> list[str]:
    """The names of the studies in a database, oldest first."""
    return [study.study_name for study in storage.get_all_studies()]


def open_study(storage: StudyStorage, name: str) -> optuna.Study:
    """A study of a database, to be read.

    Raises:
        UsageError: there is none of that name.
    """
    names = study_names(storage)
    if name not in names:
        hint = nearest(name, names) if names else "it holds none"
        raise UsageError(f"there is no study “{name}” in this database; {hint}")
    return optuna.load_study(study_name=name, storage=storage)


def only_study(opened: StudyStorage, shown: str) -> str:
    """The name of the only study of a storage, which is shown to people by a name or URL.

    Raises:
        UsageError: there are several, or none.
    """
    names = study_names(opened)
    if len(names) != 1:
        held = ", ".join(names) or "none"
        raise UsageError(f"{shown} holds {len(names)} studies ({held}); name one, with --storage")
    return names[0]


def locate_study(study: str, storage: str | None) -> tuple[str | None, str]:
    """(its name, or None for the only one there; the URL of its database).

    Raises:
        UsageError: a name without a database under studies/.
    """
    if storage is not None:
        return study, storage_url(study, storage)
    if "://" in study or study.endswith((".db", *JOURNAL_ENDINGS)):
        return None, storage_url(study, study)
    path = within(STUDIES, study, ".db")
    if not path.is_file() and Path(study).is_file():
        endings = ", ".join((".db", *JOURNAL_ENDINGS))
        raise UsageError(
            f"{study} is a file, but no study's database ({endings}): "
            "give the name of the study, which stands in a search space under name"
        )
    if not path.is_file():
        known = sorted(file.stem for file in STUDIES.glob("[!.]*.db"))
        hint = nearest(study, known) if known else "none was run here"
        raise UsageError(f"there is no study {path}; {hint}")
    return study, storage_url(study, None)


def load_study(study: str, *, storage: str | None = None) -> StudyRecord:
    """A study read back from its database.

    Args:
        study: its name, or the path or URL of a database that holds one study.
        storage: URL of the database, for a name that is not under studies/.

    Raises:
        UsageError: there is no such study or database.
        StudyError: the database cannot be opened, or what the study holds cannot be read.
    """
    name, url = locate_study(study, storage)
    with closing(open_storage(url)) as opened, _explained(url):
        return read_record(open_study(opened, name or only_study(opened, study)))


def load_studies(
    storage: str | None = None, *, on_error: Callable[[MsdemucsError], None]
) -> Iterator[tuple[StudyRecord, str]]:
    """Every study of a database, or of all databases under studies/, with its URL.

    Args:
        storage: URL of the database; all under studies/ when not given.
        on_error: is told of a file under studies/ that cannot be opened, and of a study that
            cannot be read; it is then left out.

    Raises:
        MsdemucsError: `storage` is no database, or cannot be opened.
    """
    files = sorted(STUDIES.glob("[!.]*.db"))
    for url in [storage] if storage else map(file_url, files):
        try:
            opened = open_storage(url)
        except MsdemucsError as error:
            if storage:
                raise
            on_error(error)
            continue
        with closing(opened):
            for name in study_names(opened):
                try:
                    with _explained(url, name):
                        record = read_record(open_study(opened, name))
                except MsdemucsError as error:
                    on_error(error)
                else:
                    yield record, without_password(url)


@contextmanager
def _explained(url: str, name: str = "") -> Iterator[None]:
    """A block in which a study that is damaged, or another version's, is told in one line.

    Raises:
        StudyError: it cannot be read.
    """
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        reason = reason_of(error)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
    else:
        return
    shown = f"study “{name}” in {without_password(url)}" if name else without_password(url)
    raise StudyError(f"{shown} cannot be read: {reason}")


def read_record(study: optuna.Study) -> StudyRecord:
    """The record of an open study.

    One that msdemucs did not begin has its objectives' values; its attributes, whatever their
    names, mean something else, and are not in the record.
    """
    stored, objectives = study.get_trials(deepcopy=False), _objectives(study)
    is_ours = BEGUN in study.user_attrs
    if not is_ours:
        stored = [_values_alone(trial, objectives) for trial in stored]
    about = study.user_attrs if is_ours else {}
    directions: dict[str, Direction] = {
        name: "maximize" if direction == optuna.study.StudyDirection.MAXIMIZE else "minimize"
        for name, direction in zip(objectives, study.directions, strict=True)
    }
    attrs = {
        key: value
        for key, value in about.items()
        if key not in INTERNAL_ATTRS and not key.startswith((PREFIX, LOOK))
    }
    later = pd.DataFrame(map(asdict, rows_of(study)), columns=list(LATER_COLUMNS))
    curves = [[trial.number, *row] for trial in stored for row in trial.user_attrs.get("curve", ())]
    if looks := looks_of(study):
        attrs[LOOKS] = looks
    return StudyRecord(
        name=study.study_name,
        title=str(about.get("title", study.study_name)),
        directions=directions,
        attrs=attrs,
        trials=_trials(stored, objectives),
        scores=frame_of_trials(stored, SCORES, SCORE_COLUMNS),
        curves=pd.DataFrame(curves, columns=list(CURVE_COLUMNS)),
        rungs=rungs_frame(stored),
        later=later,
        rung_scores=frame_of_trials(stored, RUNG_SCORES, RUNG_SCORE_COLUMNS),
        floors=floors_frame(stored, later["detail"]),
    )


def _objectives(study: optuna.Study) -> list[str]:
    """The objectives' names; numbered where they have none that a column could have."""
    names = study.metric_names or []
    if not names or len({*names}) < len(names) or {*names} & FACTS:
        return [f"objective {i}" for i in range(len(study.directions))]
    return names


def _values_alone(trial: FrozenTrial, objectives: list[str]) -> FrozenTrial:
    """Another program's trial as one of msdemucs: its values are recorded under their names."""
    bare = copy.copy(trial)
    bare.user_attrs = dict(zip(objectives, trial.values or (), strict=False))
    if bare.state == TrialState.PRUNED:  # by a pruner, while it ran
        bare.user_attrs[STOPPED_AT] = bare.last_step
    return bare


def _trials(stored: list[FrozenTrial], objectives: list[str]) -> pd.DataFrame:
    qualities = {name for trial in stored for name in trial.user_attrs if is_quality(name)}
    further = sorted((qualities | {*objectives}) - {*TRIAL_COLUMNS})
    columns = [*TRIAL_COLUMNS, *further]
    rows = [_trial(trial, columns) for trial in stored]
    again = {trial.user_attrs.get(REPEATS): trial.number for trial in stored}
    for row in rows:
        after = again.get(row["trial"])
        if row["state"] == "failed" and after is not None:
            row |= {"state": "continued", "failure": f"{row['failure']}; goes on as trial {after}"}
    frame = pd.DataFrame(rows, columns=columns, dtype=object)  # None stays None in texts
    for name in (*NUMBERS, USUAL, *further):
        frame[name] = pd.to_numeric(frame[name])
    return frame


def _trial(trial: FrozenTrial, columns: list[str]) -> dict[str, object]:
    """One row; what was not measured is None."""
    attrs, state = (
        trial.user_attrs,
        "stopped" if is_stopped(trial) else STATE_NAMES.get(trial.state),
    )
    baseline = attrs.get("baseline")
    row = {column: attrs.get(column) for column in columns}
    return row | {
        "trial": trial.number,
        "state": "failed" if has_failed(trial) else state,
        "name": baseline or attrs.get("arm_name") or f"trial {trial.number}",
        "params": {**trial.system_attrs.get("fixed_params", {}), **trial.params},
        "differences": attrs.get("differences", {}),
        "versions": attrs.get("versions", {}),
        **{name: attrs.get(name, []) for name in ("left_out", "trained_without")},
        "is_control": bool(attrs.get("is_control")),
        **{name: attrs.get(name) or {} for name in ("arm", "violations", "recipe", "unscored")},
    }
