"""The forward pass of the published systems, against the originals' golden values."""

import math

import pytest
import torch

from msdemucs import build, load_spec
from tests.model.historic import draw_like_the_original


def two_sines() -> torch.Tensor:
    """220 Hz left and 440 Hz right at half scale, 88277 samples at 44.1 kHz."""
    time = torch.arange(88277, dtype=torch.float64) / 44100
    waves = [0.5 * torch.sin(2 * math.pi * hz * time) for hz in (220, 440)]
    return torch.stack(waves)[None].float()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "weights", "mean", "early", "late"),
    [
        # shared/systems/n_nn_nf_dnf_dn_nc.md, section 0.1: seed 1234, evaluation mode
        ("htdemucs", 747411.0218, 0.03074574, -0.0263236, 0.0290383),
        ("htdemucs_n", 360603.0906, 0.04611900, -0.0358361, -0.0095385),
        ("htdemucs_nn", 360316.7479, 0.03245001, 0.0131249, -0.0312331),
    ],
)
def test_the_same_seed_gives_the_originals_weights_and_outputs(
    name: str, weights: float, mean: float, early: float, late: float
) -> None:
    model = build(load_spec(name))
    draw_like_the_original(model, seed=1234)
    total = sum(float(p.detach().double().abs().sum()) for p in model.parameters())
    assert total == pytest.approx(weights, rel=1e-8)  # the sheet gives 10 digits
    with torch.inference_mode():
        estimates = model.eval()(two_sines())
    assert float(estimates.abs().mean()) == pytest.approx(mean, abs=2e-7)
    assert float(estimates[0, 1, 0, 40000]) == pytest.approx(early, abs=2e-7)
    assert float(estimates[0, 3, 1, 70000]) == pytest.approx(late, abs=2e-7)
