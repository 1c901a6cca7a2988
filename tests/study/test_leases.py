"""Trials whose process is gone: failed once, enqueued once, and never when they have ended."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import optuna
import pytest
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from msdemucs.study.execution.scheduler import Scheduler
from msdemucs.study.search_space.space import Search, SearchSpace
from msdemucs.study.storage import leases
from msdemucs.study.storage.databases import Database, below_cache
from msdemucs.study.storage.leases import KILLED, StaleTrialWatch, claim, fail, fail_stale, recover
from msdemucs.study.storage.load import open_storage
from tests.study.conftest import begin


@pytest.fixture
def study(search: Search, url: str) -> Iterator[optuna.Study]:
    """The toy study with one trial at work."""
    begin(search, url)
    with closing(open_storage(url)) as opened:
        study = optuna.load_study(study_name="toy", storage=opened)
        with opened.study_lock("toy"):
            claim(study.ask())
        yield study


def at_work(study: optuna.Study) -> FrozenTrial:
    (trial,) = study.get_trials(states=(TrialState.RUNNING,))
    return trial


def repeats(study: optuna.Study) -> list[int]:
    attrs = [trial.user_attrs for trial in study.get_trials(deepcopy=False)]
    return [one["repeats"] for one in attrs if "repeats" in one]


def test_what_is_given_up_fails_and_is_enqueued_with_its_folder(study: optuna.Study) -> None:
    given_up = at_work(study)

    assert "enqueued again" in fail_stale(study, given_up)[0]

    trials = study.get_trials()
    assert trials[given_up.number].state == TrialState.FAIL
    assert trials[given_up.number].user_attrs["failure"] == "killed"
    (again,) = [trial for trial in trials if "repeats" in trial.user_attrs]
    assert again.state == TrialState.WAITING
    assert again.user_attrs["folder"] == str(given_up.number)
    assert again.user_attrs["baseline"] == given_up.user_attrs["baseline"]


def test_a_trial_that_ends_while_it_is_taken_for_dead_is_not_repeated(study: optuna.Study) -> None:
    seen = at_work(study)
    study.tell(seen.number, [1.0] * len(study.directions))

    assert fail_stale(study, seen) == []

    assert repeats(study) == []
    ended = study.get_trials()[seen.number]
    assert ended.state == TrialState.COMPLETE
    assert "failure" not in ended.user_attrs


def test_a_kill_between_failing_and_enqueueing_loses_nothing(study: optuna.Study) -> None:
    killed = at_work(study)
    assert fail(study, killed._trial_id, KILLED)
    assert repeats(study) == []

    (line,) = recover(study, StaleTrialWatch(study._storage), study.get_trials())
    assert line == f"trial {killed.number} was cut short; its configuration is enqueued again"
    assert recover(study, StaleTrialWatch(study._storage), study.get_trials()) == []

    assert repeats(study) == [killed.number]


def test_what_a_killed_process_did_not_enqueue_is_begun_by_the_next(
    study: optuna.Study, url: str, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = at_work(study)
    study.tell(study.ask(), [1.0] * len(study.directions))  # nothing else waits
    assert fail(study, killed._trial_id, KILLED)
    with closing(open_storage(url)) as opened:
        found = optuna.load_study(study_name="toy", storage=opened)
        scheduler = Scheduler(found, opened, search=search, wanted=lambda: 3, say=lambda _: None)
        monkeypatch.setattr(
            SearchSpace,
            "is_used_up",
            lambda _, trials: all(t.state != TrialState.WAITING for t in trials),
        )
        trial = scheduler.next()

    assert trial is not None
    assert trial.user_attrs["repeats"] == killed.number


def test_trials_of_one_number_in_two_studies_are_watched_apart(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = optuna.create_study(storage=study._storage, study_name="other")
    other.ask()
    watch = StaleTrialWatch(study._storage)
    both = [at_work(study), at_work(other)]
    for lease, trial in enumerate(both):
        trial.user_attrs |= {"owner": {"host": "elsewhere"}, "lease": lease}
    assert both[0].number == both[1].number
    assert [watch.is_stale(trial) for trial in both] == [False, False]
    monkeypatch.setattr(leases, "GIVEN_UP_AFTER_S", 0.0)
    assert [watch.is_stale(trial) for trial in both] == [True, True]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_while_the_database_is_away_nobody_is_late_to_renew_a_lease(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    times, answers = [0.0, 200.0, 200.0 + leases.GIVEN_UP_AFTER_S + 1], [True, False]
    storage, trial = below_cache(study._storage), at_work(study)
    trial.user_attrs |= {"owner": {"host": "elsewhere"}, "lease": "unchanged"}
    watch = StaleTrialWatch(study._storage)
    monkeypatch.setattr(time, "sleep", lambda _: None)

    def answer() -> None:
        if not answers.pop():
            raise sqlalchemy.exc.OperationalError("look", None, ConnectionError("restarts"))

    late = []
    for now in times:
        monkeypatch.setattr(time, "monotonic", lambda now=now: now)
        if now == 200:
            assert isinstance(storage, Database)
            storage.with_retries(answer)
        late.append(watch.is_stale(trial))
    assert late == [False, False, True]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_server_that_still_ends_a_trial_for_a_killed_process_is_waited_for(
    study: optuna.Study, url: str
) -> None:
    seen, said = at_work(study), []
    with closing(Database(url)) as server, server.engine.connect() as connection:
        connection.execute(
            sqlalchemy.text("UPDATE trials SET state = 'COMPLETE' WHERE trial_id = :id"),
            {"id": seen._trial_id},
        )
        watcher = threading.Thread(target=lambda: said.append(fail_stale(study, seen)))
        watcher.start()
        watcher.join(0.5)
        assert watcher.is_alive()
        connection.commit()
        watcher.join(30)

    assert said == [[]]
    assert repeats(study) == []
    assert "failure" not in study.get_trials()[seen.number].user_attrs
