"""Do optimisers get a recipe's settings, and do gains escape weight decay? And the average?"""

import pytest
import torch
from torch import nn

from msdemucs.train.ema import MovingAverage
from msdemucs.train.optimisers import Adam, AdamW, build_optimiser


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
    average = MovingAverage(net, decay=0.9, warmup=False)
    nn.init.ones_(net.weight)
    for step in (1, 2, 3):
        average.update(step)
    assert average.average["weight"].item() == pytest.approx(1 - 0.9**3)


def test_with_a_warm_up_the_first_weights_are_forgotten_sooner() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    average = MovingAverage(net, decay=0.9, warmup=True)
    nn.init.ones_(net.weight)
    average.update(1)
    assert average.average["weight"].item() == pytest.approx(1 - 2 / 11)


def test_averages_are_applied_for_a_while_and_given_back_even_after_a_fault() -> None:
    net = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(net.weight)
    average = MovingAverage(net, decay=0.5, warmup=False)
    nn.init.ones_(net.weight)
    seen = []

    def fail() -> None:
        with average.applied():
            seen.append(net.weight.item())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert seen == [0]
    assert net.weight.item() == 1
    average.apply()
    assert net.weight.item() == 0
