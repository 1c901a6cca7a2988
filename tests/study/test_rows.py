"""Plain rows say the same as Optuna's own reading, and a look stays small."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState, create_trial

from msdemucs.study.execution.beginning import begin_study
from msdemucs.study.execution.scheduler import Scheduler
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage import rows
from msdemucs.study.storage.databases import INDEX, Database
from msdemucs.study.storage.studies import open_storage
from tests.study.conftest import asking
from tests.study.postgres import Postgres

PARAMS = {"b": 3, "a": 0.25, "c": "two"}
DISTRIBUTIONS = {
    "b": IntDistribution(1, 9),
    "a": FloatDistribution(0.01, 1, log=True),
    "c": CategoricalDistribution(["one", "two"]),
}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, in_tmp: Path) -> str:
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        return postgres.create_database(f"rows_{in_tmp.name}".lower()[:60])
    return f"sqlite:///{in_tmp}/toy.db"


def running(attrs: dict[str, object]) -> FrozenTrial:
    trial = create_trial(
        state=TrialState.RUNNING, params=PARAMS, distributions=DISTRIBUTIONS, user_attrs=attrs
    )
    trial.datetime_start, trial.datetime_complete = datetime.now(UTC), None
    return trial


@contextmanager
def counted(storage: Database) -> Iterator[list[str]]:
    """The statements that a block sends."""
    sent: list[str] = []

    def count(*about: object) -> None:
        sent.append(str(about[2]))

    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", count)
    yield sent
    sqlalchemy.event.remove(storage.engine, "before_cursor_execute", count)


def test_trials_are_read_as_optuna_reads_them(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_IDS", 2)
    opened = Database(url)
    study = optuna.create_study(
        study_name="toy", storage=opened, directions=["maximize", "minimize"]
    )
    study.enqueue_trial({"a": 0.5}, user_attrs={"baseline": "é"})
    attrs = {"spec": {"depth": [4, None]}, "owner": {"pid": 1}}
    for values in ([1.5, math.inf], [-math.inf, 0.0]):
        study.add_trial(
            create_trial(
                values=values,
                params=PARAMS,
                distributions=DISTRIBUTIONS,
                user_attrs=attrs,
                system_attrs={"constraints:macs": -0.5},
            )
        )
    steps = {1: 0.5, 2: math.inf}
    study.add_trial(create_trial(state=TrialState.FAIL, intermediate_values=steps))
    study._storage.create_new_trial(study._study_id, template_trial=running(attrs))
    study.ask().suggest_int("b", 1, 9)

    own = optuna.storages.RDBStorage(url)
    theirs = own.get_all_trials(study._study_id)
    assert opened.get_all_trials(study._study_id) == theirs
    assert [opened.get_trial(trial._trial_id) for trial in theirs] == theirs
    assert [*theirs[1].params] == [*PARAMS]
    states = (TrialState.COMPLETE,)
    assert opened.get_all_trials(study._study_id, states=states) == theirs[1:3]
    opened.leaves_out = ("spec",)
    left = opened.get_all_trials(study._study_id)
    assert not any("spec" in trial.user_attrs for trial in left)
    assert left[4].user_attrs == {"owner": {"pid": 1}}
    assert opened.get_trial(left[4]._trial_id) == theirs[4]
    for read in (opened, own):
        with pytest.raises(KeyError):
            read.get_all_trials(99)
        with pytest.raises(KeyError):
            read.get_trial(99)
    own.engine.dispose()
    opened.close()


def test_attributes_are_written_once_a_block_and_never_after_the_end(url: str) -> None:
    opened = Database(url)
    study = optuna.create_study(study_name="toy", storage=opened)
    trial = study.ask()
    with counted(opened) as sent, opened.together():
        for name in "abcde":
            trial.set_user_attr(name, [name])
        trial.set_user_attr("a", "again")
        assert sent == []
    assert len(sent) <= 2
    assert study.trials[0].user_attrs == {"a": "again", **{name: [name] for name in "bcde"}}
    study.tell(trial, 1.0)
    with pytest.raises(UpdateFinishedTrialError):
        trial.set_user_attr("late", 1)
    with pytest.raises(KeyError):
        opened.set_trial_user_attr(99, "a", 1)
    opened.close()


def test_a_look_does_not_grow_with_what_trials_hold(
    search: Search, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{in_tmp}/toy.db"
    study, opened = begin_study(asking(search, trials=500), url, in_tmp, {})
    assert isinstance(opened, Database)
    study.tell(study.ask(), [0.0] * len(study.directions))  # Optuna's cache begins with an end
    turns = Scheduler(study, opened, search=search, wanted=lambda: 500, say=print)
    monkeypatch.setattr(turns.watch, "dead", lambda _: False)
    read = 0
    attrs_of = rows._attrs

    def attrs(found: list[object]) -> dict[str, object]:
        nonlocal read
        read += sum(len(str(row)) for row in found)
        return attrs_of(found)

    monkeypatch.setattr(rows, "_attrs", attrs)

    def look() -> tuple[int, int]:
        nonlocal read
        read = 0
        with counted(opened) as sent:
            assert turns.next() is not None
        return len(sent), read

    def begin(n_trials: int, attrs: dict[str, object]) -> None:
        for _ in range(n_trials):
            study._storage.create_new_trial(study._study_id, template_trial=running(attrs))

    while any(trial.state == TrialState.WAITING for trial in study.get_trials(deepcopy=False)):
        turns.next()
    begin(1, {"owner": {"pid": 1}})
    few = look()
    begin(30, {"owner": {"pid": 1}, "spec": "x" * 10_000, "curve": [0.5] * 10_000})
    many = look()
    assert many[0] == few[0] <= 40
    assert many[1] - few[1] < 31 * 200
    with counted(opened) as sent, opened.same_look():
        study.get_trials(deepcopy=False)
    assert sent == []
    opened.close()


def test_the_index_of_results_is_made_once_and_used(url: str) -> None:
    for _ in range(2):
        opened = open_storage(url, create=True)
        assert isinstance(opened, Database)
        names = sqlalchemy.inspect(opened.engine).get_indexes("trial_user_attributes")
        assert [index["name"] for index in names].count(INDEX) == 1
        opened.close()
    own = Database(url)
    if own.is_sqlite:
        query = (
            "EXPLAIN QUERY PLAN SELECT trial_id FROM trial_user_attributes "
            "WHERE key = 'result_key' AND value_json = ?"
        )
        with own.engine.connect() as connection:
            plan = str(connection.exec_driver_sql(query, ("a",)).all())
        assert INDEX in plan
    own.close()
