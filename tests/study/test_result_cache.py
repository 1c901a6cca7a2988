"""Trials that train the same at the same moment: one trains, the others take its result."""

import os
import time
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from msdemucs.errors import DataError
from msdemucs.study.execution import scheduler
from msdemucs.study.execution.loop import begin_study, work_on
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import open_storage
from msdemucs.study.storage.urls import StudyLocation
from msdemucs.study.trial import result_cache as results
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Silent, TrialRecorder
from tests.study.conftest import toy
from tests.study.postgres import Postgres
from tests.study.test_many_processes import FORK, finish

TRAINED = Path("trained")

Found = tuple[str, FrozenTrial]

SPACE = """\
name: toy
base: htdemucs_n
set: {segment: 0.5, channels.start: 4, attention.0.heads: 4}
vary: {spectral.resolutions: {choice: {one: [4096], same: [4096]}}}
trials: 2
"""


class Meeting:
    """Trains only once another trial of the study waits for it, too."""

    def __init__(self, url: str, *, then: str = "") -> None:
        self.url, self.then = url, then

    def __call__(self, search: Search, *, say: object) -> "Meeting":
        return self

    def describe(self) -> dict[str, object]:
        return {}

    def evaluate(self, candidate: Candidate, log: TrialRecorder) -> None:
        is_first = not TRAINED.exists()
        with TRAINED.open("a") as file:
            file.write(f"{candidate.trial}\n")
        end = time.monotonic() + 20
        while is_first and time.monotonic() < end and len(waiting()) < 1:
            time.sleep(0.02)
        if is_first and self.then == "fails":
            raise DataError("no such track")
        if is_first and self.then == "is killed":
            os._exit(9)
        toy(candidate, log)


def waiting() -> list[Path]:
    """The logs of trials that say that they wait."""
    logs = Path("studies/toy/trials").glob("*/log.txt")
    return [path for path in logs if "which trains the same" in path.read_text()]


def worker(url: str, then: str) -> BaseProcess:
    def run() -> None:
        scheduler.PAUSE_S = results.PAUSE_S = 0.05
        work_on("toy", url, Meeting(url, then=then))
        os._exit(0)

    process = FORK.Process(target=run, daemon=True)
    process.start()
    return process


def trials(url: str) -> list[FrozenTrial]:
    with closing(open_storage(url)) as opened:
        return optuna.load_study(study_name="toy", storage=opened).get_trials(deepcopy=False)


@pytest.fixture(params=["sqlite", "journal", "postgresql"])
def url(request: pytest.FixtureRequest, in_tmp: Path) -> str:
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        return postgres.create_database(f"like_{in_tmp.name}".lower()[:60])
    return f"{request.param}:///{in_tmp}/toy.{request.param}"


@pytest.fixture
def only(in_tmp: Path) -> Search:
    """A space of one architecture that is spelled in two ways."""
    (in_tmp / "toy.yaml").write_text(SPACE)
    return load_search_space(in_tmp / "toy.yaml")


def test_one_of_two_trains_and_the_other_takes_its_result(only: Search, url: str) -> None:
    begin_study(only, StudyLocation(url, Path("studies/toy/trials")), {})[1].close()
    finish([worker(url, "") for _ in range(2)])
    done = [trial for trial in trials(url) if trial.state == TrialState.COMPLETE]
    (trained,) = map(int, TRAINED.read_text().split())
    own, other, *_ = sorted(done, key=lambda trial: trial.number != trained)
    assert "duplicate_of" not in own.user_attrs
    assert other.user_attrs["duplicate_of"] == f"toy/{trained}"
    assert other.values == own.values
    assert other.user_attrs["steps"] == 0


def test_one_that_ends_between_two_looks_is_not_trained_again(
    only: Search, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_study(only, StudyLocation(url, Path("studies/toy/trials")), {})[1].close()
    with closing(open_storage(url)) as opened:
        study = optuna.load_study(study_name="toy", storage=opened)
        other, own = study.ask(), study.ask()
        other.set_user_attr(results.RESULT_KEY, "key")
        look, values = results.find, [float(n) for n, _ in enumerate(study.directions)]

        def and_then_it_ends(storage: BaseStorage, key: str, state: TrialState) -> list[Found]:
            found = list(look(storage, key, state))
            if not study.get_trials()[other.number].state.is_finished():
                study.tell(other, values)
            return found

        monkeypatch.setattr(results, "find", and_then_it_ends)
        like, log = results.SameTraining(only, study, "key"), TrialRecorder(own, Silent())
        monkeypatch.setattr(like.watch, "is_stale", lambda _: False)
        assert not like.trains_elsewhere(log)
        assert like.take(log)
        assert study.get_trials()[own.number].user_attrs["duplicate_of"] == f"toy/{other.number}"


@pytest.mark.parametrize("then", ["fails", "is killed"])
def test_who_waited_for_a_trial_without_a_result_trains(
    only: Search, in_tmp: Path, then: str
) -> None:
    url = f"sqlite:///{in_tmp}/toy.db"
    begin_study(only, StudyLocation(url, Path("studies/toy/trials")), {})[1].close()
    crew = [worker(url, then) for _ in range(2)]
    for process in crew:
        process.join(60)
    codes = sorted(process.exitcode for process in crew if process.exitcode is not None)
    assert codes == ([0, 0] if then == "fails" else [0, 9])
    done = [trial for trial in trials(url) if trial.state == TrialState.COMPLETE]
    first, second = TRAINED.read_text().split()
    assert len(done) >= 2 or then == "fails"
    assert first != second
    assert [str(t.number) for t in done if "duplicate_of" not in t.user_attrs] == [second]
