"""What is computed after a trial has ended: a side table of the study's own database.

Finished trials of Optuna cannot be changed. In SQL databases their later figures are rows of a
table of our own, which Optuna and optuna-dashboard leave alone; a journal file has no tables, and
keeps each as an attribute of the study.
"""

import json
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import optuna
import pandas as pd
import sqlalchemy as sql
from optuna.storages import RDBStorage
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from msdemucs.study.records import LATER_COLUMNS, Split, split_of

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
    """Keep rows, all or none."""
    engine = _engine(study)
    if engine is None:
        for row in rows:
            study.set_user_attr(f"{PREFIX}{uuid.uuid4()}", _kept(row))
        return
    _make_table(engine)
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
        kept = [row for name, row in attrs.items() if name.startswith(PREFIX)]
        return [_row(before | row, row["detail"]) for row in kept]
    if not sql.inspect(engine).has_table(TABLE.name):
        return []
    columns = [TABLE.c[name] for name in LATER_COLUMNS if name != SPLIT]
    wanted = sql.select(*columns).filter_by(**_owner(study)).order_by(TABLE.c.id)
    with engine.connect() as connection:
        return list(_read(connection.execute(wanted).mappings().all(), before))


def frame_of(study: optuna.Study) -> pd.DataFrame:
    """The rows of a study as `StudyRecord.later`."""
    rows = [asdict(row) for row in rows_of(study)]
    return pd.DataFrame(rows, columns=list(LATER_COLUMNS))


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


def _make_table(engine: sql.Engine) -> None:
    """The table, if it is not there; another process may make it at the same moment.

    Raises:
        SQLAlchemyError: it cannot be made.
    """
    if sql.inspect(engine).has_table(TABLE.name):
        return
    try:
        with engine.begin() as connection:
            connection.execute(CreateTable(TABLE, if_not_exists=True))
    except SQLAlchemyError:
        if not sql.inspect(engine).has_table(TABLE.name):
            raise


def _read(rows: Sequence[Mapping[Any, Any]], before: Mapping[str, str]) -> Iterator[Later]:
    for row in rows:
        detail = before | json.loads(row["detail"])
        yield _row({**row, SPLIT: detail.pop(SPLIT)}, detail)


def _kept(row: Later) -> dict[str, Any]:
    """A row as it is stored."""
    values = asdict(row)
    if math.isnan(row.value):
        values |= {"value": 0.0, "detail": {**row.detail, NO_VALUE: True}}
    return values


def _row(values: Mapping[str, Any], detail: Mapping[str, Any]) -> Later:
    """A stored row."""
    without = {name: value for name, value in detail.items() if name != NO_VALUE}
    value = math.nan if NO_VALUE in detail else values["value"]
    return Later(**{**values, "value": value, "detail": without})


def _owner(study: optuna.Study) -> dict[str, str]:
    """What tells a study's rows from those of a deleted one that had its name."""
    return {"study": study.study_name, "begun": str(study.user_attrs.get("started", ""))}


def _engine(study: optuna.Study) -> sql.Engine | None:
    """The SQL engine of a study's storage; None for a journal."""
    storage = getattr(study._storage, "_backend", study._storage)
    return storage.engine if isinstance(storage, RDBStorage) else None
