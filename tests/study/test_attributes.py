"""Attributes of trials are written in few statements, and a look sends few."""

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

from msdemucs.study.execution.loop import begin_study
from msdemucs.study.execution.scheduler import Scheduler
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.databases import INDEX, Database
from msdemucs.study.storage.load import open_storage
from msdemucs.study.storage.urls import StudyLocation
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


def test_a_look_asks_as_often_however_many_trials_run(
    search: Search, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{in_tmp}/toy.db"
    study, opened = begin_study(asking(search, trials=500), StudyLocation(url, in_tmp), {})
    assert isinstance(opened, Database)
    study.tell(study.ask(), [0.0] * len(study.directions))  # Optuna's cache begins with an end
    scheduler = Scheduler(study, opened, search=search, wanted=lambda: 500, say=print)
    monkeypatch.setattr(scheduler.watch, "is_stale", lambda _: False)

    def look() -> int:
        with counted(opened) as sent:
            assert scheduler.next() is not None
        return len(sent)

    def begin(n_trials: int, attrs: dict[str, object]) -> None:
        for _ in range(n_trials):
            study._storage.create_new_trial(study._study_id, template_trial=running(attrs))

    while any(trial.state == TrialState.WAITING for trial in study.get_trials(deepcopy=False)):
        scheduler.next()
    begin(1, {"owner": {"pid": 1}})
    few = look()
    begin(30, {"owner": {"pid": 1}, "spec": "x" * 10_000})
    assert look() == few
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
