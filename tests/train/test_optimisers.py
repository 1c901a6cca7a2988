"""Do optimisers get a recipe's settings, and do gains escape weight decay? And the average?"""

import pytest
import torch
from torch import nn

from msdemucs.train.optimisers import (
    Adam,
    AdamW,
    averages_of,
    build_optimiser,
    go_on,
    moving_average,
    take,
)


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
            go_on(average, plain, step)
    assert all(torch.equal(values, plain[name]) for name, values in averages_of(average).items())
    take(average, net)
    assert all(torch.equal(weights, plain[name]) for name, weights in net.named_parameters())
