"""Are losses what their formulas say, with gradients that silence does not spoil?"""

import math

import pytest
import torch
from torch import Tensor

from msdemucs.spec.sections import kinds_of
from msdemucs.train.losses import L1, MSE, SDR, Loss, LossOptions, MultiResolutionSTFT, by_source

REFERENCES = torch.tensor([[[[1.0, -1.0, 2.0]], [[0.0, 4.0, 0.0]]]])  # [1, 2, 1, 3]
ESTIMATES = torch.tensor([[[[1.0, 0.0, 0.0]], [[0.0, 4.0, 0.0]]]])


def test_l1_and_mse_by_hand() -> None:
    assert by_source(L1(), ESTIMATES, REFERENCES, 0.0).tolist() == [[1.0, 0.0]]  # (0 + 1 + 2) / 3
    assert by_source(MSE(), ESTIMATES, REFERENCES, 0.0)[0].tolist() == pytest.approx([5 / 3, 0])


def test_sdr_by_hand() -> None:
    found = by_source(SDR(epsilon=1.0), ESTIMATES, REFERENCES, 0.0)[0].tolist()
    # energies 1 + 1 + 4 and 16, errors 1 + 4 and 0; each with 1 more
    assert found == pytest.approx([-10 * math.log10(7 / 6), -10 * math.log10(17)], rel=1e-6)


def test_spectra_of_half_the_reference_converge_to_one_half() -> None:
    torch.manual_seed(0)
    references = torch.randn(1, 1, 1, 4096)
    options = MultiResolutionSTFT(n_ffts=(256, 512), epsilon=1e-6)
    found = by_source(options, 0.5 * references, references, 1.0).item()
    # ‖|S| − |S|/2‖ / ‖|S|‖ = 1/2, and log 2 at every bin
    assert found == pytest.approx(0.5 + math.log(2), abs=1e-3)


def test_several_kinds_are_added_with_their_weights() -> None:
    loss = Loss([L1(weight=2.0), MSE(weight=0.5)], ["a", "b"])
    assert loss(ESTIMATES, REFERENCES, 0.0).item() == pytest.approx(2 * 0.5 + 0.5 * 5 / 6)


def test_sources_count_by_their_weights() -> None:
    loss = Loss([L1()], ["a", "b"], {"a": 3.0})
    assert loss(ESTIMATES, REFERENCES, 0.0).item() == pytest.approx(3 / 4 * 1.0)


@pytest.mark.parametrize("kind", kinds_of(LossOptions).values())
@pytest.mark.parametrize("content", ["noise", "silent reference", "silent estimate", "silence"])
def test_every_kind_falls_to_its_least_and_has_finite_gradients(
    kind: type[LossOptions], content: str
) -> None:
    torch.manual_seed(0)
    references = torch.randn(2, 2, 2, 4096)
    estimates = torch.randn(2, 2, 2, 4096)
    if content in ("silent reference", "silence"):
        references = torch.zeros_like(references)
    if content in ("silent estimate", "silence"):
        estimates = torch.zeros_like(estimates)
    estimates.requires_grad_(True)
    options = kind.model_validate({})
    value = by_source(options, estimates, references, 1.0)
    assert value.shape == (2, 2)
    (gradient,) = torch.autograd.grad(value.sum(), estimates)
    assert bool(gradient.isfinite().all())
    best = by_source(options, references.clone(), references, 1.0)
    assert bool((best <= value.detach() + 1e-6).all())


def gradient_of(loss: Loss, estimates: Tensor, references: Tensor, level: float = 0.0) -> Tensor:
    estimates = estimates.clone().requires_grad_(True)
    return torch.autograd.grad(loss(estimates, references, level), estimates)[0]


def test_a_source_weighted_more_pulls_more() -> None:
    loss = Loss([L1()], ["a", "b"], {"b": 9.0})
    pulls = gradient_of(loss, torch.zeros(1, 2, 1, 4), torch.ones(1, 2, 1, 4)).abs().sum((2, 3))
    assert pulls[0, 1] == pytest.approx(9 * float(pulls[0, 0]))


@pytest.mark.parametrize("kind", kinds_of(LossOptions).values())
@pytest.mark.parametrize("n_sources", [1, 4])
@pytest.mark.parametrize("is_silent", ["one stem", "a whole item"])
def test_silence_pulls_no_more_than_three_times_as_hard_as_sound(
    kind: type[LossOptions], n_sources: int, is_silent: str
) -> None:
    """Of two items with four stems; whatever is estimated, of quiet and of loud tracks."""
    loss = Loss([kind.model_validate({})], [str(source) for source in range(n_sources)])
    stems, errors = torch.randn(2, 2, 4, 2, 4096)
    silenced = stems.clone()
    silenced[0, : 1 if is_silent == "one stem" else None] = 0
    for loudness in (0.01, 1.0):
        for share in (0.001, 0.1, 0.5, 1.0):
            estimates = share * loudness * (stems + errors)[:, :n_sources]
            pulls = []
            for true in (loudness * stems, loudness * silenced):
                level = float(true.sum(1).square().mean())
                pulls.append(gradient_of(loss, estimates, true[:, :n_sources], level).norm())
            assert 1 / 3 < float(pulls[1] / pulls[0]) < 3, (loudness, share)


@pytest.mark.parametrize("options", [SDR(), MultiResolutionSTFT()])
def test_the_floor_changes_nothing_for_a_stem_that_sounds(
    options: SDR | MultiResolutionSTFT,
) -> None:
    references, estimates = torch.randn(2, 2, 2, 2, 4096)
    level = float(references.sum(1).square().mean())
    without = options.model_copy(update={"floor": 0.0})
    found = by_source(options, estimates, references, level)
    assert torch.equal(found, by_source(without, estimates, references, level))
