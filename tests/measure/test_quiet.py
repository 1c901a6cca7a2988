"""Is a machine known to be quiet, do measurements take turns, and is every wait bounded?"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from msdemucs.measure import HostLock, others, quiet, quietly


class Machine:
    """A machine of two cores whose clocks a test moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = self.busy = self.own = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.wall)
        monkeypatch.setattr(time, "process_time", lambda: self.own)
        monkeypatch.setattr(quiet, "_busy_seconds", lambda: self.busy)
        monkeypatch.setattr(os, "cpu_count", lambda: 2)

    def run(self, *, own: float, foreign: float) -> None:
        """Ten seconds pass."""
        self.wall += 10
        self.own += own
        self.busy += own + foreign


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_own_work_is_not_others(fake: Machine) -> None:
    with others() as seen:
        fake.run(own=19, foreign=1)
    assert seen.share == pytest.approx(1 / 20)


def attempts_of(machine: Machine, *foreign: float) -> Callable[[], float]:
    """A measurement that finds how busy others are, in the attempts' order."""
    left = list(foreign)

    def measure() -> float:
        machine.run(own=5, foreign=left[0])
        return left.pop(0)

    return measure


def test_a_quiet_attempt_is_the_last(fake: Machine) -> None:
    found, share = quietly(attempts_of(fake, 8, 1, 0), attempts=3)
    assert found == 1.0
    assert share == pytest.approx(0.05)


def test_without_a_quiet_attempt_the_quietest_counts(fake: Machine) -> None:
    found, share = quietly(attempts_of(fake, 8, 4, 6), attempts=3)
    assert found == 4.0
    assert share == pytest.approx(0.2)


def test_the_machine_says_how_long_its_cores_worked() -> None:
    began, before = time.monotonic(), quiet._busy_seconds()
    stop = time.thread_time() + 0.3
    while time.thread_time() < stop:
        pass
    worked, seconds = quiet._busy_seconds() - before, time.monotonic() - began
    assert 0.1 < worked < (seconds + 0.1) * (psutil.cpu_count() or 1)


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host of the test's own."""
    monkeypatch.setattr(quiet, "LOCK_FOLDER", tmp_path)
    monkeypatch.setattr(quiet, "SECONDS_BETWEEN_TRIES", 0.001)


class Clock:
    """Time that passes while one waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.05)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def test_a_process_alone_waits_for_nothing(clock: Clock) -> None:
    lock = HostLock()
    with lock.working():
        with lock.measuring():
            pass
        lock.give_way()
    assert clock.now == 0


def test_one_process_measures_at_a_time_and_no_training_makes_a_step_meanwhile() -> None:
    n_steps, n_measuring, wrong = [0], [0], []
    done, ready = threading.Event(), threading.Barrier(5)

    def train() -> None:
        lock = HostLock()
        with lock.working():
            ready.wait()
            while not done.is_set():
                n_steps[0] += 1
                wrong.extend(["a step beside a measurement"] * n_measuring[0])
                lock.give_way()

    def measure() -> None:
        lock = HostLock()
        with lock.working():
            ready.wait()
            for _ in range(5):
                with lock.measuring():
                    n_measuring[0] += 1
                    before = n_steps[0]
                    threading.Event().wait(0.01)
                    wrong.extend(["two measurements"] * (n_measuring[0] - 1))
                    wrong.extend(["a step"] * (n_steps[0] - before))
                    n_measuring[0] -= 1
                lock.give_way()

    with ThreadPoolExecutor(5) as threads:
        training = [threads.submit(train) for _ in range(2)]
        for measurement in [threads.submit(measure) for _ in range(3)]:
            measurement.result(timeout=30)
        done.set()
        for trained in training:
            trained.result(timeout=30)
    assert not wrong
    assert n_steps[0] > 0


def test_a_training_within_a_long_step_is_waited_for_no_longer_than_stated(clock: Clock) -> None:
    measuring, training = HostLock(), HostLock()
    with measuring.working(), training.working():
        with measuring.measuring():
            assert clock.now == pytest.approx(quiet.STEP_PATIENCE_S, abs=0.1)
        ended = clock.now
        training.give_way()
        assert clock.now == ended


def test_a_measurement_that_never_ends_holds_a_training_up_once(clock: Clock) -> None:
    hung, training = HostLock(), HostLock()
    with hung.working(), hung.measuring(), training.working():
        assert clock.now == pytest.approx(quiet.PATIENCE_S, abs=0.1)
        training.give_way()
        training.give_way()
        assert clock.now == pytest.approx(quiet.PATIENCE_S, abs=0.1)


def test_a_measurement_that_never_ends_is_measured_beside(clock: Clock) -> None:
    hung, late = HostLock(), HostLock()
    with late.working(), hung.working(), hung.measuring():
        began = clock.now
        with late.measuring():
            assert clock.now - began == pytest.approx(quiet.PATIENCE_S, abs=0.1)


def test_a_killed_process_lets_go(clock: Clock, tmp_path: Path) -> None:
    code = (
        "import fcntl, os, signal, sys\n"
        "for name in sys.argv[1:]:\n"
        "    fcntl.flock(os.open(name, os.O_RDWR), fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "signal.pause()\n"
    )
    lock = HostLock()
    with lock.working():
        pass
    paths = [str(path) for path in tmp_path.iterdir()]
    assert len(paths) == 2
    words = [sys.executable, "-c", code, *paths]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        holder.wait()
    with lock.working(), lock.measuring():
        assert clock.now == 0


def test_where_no_lock_can_be_had_nothing_waits(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(quiet, "LOCK_FOLDER", tmp_path / "missing")
    one, other = HostLock(), HostLock()
    with one.working(), other.working(), one.measuring(), other.measuring():
        one.give_way()
    assert clock.now == 0
