"""Trials read and written in a few plain SQL statements.

Optuna's own reading makes an object of every row, which takes 0.2 s of processor time for a look at
63 running trials, and its writing asks for the trial before every attribute. Here is the same in
plain rows; and big attributes can be left out of what is read of a whole study.
"""

import functools
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import sqlalchemy
from optuna.distributions import json_to_distribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

MOST_IDS = 500
"""Of one statement: SQLite takes 32,766 values."""

Rows = dict[int, list[Any]]
"""Trial's id → its rows of one table."""

Model = Any
"""A row of the table of trials: Optuna's, whose columns have no types of their own."""

TRIALS: Model = models.TrialModel
USER_ATTRS: Table = models.TrialUserAttributeModel.__table__
SYSTEM_ATTRS: Table = models.TrialSystemAttributeModel.__table__
PARAMS: Table = models.TrialParamModel.__table__
VALUES: Table = models.TrialValueModel.__table__
STEPS: Table = models.TrialIntermediateValueModel.__table__

distribution_of: Any = functools.lru_cache(maxsize=4096)(json_to_distribution)
"""Optuna's, made once for each text: nobody changes a distribution."""


def read_trials(
    connection: Connection,
    study_id: int,
    *,
    included: Collection[int] = (),
    after: int = -1,
    leaves_out: Collection[str] = (),
) -> list[FrozenTrial]:
    """Trials of a study by their ids, the oldest first.

    Args:
        connection: to the database.
        study_id: of the study.
        included: ids that are read.
        after: all with higher ids are read, too.
        leaves_out: user attributes that are not read.

    Raises:
        KeyError: there is no such study.
    """
    # The trials come first: one that has ended by then has all that it will ever have.
    with Session(connection) as session:
        of_study = session.query(TRIALS).filter(TRIALS.study_id == study_id)
        found = [*of_study.filter(TRIALS.trial_id > after)]
        for ids in _parts([one for one in included if one <= after]):
            found += session.query(TRIALS).filter(TRIALS.trial_id.in_(ids))
        if not found:
            models.StudyModel.find_or_raise_by_id(study_id, session)
        return _frozen(connection, sorted(found, key=lambda trial: trial.trial_id), leaves_out)


def read_trial(connection: Connection, trial_id: int) -> FrozenTrial:
    """One trial with all that it has.

    Raises:
        KeyError: there is no such trial.
    """
    with Session(connection) as session:
        return _frozen(connection, [TRIALS.find_or_raise_by_id(trial_id, session)], ())[0]


def write_user_attrs(connection: Connection, attrs: Mapping[tuple[int, str], object]) -> None:
    """Set (trial's id, name) → value.

    Raises:
        UpdateFinishedTrialError: a trial has ended.
        KeyError: there is no such trial.
    """
    ids = sorted({trial_id for trial_id, _ in attrs})
    with Session(connection) as session:
        of_trials = session.query(TRIALS.trial_id, TRIALS.state).filter(TRIALS.trial_id.in_(ids))
        # waits for who is about to end one, which a server may do for a process that was killed
        rows = of_trials.order_by(TRIALS.trial_id).with_for_update(key_share=True)
        states = {row.trial_id: row.state for row in rows}
    for trial_id in ids:
        if trial_id not in states:
            raise KeyError(models.NOT_FOUND_MSG)
        if states[trial_id].is_finished():
            raise UpdateFinishedTrialError(f"trial with the id {trial_id} has ended")
    dialect: Any = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(USER_ATTRS)
    upsert = insert.on_conflict_do_update(
        index_elements=[USER_ATTRS.c.trial_id, USER_ATTRS.c.key],
        set_={"value_json": insert.excluded.value_json},
    )
    connection.execute(
        upsert,
        [
            {"trial_id": trial_id, "key": name, "value_json": json.dumps(value)}
            for (trial_id, name), value in attrs.items()
        ],
    )


def _frozen(
    connection: Connection, trials: Sequence[Model], leaves_out: Collection[str]
) -> list[FrozenTrial]:
    """Trials with all that other tables have of them."""
    ids = [trial.trial_id for trial in trials]
    is_read = USER_ATTRS.c.key.not_in(leaves_out) if leaves_out else None
    user = _rows(connection, USER_ATTRS, ids, is_read)
    system, params = _rows(connection, SYSTEM_ATTRS, ids), _rows(connection, PARAMS, ids)
    values, steps = _rows(connection, VALUES, ids), _rows(connection, STEPS, ids)
    found = []
    for trial in trials:
        drawn = params.get(trial.trial_id, [])
        of = {row.param_name: distribution_of(row.distribution_json) for row in drawn}
        frozen = FrozenTrial(
            number=trial.number,
            state=trial.state,
            value=None,
            values=_values(values.get(trial.trial_id, [])),
            datetime_start=trial.datetime_start,
            datetime_complete=trial.datetime_complete,
            params={
                row.param_name: of[row.param_name].to_external_repr(row.param_value)
                for row in drawn
            },
            distributions=of,
            user_attrs=_attrs(user.get(trial.trial_id, [])),
            system_attrs=_attrs(system.get(trial.trial_id, [])),
            intermediate_values=_steps(steps.get(trial.trial_id, [])),
            trial_id=trial.trial_id,
        )
        found.append(frozen)
    return found


def _values(rows: Sequence[Any]) -> list[float] | None:
    """A trial's objectives in their order; None where it has none."""
    value_of = models.TrialValueModel.stored_repr_to_value
    in_order = sorted(rows, key=lambda row: row.objective)
    return [value_of(row.value, row.value_type) for row in in_order] or None


def _steps(rows: Sequence[Any]) -> dict[int, float]:
    """What a trial reported; msdemucs reports nothing, other programs may have."""
    value_of = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value
    return {row.step: value_of(row.intermediate_value, row.intermediate_value_type) for row in rows}


def _attrs(rows: Sequence[Any]) -> dict[str, Any]:
    return {row.key: json.loads(row.value_json) for row in rows}


def _rows(
    connection: Connection,
    table: Table,
    ids: Sequence[int],
    wanted: sqlalchemy.ColumnElement[bool] | None = None,
) -> Rows:
    """What a table has of trials, in the order in which it was written first."""
    found: dict[int, list[Any]] = defaultdict(list)
    key = next(iter(table.primary_key))
    for some in _parts(ids):
        query = sqlalchemy.select(table).where(table.c.trial_id.in_(some))
        if wanted is not None:
            query = query.where(wanted)
        for row in connection.execute(query.order_by(key)):
            found[row.trial_id].append(row)
    return found


def _parts(ids: Sequence[int]) -> Iterator[list[int]]:
    """Lists of at most MOST_IDS."""
    rest = iter(ids)
    while some := list(islice(rest, MOST_IDS)):
        yield some
