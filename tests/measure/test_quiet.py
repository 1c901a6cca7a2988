"""Does a measurement know how busy others were, and is the quietest attempt kept?"""

import os
import time
from collections.abc import Callable

import psutil
import pytest

from msdemucs.measure import others, quiet, quietly


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
