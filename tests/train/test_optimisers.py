"""Optimisers with a recipe's settings, its learning rates, and averages of weights."""

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from msdemucs.spec.sections import kinds_of
from msdemucs.train import Recipe, learning_rate
from msdemucs.train.optimisers import (
    Adam,
    AdamW,
    Anneal,
    Constant,
    Restarts,
    ScheduleOptions,
    averages_of,
    build_optimiser,
    moving_average,
    resume_average,
    take_average,
)
from tests.kinds import small_kinds


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))


def test_adam_has_the_recipes_settings() -> None:
    optimiser = build_optimiser(Adam(betas=(0.8, 0.9), eps=1e-3), model(), lr=0.5)
    (group,) = optimiser.param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (0.5, (0.8, 0.9), 1e-3)
    assert not group["weight_decay"]


def test_adamw_decays_matrices_and_leaves_biases_and_gains() -> None:
    net = model()
    before = {name: one.detach().clone() for name, one in net.named_parameters()}
    optimiser = build_optimiser(AdamW(weight_decay=0.5), net, lr=0.1)
    for one in net.parameters():
        one.grad = torch.zeros_like(one)
    optimiser.step()
    for name, one in net.named_parameters():
        factor = 1 - 0.1 * 0.5 if name == "0.weight" else 1
        torch.testing.assert_close(one.detach(), factor * before[name])


def test_the_average_follows_its_formula() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    average = moving_average(net, decay=0.9, warmup=False)
    nn.init.ones_(net.weight)
    for _ in (1, 2, 3):
        average.update_parameters(net)
    assert averages_of(average)["weight"].item() == pytest.approx(1 - 0.9**3)


def test_with_a_warm_up_the_first_weights_are_forgotten_sooner() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    average = moving_average(net, decay=0.9, warmup=True)
    nn.init.ones_(net.weight)
    average.update_parameters(net)
    assert averages_of(average)["weight"].item() == pytest.approx(1 - 2 / 11)


@pytest.mark.parametrize("warmup", [False, True])
def test_an_average_that_goes_on_has_the_bits_of_the_formula(warmup: bool) -> None:
    """As checkpoints of before were written by it: the averages by name, and no more."""
    net = nn.Linear(5, 5)
    average = moving_average(net, decay=0.8, warmup=warmup)
    plain = {name: weights.detach().clone() for name, weights in net.named_parameters()}
    for step in range(1, 60):
        for name, weights in net.named_parameters():
            weights.data.add_(torch.randn_like(weights))
            decay = min(0.8, (1 + step) / (10 + step)) if warmup else 0.8
            plain[name].lerp_(weights.detach(), 1 - decay)
        average.update_parameters(net)
        if step == 20:
            average = moving_average(net, decay=0.8, warmup=warmup)
            resume_average(average, plain, step)
    assert all(torch.equal(values, plain[name]) for name, values in averages_of(average).items())
    take_average(average, net)
    assert all(torch.equal(weights, plain[name]) for name, weights in net.named_parameters())


@st.composite
def runs(draw: st.DrawFn) -> dict[str, Any]:
    """Steps, warm-up and rates that a recipe may have."""
    steps = draw(st.integers(1, 300))
    lr = draw(st.floats(1e-6, 1))
    return {
        "steps": steps,
        "warmup_steps": draw(st.integers(0, steps - 1)),
        "lr": lr,
        "final_lr": lr * draw(st.floats(0, 1)),
    }


def rates(steps: int, epoch_steps: int | None = None, **fields: Any) -> list[float]:
    epochs = {"schedule_by": "epoch", "steps_per_epoch": epoch_steps} if epoch_steps else {}
    lengths = {"name": "toy", "steps": steps, "batch_size": 1, "segment": 1.0}
    recipe = Recipe(**{**lengths, **epochs, **fields})
    return [learning_rate(step, recipe) for step in range(1, steps + 1)]


def test_the_field_notes_rates_are_a_staircase_of_epochs() -> None:
    """Known are 5e-4, 1e-3, 1e-3, 9.6e-4 … 3.8e-5, to two digits: highest twice, and never zero."""
    found = rates(4000, 400, lr=1e-3, final_lr=0.0, warmup_steps=800)
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
def test_it_rises_to_the_highest_rate_and_never_again(run: dict[str, Any]) -> None:
    found = rates(**run)
    top = max(0, int(run["warmup_steps"]) - 1)
    assert found[top] == pytest.approx(run["lr"])
    assert all(a <= b for a, b in itertools.pairwise(found[: top + 1]))
    # A cosine near its ends is flat to within rounding.
    assert all(a >= b * (1 - 1e-9) for a, b in itertools.pairwise(found[top:]))


@given(run=runs())
def test_it_ends_at_the_final_rate(run: dict[str, Any]) -> None:
    found = rates(**run)
    falls = run["steps"] > max(1, run["warmup_steps"])
    assert found[-1] == pytest.approx(run["final_lr"] if falls else run["lr"])


def test_without_a_warm_up_the_first_step_has_the_highest_rate() -> None:
    assert rates(10, lr=0.5, final_lr=0.0)[0] == 0.5


KINDS = [small for kind in kinds_of(ScheduleOptions).values() for small in small_kinds(kind)]


@pytest.mark.parametrize("schedule", KINDS)
@given(run=runs())
def test_every_kind_stays_between_its_rates(schedule: ScheduleOptions, run: dict[str, Any]) -> None:
    found = rates(**run, schedule=schedule)
    by_epoch = rates(**run, schedule=schedule, epoch_steps=1)
    after = [*found[int(run["warmup_steps"]) :], *by_epoch[int(run["warmup_steps"]) :]]
    assert all(run["final_lr"] * (1 - 1e-9) <= rate <= run["lr"] * (1 + 1e-9) for rate in after)


def test_an_epoch_that_is_cut_short_has_the_rate_of_a_whole_one() -> None:
    found = rates(5, lr=1.0, final_lr=0.0, epoch_steps=2)
    assert found[:2] == [1.0, 1.0]
    assert found[2:4] == pytest.approx([0.75, 0.75])  # a third of half a cosine
    assert found[4] == pytest.approx(0.25)


def test_restarts_begin_at_the_highest_rate_and_grow() -> None:
    schedule = Restarts(cycles=2, growth=2.0)
    found = rates(steps=31, lr=1.0, final_lr=0.0, schedule=schedule)
    assert (found[0], found[10]) == (1.0, 1.0)  # the second, of 20 steps, begins after 10
    assert found[5] == pytest.approx(0.5)
    assert found[20] == pytest.approx(0.5)
    assert found[30] == pytest.approx(0.0)


def test_annealing_is_fast_at_first() -> None:
    found = rates(steps=101, lr=1.0, final_lr=0.0, schedule=Anneal(power=3.0))
    assert found[50] == pytest.approx(1 / 8)
    assert found[100] == 0


def test_a_constant_rate_is_the_highest_throughout() -> None:
    found = rates(steps=10, lr=0.3, final_lr=0.0, schedule=Constant())
    assert set(found) == {0.3}
