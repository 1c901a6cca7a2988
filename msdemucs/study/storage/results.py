"""What a study's database keeps of results: in trials' attributes, and in a table beside them.

Optuna's attributes hold JSON; a table is `{"columns": [...], "rows": [[...], ...]}`. Studies of
before knew one metric and scored on test tracks: their rows are lists of OLD_COLUMNS, perhaps
without the last. Of a trial that stopped, diverged or was refused Optuna's state says "pruned",
and an attribute which.

Finished trials of Optuna cannot be changed. What is computed later are, in SQL databases, rows of a
table of our own, which Optuna and optuna-dashboard leave alone; a journal file has no tables, and
keeps each as an attribute of the study.
"""

import json
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import optuna
import pandas as pd
import sqlalchemy as sql
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from msdemucs.metrics import USUAL
from msdemucs.study.records import (
    FLOOR_COLUMNS,
    LATER_COLUMNS,
    RUNG_COLUMNS,
    Split,
    split_of,
)
from msdemucs.study.storage.databases import below_cache

BEGUN = "asked"
"""The attribute of every study that msdemucs began: what it was asked."""

STOPPED_AT = "stopped_at"
"""The attribute that has the step of the rung at which a trial was stopped."""

DIVERGED_AT = "diverged_at"
"""The attribute that has the step at which a training diverged. Optuna has the trial as pruned, for
samplers to learn of; it would hide from them one that failed."""


def has_diverged(trial: FrozenTrial) -> bool:
    """Whether a training diverged, which the same spec, recipe and seed will do again."""
    return trial.state == TrialState.PRUNED and DIVERGED_AT in trial.user_attrs


def has_failed(trial: FrozenTrial) -> bool:
    """Whether a trial failed, by its spec or by something else."""
    return trial.state == TrialState.FAIL or has_diverged(trial)


def is_stopped(trial: FrozenTrial) -> bool:
    """Whether a trial was stopped at a rung, and not refused before training."""
    return trial.state == TrialState.PRUNED and STOPPED_AT in trial.user_attrs


SCORES, FLOORS, RUNGS, RUNG_SCORES = "scores", "floors", "rungs", "rung_scores"
"""The attributes of a trial."""

RUNG = "rung:"
"""The attribute "rung:400" holds, for each quality, a trial's score after 400 steps, the mean over
its seeds."""

OLD_COLUMNS = ("group", "track", "source", "value", "floor", "seed")
OLD = {"metric": USUAL, "split": "test"}
"""What is to be said of rows in the old form."""

Attrs = Mapping[str, Any]


def as_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> dict[str, object]:
    """Return rows as an attribute holds them; null for NaN."""
    return {"columns": list(columns), "rows": [[_plain(value) for value in row] for row in rows]}


def frame_in(attrs: Attrs, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return one table of a trial's attributes; empty where it has none."""
    return _frame(_rows(attrs, name, columns), columns)


def frame_of_trials(
    trials: Sequence[FrozenTrial], name: str, columns: Sequence[str]
) -> pd.DataFrame:
    """Return one table of all trials, the trial's number in front of each row.

    Args:
        trials: of the study.
        name: of the attribute: SCORES or RUNG_SCORES.
        columns: of what is returned, "trial" the first of them.
    """
    rows = [
        [trial.number, *row]
        for trial in trials
        for row in _rows(trial.user_attrs, name, columns[1:])
    ]
    return _frame(rows, columns)


def floors_frame(trials: Sequence[FrozenTrial], later: Iterable[Attrs] = ()) -> pd.DataFrame:
    """Return what the mixture scores as `StudyRecord.floors`, as the first trial has it.

    Args:
        trials: of the study.
        later: details of what was scored after they had ended.
    """
    kept = [
        *(trial.user_attrs for trial in trials),
        *(detail for detail in later if FLOORS in detail),
    ]
    rows = [row for attrs in kept for row in _rows(attrs, FLOORS, FLOOR_COLUMNS)]
    keys = [name for name in FLOOR_COLUMNS if name != "value"]
    return _frame(rows, FLOOR_COLUMNS).drop_duplicates(keys, ignore_index=True)


def rungs_frame(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """Return the scores at rungs as `StudyRecord.rungs`."""
    rows = [
        [trial.number, *(row if len(row) > 3 else (*row[:2], USUAL, row[2]))]
        for trial in trials
        for row in trial.user_attrs.get(RUNGS, ())
    ]
    return _frame(rows, RUNG_COLUMNS)


def at_rung(attrs: Attrs, step: int) -> Mapping[str, float]:
    """Return quality → score of a trial at a rung; none where it did not come to it."""
    scores = attrs.get(f"{RUNG}{step}", {})
    return scores if isinstance(scores, Mapping) else {USUAL: float(scores)}


def _rows(attrs: Attrs, name: str, columns: Sequence[str]) -> Iterator[Sequence[object]]:
    """The rows of one table, each in the order of some columns."""
    if name == FLOORS and FLOORS not in attrs and isinstance(attrs.get(SCORES), list):
        for row in _old_rows(attrs, SCORES):
            yield [{**row, "value": row.get("floor")}.get(column) for column in columns]
        return
    kept = attrs.get(name, ())
    if not isinstance(kept, Mapping):
        for row in _old_rows(attrs, name):
            yield [row.get(column) for column in columns]
        return
    if kept["columns"] == list(columns):
        yield from kept["rows"]
        return
    for values in kept["rows"]:
        named = dict(zip(kept["columns"], values, strict=True))
        yield [named.get(column) for column in columns]


def _old_rows(attrs: Attrs, name: str) -> Iterator[dict[str, object]]:
    """Rows in the old form, by their columns."""
    columns = (*(("step",) if name == RUNG_SCORES else ()), *OLD_COLUMNS)
    for row in attrs.get(name, ()):
        yield {"seed": attrs.get("seed"), **OLD, **dict(zip(columns, row, strict=False))}


def _frame(
    rows: Sequence[Sequence[object]] | Iterator[Sequence[object]], columns: Sequence[str]
) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=list(columns))
    for name in {"seed", "value"} & {*columns}:
        frame[name] = pd.to_numeric(frame[name])
    return frame


def _plain(value: object) -> object:
    return None if isinstance(value, float) and math.isnan(value) else value


OF_THE_BASE = -1
"""In place of a trial's number: a row about the spec around which the study moves."""

SPLIT = "split"

NO_VALUE = "no_value"
"""In a row's detail: no track had a score, which a column of numbers cannot say; it holds 0."""

PREFIX = "later/"
"""What the names of a journal's attributes begin with."""

LOOK = "test look/"
"""What the names of the study's attributes begin with that say when its test tracks were read."""

TEST_TRACKS = "test tracks"
"""The study's attribute with what each is known by, since they were first read."""

TABLE = sql.Table(
    "msdemucs_later",
    sql.MetaData(),
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("study", sql.String(512), nullable=False, index=False),
    sql.Column("begun", sql.String(64), nullable=False),  # a later study may have the name
    sql.Column("trial", sql.Integer, nullable=False),
    sql.Column("kind", sql.String(64), nullable=False),
    sql.Column("convention", sql.String(64), nullable=False),
    sql.Column("value", sql.Float(53), nullable=False),
    sql.Column("seed", sql.Integer, nullable=False),
    sql.Column("detail", sql.Text, nullable=False),
)


@dataclass(frozen=True)
class Later:
    """One row of the side table, under the names of LATER_COLUMNS.

    The table has no column for the split, which older ones could not have: it lies in the detail.
    """

    trial: int
    kind: str
    convention: str
    value: float
    seed: int
    detail: Mapping[str, Any]
    split: Split = "validation"


def add(study: optuna.Study, rows: Sequence[Later]) -> None:
    """Keep rows, all or none.

    Raises:
        SQLAlchemyError: the table is not there, and cannot be made.
    """
    engine = _engine(study)
    if engine is None:
        for row in rows:
            study.set_user_attr(f"{PREFIX}{uuid.uuid4()}", _kept(row))
        return
    if not sql.inspect(engine).has_table(TABLE.name):
        try:
            with engine.begin() as connection:
                connection.execute(CreateTable(TABLE, if_not_exists=True))
        except SQLAlchemyError:  # unless another process made it at the same moment
            if not sql.inspect(engine).has_table(TABLE.name):
                raise
    owner = _owner(study)
    with engine.begin() as connection:
        for row in rows:
            values = _kept(row)
            detail = {**values["detail"], SPLIT: values.pop(SPLIT)}
            values |= {**owner, "detail": json.dumps(detail, ensure_ascii=False)}
            connection.execute(sql.insert(TABLE).values(values))


def rows_of(study: optuna.Study) -> list[Later]:
    """The rows of a study, oldest first in an SQL database."""
    engine, attrs = _engine(study), study.user_attrs
    before = {SPLIT: split_of(attrs)}  # what rows of earlier versions, which do not say it, are of
    if engine is None:
        return [_later(before | row) for name, row in attrs.items() if name.startswith(PREFIX)]
    if not sql.inspect(engine).has_table(TABLE.name):
        return []
    columns = [TABLE.c[name] for name in LATER_COLUMNS if name != SPLIT]
    query = sql.select(*columns).filter_by(**_owner(study)).order_by(TABLE.c.id)
    with engine.connect() as connection:
        rows = connection.execute(query).mappings().all()
    details = [before | json.loads(row["detail"]) for row in rows]
    return [
        _later({**row, SPLIT: detail.pop(SPLIT), "detail": detail})
        for row, detail in zip(rows, details, strict=True)
    ]


def add_look(study: optuna.Study, why: str) -> None:
    """Record that a study's test tracks are read now, and why: the command."""
    now = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
    study.set_user_attr(f"{LOOK}{uuid.uuid4()}", {"when": now, "why": why})


def looks_of(study: optuna.Study) -> list[dict[str, str]]:
    """When and why a study's test tracks were read, oldest first."""
    looks = [look for name, look in study.user_attrs.items() if name.startswith(LOOK)]
    return sorted(looks, key=lambda look: str(look["when"]))


def remove(study: optuna.Study) -> None:
    """Delete a study's rows from an SQL database; those of a journal go with the study."""
    engine = _engine(study)
    if engine is None or not sql.inspect(engine).has_table(TABLE.name):
        return
    with engine.begin() as connection:
        connection.execute(sql.delete(TABLE).where(TABLE.c.study == study.study_name))


def _kept(row: Later) -> dict[str, Any]:
    """A row as it is stored."""
    values = asdict(row)
    if math.isnan(row.value):
        values |= {"value": 0.0, "detail": {**row.detail, NO_VALUE: True}}
    return values


def _later(values: Mapping[str, Any]) -> Later:
    """A stored row."""
    detail = {name: value for name, value in values["detail"].items() if name != NO_VALUE}
    value = math.nan if NO_VALUE in values["detail"] else values["value"]
    return Later(**{**values, "value": value, "detail": detail})


def _owner(study: optuna.Study) -> dict[str, str]:
    """What tells a study's rows from those of a deleted one that had its name."""
    return {"study": study.study_name, "begun": str(study.user_attrs.get("started", ""))}


def _engine(study: optuna.Study) -> sql.Engine | None:
    """The SQL engine of a study's storage; None for a journal."""
    storage = below_cache(study._storage)
    return storage.engine if isinstance(storage, RDBStorage) else None
