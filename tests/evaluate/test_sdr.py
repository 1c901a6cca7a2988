"""Is uSDR what the challenge defines, and does it behave as a ratio of energies should?"""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from msdemucs.evaluate.sdr import usdr_db

REFERENCE = 0.3 * torch.randn((2, 500), generator=torch.Generator().manual_seed(0))
ERROR = 0.1 * torch.randn((2, 500), generator=torch.Generator().manual_seed(1))


def score(reference: torch.Tensor, estimate: torch.Tensor, **options: float) -> float:
    found = usdr_db(reference, estimate, **options)
    assert found is not None
    return found


def test_it_is_the_ratio_of_energies_over_channels_and_samples() -> None:
    reference = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    estimate = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    assert score(reference, estimate, epsilon=0.0) == pytest.approx(10.0)  # 10 to 1


def test_nothing_as_the_estimate_scores_zero() -> None:
    assert score(REFERENCE, torch.zeros_like(REFERENCE)) == pytest.approx(0, abs=1e-9)


def test_epsilon_bounds_a_perfect_estimate() -> None:
    energy = float(REFERENCE.double().square().sum())
    assert score(REFERENCE, REFERENCE) == pytest.approx(10 * math.log10(energy / 1e-7 + 1))


def test_a_silent_reference_has_no_score() -> None:
    assert usdr_db(torch.zeros(2, 100), torch.randn(2, 100)) is None


def test_one_sample_is_enough_to_not_be_silent() -> None:
    reference = torch.zeros(2, 100)
    reference[0, 3] = 1e-3
    assert usdr_db(reference, torch.zeros(2, 100)) == pytest.approx(0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_estimate_that_is_not_finite_scores_nan(value: float) -> None:
    estimate = REFERENCE.clone()
    estimate[1, 7] = value
    assert math.isnan(score(REFERENCE, estimate))


@given(gain=st.floats(0.01, 100))
def test_a_common_gain_changes_nothing(gain: float) -> None:
    plain = score(REFERENCE, REFERENCE + ERROR, epsilon=0.0)
    # Roundings of the scaled float32 samples average out to far less than this.
    assert score(gain * REFERENCE, gain * (REFERENCE + ERROR), epsilon=0.0) == pytest.approx(
        plain, abs=1e-4
    )


@given(gain=st.floats(0.01, 10))
def test_an_error_of_twice_the_size_costs_six_decibels(gain: float) -> None:
    once = score(REFERENCE, REFERENCE + gain * ERROR, epsilon=0.0)
    twice = score(REFERENCE, REFERENCE + 2 * gain * ERROR, epsilon=0.0)
    assert once - twice == pytest.approx(20 * math.log10(2), abs=1e-3)


def test_channels_may_be_swapped_in_both() -> None:
    estimate = REFERENCE + ERROR
    assert score(REFERENCE.flip(0), estimate.flip(0)) == pytest.approx(score(REFERENCE, estimate))


def test_long_tracks_are_summed_in_double_precision() -> None:
    # In float32 the sums of so many squares differ in the sixth digit.
    n_samples = 2**22
    reference = torch.ones(1, 1).expand(1, n_samples)
    found = score(reference, 1.1 * reference, epsilon=0.0)
    assert found == pytest.approx(20, abs=1e-4)  # 1.1 is not exact in float32
