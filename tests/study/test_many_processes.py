"""Several processes on one study: shared exactly, killed at random, resumed where they were."""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import FrozenTrial, TrialState

from msdemucs.study.execution import scheduler
from msdemucs.study.execution.loop import run_study, search_of_study, work_on
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import open_storage
from msdemucs.study.storage.locks import locked
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Silent, TrialRecorder
from tests.study.conftest import asking, begin, toy

STEPS = 12
FORK = multiprocessing.get_context("fork")  # a worker without a second import of everything


class ToyBench:
    """Trains in STEPS short steps and can go on from each."""

    def __init__(self, step_seconds: float = 0.01) -> None:
        self.step_seconds = step_seconds

    def __call__(self, search: Search, *, say: object) -> "ToyBench":
        return self

    def describe(self) -> dict[str, object]:
        return {}

    def evaluate(self, candidate: Candidate, log: TrialRecorder) -> None:
        candidate.folder.mkdir(parents=True, exist_ok=True)
        checkpoint = candidate.folder / "steps.txt"
        begin = len(checkpoint.read_text().splitlines()) if checkpoint.exists() else 0
        log.note("resumed_at", begin)
        for step in range(begin + 1, STEPS + 1):
            time.sleep(self.step_seconds)
            with checkpoint.open("a") as file:
                file.write(f"{step}\n")
            candidate.on_saved()
        toy(candidate, log)


class StaysInTraining(ToyBench):
    """Comes to the first step, and would rest there for long."""

    def evaluate(self, candidate: Candidate, log: TrialRecorder) -> None:
        super().evaluate(replace(candidate, on_saved=lambda: time.sleep(600)), log)


class WaitsForAnother(ToyBench):
    """Rests after a step until a second trial has come to one."""

    def evaluate(self, candidate: Candidate, log: TrialRecorder) -> None:
        def saved() -> None:
            while len([*candidate.folder.parent.glob("*/steps.txt")]) < 2:
                time.sleep(0.01)

        super().evaluate(replace(candidate, on_saved=saved), log)


def worker(url: str, bench: ToyBench | None = None) -> BaseProcess:
    """A process that works on the toy study."""
    bench = bench or ToyBench(0.03)

    def work() -> None:
        scheduler.PAUSE_S = 0.1
        try:
            work_on("toy", url, bench, listener=Silent())
        except KeyboardInterrupt:
            os._exit(130)
        os._exit(0)

    process = FORK.Process(target=work, daemon=True)  # ends with a test that fails
    process.start()
    return process


def trials(url: str, name: str = "toy") -> list[FrozenTrial]:
    with closing(open_storage(url)) as opened:
        study = optuna.load_study(study_name=name, storage=opened)
        return study.get_trials(deepcopy=False)


def folder_of(trial: FrozenTrial) -> str:
    return str(trial.user_attrs.get("folder", trial.number))


def is_training(trial: FrozenTrial) -> bool:
    """Whether a trial is between its first step and its last."""
    if trial.state != TrialState.RUNNING or "resumed_at" not in trial.user_attrs:
        return False
    steps = Path("studies/toy/trials", folder_of(trial), "steps.txt")
    return steps.exists() and 0 < len(steps.read_text().split()) < STEPS


def pause(process: BaseProcess) -> bool:
    """Stop a process where it is; False where it has ended."""
    there = psutil.Process(process.pid)
    there.suspend()
    while (state := there.status()) != psutil.STATUS_STOPPED:
        if state == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.001)
    return True


def choose_victim(
    study: optuna.Study, crew: list[BaseProcess], dice: random.Random, *, in_training: bool
) -> tuple[list[FrozenTrial], int]:
    """The trials as they are, and a worker: any, or one that is paused while it trains.

    Any, too, where all have left, since the study is done.
    """
    while in_training and any(process.is_alive() for process in crew):
        seen = study.get_trials(deepcopy=False)
        training = {t.user_attrs["owner"]["pid"]: t for t in seen if is_training(t)}
        busy = [index for index, process in enumerate(crew) if process.pid in training]
        victim = dice.choice(busy) if busy else -1
        if busy and pause(crew[victim]):
            if is_training(training[crew[victim].pid]):  # still, now that nothing moves
                return seen, victim
            psutil.Process(crew[victim].pid).resume()
        time.sleep(0.02)
    return study.get_trials(deepcopy=False), dice.randrange(len(crew))


def finish(workers: list[BaseProcess]) -> None:
    for process in workers:
        process.join(60)
        assert process.exitcode == 0


@pytest.fixture
def many(rewritten: Callable[[str, str], Search]) -> Search:
    """The toy search space with so many widths that few are drawn twice."""
    return rewritten("int: [4, 16]", "int: [4, 256]")


@pytest.mark.slow
def test_processes_killed_at_random_lose_nothing_and_count_nothing_twice(
    many: Search, url: str
) -> None:
    wanted, dice = 12, random.Random(1)
    kills = 20 if url.startswith("sqlite") else 6
    begin(asking(many, trials=wanted), url)
    crew = [worker(url) for _ in range(3)]
    finished: dict[int, list[float]] = {}
    opened = open_storage(url)
    study = optuna.load_study(study_name="toy", storage=opened)
    for kill in range(kills):
        in_training = kill % 2 == 1
        if not in_training:
            time.sleep(dice.uniform(0, 0.3))
        seen, victim = choose_victim(study, crew, dice, in_training=in_training)
        crew[victim].kill()
        crew[victim].join()
        crew[victim] = worker(url)
        for trial in seen:
            if trial.state == TrialState.COMPLETE:
                assert finished.setdefault(trial.number, trial.values) == trial.values
    opened.close()
    finish(crew)

    left = trials(url)
    complete = {t.number: t for t in left if t.state == TrialState.COMPLETE}
    # a copy of a result, which two processes may draw at once, is no trial of its own
    trained = [t for t in complete.values() if "duplicate_of" not in t.user_attrs]
    assert len(trained) == wanted
    assert {number: complete[number].values for number in finished} == finished
    assert TrialState.RUNNING not in {trial.state for trial in left}
    killed = [trial for trial in left if trial.user_attrs.get("failure") == "killed"]
    assert killed
    repeated = {t.user_attrs["repeats"]: t for t in left if "repeats" in t.user_attrs}
    for trial in killed:
        attrs, fixed = trial.user_attrs, trial.system_attrs.get("fixed_params")
        if attrs.get("kills") == 2 or not (trial.params or fixed or "folder" in attrs):
            continue  # it was given up, or killed before anything was drawn for it
        again = repeated[trial.number]
        assert folder_of(again) == folder_of(trial)
        if "seed" in trial.user_attrs:
            assert again.user_attrs["seed"] == trial.user_attrs["seed"]
    for trial in trained:  # no step twice
        steps = Path("studies/toy/trials", trial.user_attrs["folder"], "steps.txt").read_text()
        assert steps.split() == [str(step) for step in range(1, STEPS + 1)]
    assert len({trial.user_attrs["folder"] for trial in trained}) == wanted
    # of any, since those that are killed three times are given up
    assert any(trial.user_attrs.get("resumed_at", 0) > 0 for trial in left)


@pytest.mark.slow
def test_several_processes_stop_at_the_number_of_trials_and_draw_differently(
    search: Search, url: str
) -> None:
    begin(asking(search, trials=7), url)
    finish([worker(url, WaitsForAnother()) for _ in range(4)])
    left = trials(url)
    # copies of a result, which two processes may draw at once, are no trials of their own
    done = [t.user_attrs["result_key"] for t in left if t.state == TrialState.COMPLETE]
    assert len({*done}) == 7
    assert {t.state for t in left} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert len({t.user_attrs["owner"]["pid"] for t in left}) > 1


def test_sigterm_has_a_worker_save_and_leave_and_another_go_on(
    search: Search, in_tmp: Path
) -> None:
    url = f"sqlite:///{in_tmp}/toy.db"
    begin(asking(search, trials=2), url)
    process = worker(url, StaysInTraining(0.0))
    steps = Path("studies/toy/trials/0/steps.txt")
    while not steps.exists():
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    process.join(30)
    assert process.exitcode == 130
    first, *_, again = trials(url)
    assert first.state == TrialState.FAIL
    assert first.user_attrs["failure"] == "interrupted"
    assert again.state == TrialState.WAITING
    finish([worker(url)])
    assert trials(url)[again.number].user_attrs["resumed_at"] >= 1
    assert "interrupted" in Path("studies/toy/trials/0/log.txt").read_text()


def test_a_process_waits_its_turn(in_tmp: Path) -> None:
    path = in_tmp / "lock"

    def hold() -> None:
        with locked(path):
            (in_tmp / "held").touch()
            time.sleep(60)

    holder = FORK.Process(target=hold, daemon=True)
    holder.start()
    while not (in_tmp / "held").exists():
        time.sleep(0.01)
    began = time.monotonic()
    killer = threading.Timer(0.3, holder.kill)
    killer.start()
    with locked(path):  # a killed process lets go
        assert time.monotonic() - began > 0.2
    holder.join()


def test_a_worker_needs_no_file_of_the_search_space(search: Search, in_tmp: Path) -> None:
    url = f"sqlite:///{in_tmp}/toy.db"
    begin(asking(search, trials=3), url)
    (in_tmp / "toy.yaml").unlink()
    (in_tmp / "elsewhere").mkdir()
    os.chdir(in_tmp / "elsewhere")
    finished = work_on("toy", url, ToyBench(0.0))
    os.chdir(in_tmp)
    assert (finished.ran, finished.complete) == (3, 3)
    assert not (in_tmp / "elsewhere" / "studies").exists()
    assert (in_tmp / "studies/toy/trials/0/log.txt").exists()
    again = run_study(asking(search, trials=3), toy, storage=url)
    assert again.ran == 0


def test_data_are_found_from_elsewhere_and_the_embedded_made_where_they_are_not(
    search: Search, in_tmp: Path
) -> None:
    (in_tmp / "data/synthetic").mkdir(parents=True)
    url = f"sqlite:///{in_tmp}/toy.db"
    begin(search.asking(data=[Path("data/synthetic"), Path("mine")]), url)
    with closing(open_storage(url)) as opened:
        study = optuna.load_study(study_name="toy", storage=opened)
        there = search_of_study(study)[0].space.data.train
        assert there == (str(in_tmp / "data/synthetic"), str(in_tmp / "mine"))
        (in_tmp / "data/synthetic").rmdir()
        elsewhere = search_of_study(study)[0].space.data.train
        assert elsewhere == ("data/synthetic", str(in_tmp / "mine"))
