"""Does the learning rate rise, fall and end where a recipe says?"""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msdemucs.spec.sections import kinds_of
from msdemucs.train import learning_rate
from msdemucs.train.schedule import Anneal, Constant, Restarts, ScheduleOptions
from tests.kinds import small_kinds


@st.composite
def runs(draw: st.DrawFn) -> dict[str, float]:
    """Steps, warm-up and rates that a recipe may have."""
    steps = draw(st.integers(1, 300))
    lr = draw(st.floats(1e-6, 1))
    return {
        "steps": steps,
        "warmup_steps": draw(st.integers(0, steps - 1)),
        "lr": lr,
        "final_lr": lr * draw(st.floats(0, 1)),
    }


def rates(steps: int, **run: float) -> list[float]:
    return [learning_rate(step, steps=steps, **run) for step in range(1, steps + 1)]  # type: ignore[arg-type]


def test_the_field_notes_rates_are_a_staircase_of_epochs() -> None:
    """Known are 5e-4, 1e-3, 1e-3, 9.6e-4 … 3.8e-5, to two digits: highest twice, and never zero."""
    run = {"lr": 1e-3, "final_lr": 0.0, "warmup_steps": 800, "epoch_steps": 400}
    found = rates(4000, **run)
    stairs = [found[400 * epoch : 400 * epoch + 400] for epoch in range(10)]
    assert all(len(set(stair)) == 1 for stair in stairs)
    first = [stair[0] for stair in stairs]
    assert [*first[:4], first[9]] == pytest.approx([5e-4, 1e-3, 1e-3, 9.6e-4, 3.8e-5], rel=0.01)


def test_by_step_the_rate_rises_falls_and_ends() -> None:
    found = rates(4000, lr=1e-3, final_lr=1e-5, warmup_steps=800)
    assert found[0] == pytest.approx(1e-3 / 800)
    assert found[399] == pytest.approx(5e-4)
    assert found[799] == 1e-3
    assert found[2399] == pytest.approx((1e-3 + 1e-5) / 2)  # half way down
    assert found[3999] == pytest.approx(1e-5)


@given(run=runs())
def test_it_rises_to_the_highest_rate_and_never_again(run: dict[str, float]) -> None:
    found = rates(**run)  # type: ignore[arg-type]
    top = max(0, int(run["warmup_steps"]) - 1)
    assert found[top] == pytest.approx(run["lr"])
    assert all(a <= b for a, b in itertools.pairwise(found[: top + 1]))
    # A cosine near its ends is flat to within rounding.
    assert all(a >= b * (1 - 1e-9) for a, b in itertools.pairwise(found[top:]))


@given(run=runs())
def test_it_ends_at_the_final_rate(run: dict[str, float]) -> None:
    found = rates(**run)  # type: ignore[arg-type]
    falls = run["steps"] > max(1, run["warmup_steps"])
    assert found[-1] == pytest.approx(run["final_lr"] if falls else run["lr"])


def test_without_a_warm_up_the_first_step_has_the_highest_rate() -> None:
    assert learning_rate(1, steps=10, lr=0.5, final_lr=0.0) == 0.5


KINDS = [small for kind in kinds_of(ScheduleOptions).values() for small in small_kinds(kind)]


@pytest.mark.parametrize("schedule", KINDS)
@given(run=runs())
def test_every_kind_stays_between_its_rates(
    schedule: ScheduleOptions, run: dict[str, float]
) -> None:
    found = rates(**run, schedule=schedule)  # type: ignore[arg-type]
    by_epoch = rates(**run, schedule=schedule, epoch_steps=1)  # type: ignore[arg-type]
    after = [*found[int(run["warmup_steps"]) :], *by_epoch[int(run["warmup_steps"]) :]]
    assert all(run["final_lr"] * (1 - 1e-9) <= rate <= run["lr"] * (1 + 1e-9) for rate in after)


def test_an_epoch_that_is_cut_short_has_the_rate_of_a_whole_one() -> None:
    found = rates(5, lr=1.0, final_lr=0.0, epoch_steps=2)
    assert found[:2] == [1.0, 1.0]
    assert found[2:4] == pytest.approx([0.75, 0.75])  # a third of half a cosine
    assert found[4] == pytest.approx(0.25)


def test_restarts_begin_at_the_highest_rate_and_grow() -> None:
    schedule = Restarts(cycles=2, growth=2.0)
    found = rates(steps=31, lr=1.0, final_lr=0.0, schedule=schedule)  # type: ignore[arg-type]
    assert (found[0], found[10]) == (1.0, 1.0)  # the second, of 20 steps, begins after 10
    assert found[5] == pytest.approx(0.5)
    assert found[20] == pytest.approx(0.5)
    assert found[30] == pytest.approx(0.0)


def test_annealing_is_fast_at_first() -> None:
    found = rates(steps=101, lr=1.0, final_lr=0.0, schedule=Anneal(power=3.0))  # type: ignore[arg-type]
    assert found[50] == pytest.approx(1 / 8)
    assert found[100] == 0


def test_a_constant_rate_is_the_highest_throughout() -> None:
    found = rates(steps=10, lr=0.3, final_lr=0.0, schedule=Constant())  # type: ignore[arg-type]
    assert set(found) == {0.3}
