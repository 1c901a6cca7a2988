"""The forward pass of the published systems, against the originals' golden values."""

import math

import pytest
import torch

from msdemucs import build, load_spec
from tests.model.historic import draw_like_the_original

ROUNDING = 3e-8
"""Of the sheets' sums over float32 weights: half of float32's own step, 6e-8; found is 2.2e-8."""


def two_sines(n_samples: int, level: float) -> torch.Tensor:
    """220 Hz left and 440 Hz right, at 44.1 kHz."""
    time = torch.arange(n_samples, dtype=torch.float64) / 44100
    waves = [level * torch.sin(2 * math.pi * hz * time) for hz in (220, 440)]
    return torch.stack(waves)[None].float()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "weights", "mean", "early", "late"),
    [
        # shared/systems/n_nn_nf_dnf_dn_nc.md, section 0.1: seed 1234, evaluation mode
        ("htdemucs", 747411.0218, 0.03074574, -0.0263236, 0.0290383),
        ("htdemucs_n", 360603.0906, 0.04611900, -0.0358361, -0.0095385),
        ("htdemucs_nn", 360316.7479, 0.03245001, 0.0131249, -0.0312331),
        ("htdemucs_nf", 905960.2047, 0.04137304, 0.0195164, -0.0508126),
        ("htdemucs_dnf", 145790.6279, 0.52696975, 0.6989790, 1.0690385),
        ("htdemucs_dn", 366694.3971, 0.02874430, 0.0417919, 0.0515532),
        ("htdemucs_nc", 977586.7520, 0.10472711, -0.0602663, 0.0210955),
    ],
)
def test_the_same_seed_gives_the_originals_weights_and_outputs(
    name: str, weights: float, mean: float, early: float, late: float
) -> None:
    model = build(load_spec(name))
    draw_like_the_original(model, seed=1234)
    total = sum(float(p.detach().double().abs().sum()) for p in model.parameters())
    assert total == pytest.approx(weights, rel=ROUNDING)
    with torch.inference_mode():
        estimates = model.eval()(two_sines(88277, level=0.5))
    assert float(estimates.abs().mean()) == pytest.approx(mean, rel=1e-6, abs=2e-7)
    assert float(estimates[0, 1, 0, 40000]) == pytest.approx(early, rel=1e-6, abs=2e-7)
    assert float(estimates[0, 3, 1, 70000]) == pytest.approx(late, rel=1e-6, abs=2e-7)


@pytest.mark.slow
@pytest.mark.parametrize("sources", [1, 4])
@pytest.mark.parametrize(
    ("name", "found"),
    [
        # shared/systems/d_d2_d3_d4.md, section 8: for 1 and 4 sources the sums of the weights'
        # sizes and squares, each source's root mean square, and one sample
        (
            "htdemucs_d",
            {
                1: (1450730.2422, 124555.6027, [0.236570], 0.039459),
                4: (1453512.3093, 124884.6471, [0.156792, 0.159160, 0.162733, 0.159141], -0.060600),
            },
        ),
        (
            "htdemucs_d2",
            {
                1: (2463136.3450, 171048.8062, [0.050338], 0.032270),
                4: (2464639.9326, 171054.6560, [0.036764, 0.036256, 0.039085, 0.034091], -0.045822),
            },
        ),
        (
            "htdemucs_d3",
            {
                1: (497222.6135, 36759.1331, [0.016232], -0.007818),
                4: (497865.9637, 36792.9650, [0.010884, 0.009322, 0.010588, 0.009913], -0.004273),
            },
        ),
        (
            "htdemucs_d4",
            {
                1: (862557.6522, 52597.0745, [0.014897], -0.019346),
                4: (862826.8687, 52584.5309, [0.007366, 0.008452, 0.005365, 0.007273], 0.009672),
            },
        ),
    ],
)
def test_fingerprints_of_the_layered_systems(
    name: str, found: dict[int, tuple[float, float, list[float], float]], sources: int
) -> None:
    sizes, squares, levels, sample = found[sources]
    names = ["drums", "bass", "other", "vocals"][:sources]
    model = build(load_spec(name, overrides={"sources": names}))
    draw_like_the_original(model, seed=0)
    weights = [parameter.detach().double() for parameter in model.parameters()]
    assert sum(float(w.abs().sum()) for w in weights) == pytest.approx(sizes, rel=ROUNDING)
    assert sum(float(w.square().sum()) for w in weights) == pytest.approx(squares, rel=ROUNDING)
    with torch.inference_mode():
        estimates = model.eval()(two_sines(44100, level=0.1))
    rms = estimates[0].square().mean(dim=(1, 2)).sqrt()
    assert rms.tolist() == pytest.approx(levels, abs=2e-6)
    # the sheet's own tolerance and digits; float32 moves d's by 3e-6 with the number of threads
    assert float(estimates[0, 0, 0, 1000]) == pytest.approx(sample, rel=1e-4, abs=1e-6)
