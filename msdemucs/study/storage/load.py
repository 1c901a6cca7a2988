"""A study's database → StudyRecord: plain frames that reports and notebooks read."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from msdemucs.errors import StudyError, UsageError
from msdemucs.spec import nearest
from msdemucs.study.records import (
    CURVE_COLUMNS,
    GROUP_COLUMN_PREFIX,
    RUNG_COLUMNS,
    RUNG_SCORE_COLUMNS,
    SCORE_COLUMNS,
    TRIAL_COLUMNS,
    Direction,
    StudyRecord,
)
from msdemucs.study.storage.databases import AnyStorage
from msdemucs.study.storage.later import PREFIX, frame_of
from msdemucs.study.storage.states import is_stopped
from msdemucs.study.storage.studies import (
    JOURNAL_ENDINGS,
    STUDIES,
    open_storage,
    open_study,
    storage_url,
    study_names,
    without_password,
)

STATE_NAMES = {
    TrialState.COMPLETE: "complete",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
    TrialState.PRUNED: "infeasible",
}

NUMBERS = TRIAL_COLUMNS[TRIAL_COLUMNS.index("usdr_db") : TRIAL_COLUMNS.index("seed") + 1]
"""The columns of figures; where one was not measured it is NaN."""

INTERNAL_ATTRS = ("asked", "title", "joining", "wanted", "processes", "tracks")
"""What is no attribute of the record: whether a study is asked the same, and how to join it."""


def load_study(study: str, *, storage: str | None = None) -> StudyRecord:
    """A study read back from its database.

    Args:
        study: its name, or the path or URL of a database that holds one study.
        storage: URL of the database, for a name that is not under studies/.

    Raises:
        UsageError: there is no such study or database.
        StudyError: the database cannot be opened.
    """
    name, url = locate_study(study, storage)
    with closing(open_storage(url)) as opened:
        return read_record(open_study(opened, name or only_study(opened, study)))


def only_study(opened: AnyStorage, shown: str) -> str:
    """The name of the only study of a storage, which is shown to people by a name or URL.

    Raises:
        UsageError: there are several, or none.
    """
    names = study_names(opened)
    if len(names) != 1:
        held = ", ".join(names) or "none"
        raise UsageError(f"{shown} holds {len(names)} studies ({held}); name one, with --storage")
    return names[0]


def load_studies(
    storage: str | None = None, *, on_error: Callable[[StudyError], None] | None = None
) -> Iterator[tuple[StudyRecord, str]]:
    """Every study of a database, or of all databases under studies/, with its URL.

    Args:
        storage: URL of the database; all under studies/ when not given.
        on_error: is told of a file under studies/ that cannot be opened, which is then left out.

    Raises:
        UsageError: there is no such database.
        StudyError: it cannot be opened.
    """
    files = sorted(STUDIES.glob("[!.]*.db"))
    for url in [storage] if storage else [f"sqlite:///{path}" for path in files]:
        try:
            opened = open_storage(url)
        except StudyError as error:
            if storage or on_error is None:
                raise
            on_error(error)
            continue
        for name in study_names(opened):
            yield read_record(open_study(opened, name)), without_password(url)


def locate_study(study: str, storage: str | None) -> tuple[str | None, str]:
    """(its name, or None for the only one there; the URL of its database).

    Raises:
        UsageError: a name without a database under studies/.
    """
    if storage is not None:
        return study, storage_url(study, storage)
    if "://" in study or study.endswith((".db", *JOURNAL_ENDINGS)):
        return None, storage_url(study, study)
    path = STUDIES / f"{study}.db"
    if not path.is_file():
        known = sorted(found.stem for found in STUDIES.glob("[!.]*.db"))
        hint = nearest(study, known) if known else "none was run here"
        raise UsageError(f"there is no study {path}; {hint}")
    return study, storage_url(study, None)


def read_record(study: optuna.Study) -> StudyRecord:
    """The record of an open study."""
    stored = study.get_trials(deepcopy=False)
    directions: dict[str, Direction] = {
        name: "maximize" if direction == optuna.study.StudyDirection.MAXIMIZE else "minimize"
        for name, direction in zip(_objectives(study), study.directions, strict=True)
    }
    attrs = {key: value for key, value in study.user_attrs.items() if not _is_internal(key)}
    return StudyRecord(
        name=study.study_name,
        title=str(study.user_attrs.get("title", study.study_name)),
        directions=directions,
        attrs=attrs,
        trials=_trials(stored),
        scores=_rows(stored, "scores", SCORE_COLUMNS),
        curves=_rows(stored, "curve", CURVE_COLUMNS),
        rungs=_rows(stored, "rungs", RUNG_COLUMNS),
        later=frame_of(study),
        rung_scores=_rows(stored, "rung_scores", RUNG_SCORE_COLUMNS),
    )


def _is_internal(attr: str) -> bool:
    return attr in INTERNAL_ATTRS or attr.startswith(PREFIX)


def _objectives(study: optuna.Study) -> list[str]:
    """The objectives' names; numbered where the study was not made by msdemucs."""
    return study.metric_names or [f"objective {i}" for i in range(len(study.directions))]


def _trials(stored: list[FrozenTrial]) -> pd.DataFrame:
    groups = {
        name: None
        for trial in stored
        for name in trial.user_attrs
        if name.startswith(GROUP_COLUMN_PREFIX)
    }
    columns = [*TRIAL_COLUMNS, *sorted(groups)]
    rows = [_trial(trial, columns) for trial in stored]
    frame = pd.DataFrame(rows, columns=columns, dtype=object)  # None stays None in texts
    for name in ("trial", *NUMBERS, *groups):
        frame[name] = pd.to_numeric(frame[name])
    return frame


def _trial(trial: FrozenTrial, columns: list[str]) -> Mapping[str, object]:
    """One row; what was not measured is None."""
    attrs = trial.user_attrs
    baseline = attrs.get("baseline")
    row = {column: attrs.get(column) for column in columns}
    return row | {
        "trial": trial.number,
        "state": "stopped" if is_stopped(trial) else STATE_NAMES[trial.state],
        "name": baseline or attrs.get("arm_name") or f"trial {trial.number}",
        "params": {**trial.system_attrs.get("fixed_params", {}), **trial.params},
        "differences": attrs.get("differences", {}),
        "versions": attrs.get("versions", {}),
        **{name: attrs.get(name, []) for name in ("left_out", "trained_without")},
        "is_control": bool(attrs.get("is_control")),
        **{name: attrs.get(name) or {} for name in ("arm", "violations", "recipe")},
    }


def _rows(stored: list[FrozenTrial], attr: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """The rows that trials keep as lists, with the trial's number before each.

    A row may end before the last columns, which older studies did not have.
    """
    missing = [math.nan] * len(columns)
    rows = [
        [trial.number, *(math.nan if value is None else value for value in row), *missing][
            : len(columns)
        ]
        for trial in stored
        for row in trial.user_attrs.get(attr, ())
    ]
    return pd.DataFrame(rows, columns=list(columns))
