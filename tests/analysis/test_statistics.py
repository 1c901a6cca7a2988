"""Intervals and p-values, held to simulations, closed forms and hand-made values."""

import math

import numpy as np
import pytest

from msdemucs.analysis.statistics import (
    fewest_tracks,
    hierarchical_interval,
    holm,
    mean_of_means,
    sigma,
)


@pytest.mark.parametrize(
    ("n_seeds", "n_tracks", "of_seeds", "of_tracks", "of_both"),
    [
        (3, 8, 0.3, 0.1, 0.2),
        (3, 8, 0.1, 0.5, 0.2),
        (5, 14, 0.3, 0.3, 0.3),
        (2, 10, 0.2, 0.5, 0.1),
        (1, 10, 0.0, 0.4, 0.2),
    ],
)
def test_the_interval_covers_the_truth_as_often_as_it_says(
    n_seeds: int, n_tracks: int, of_seeds: float, of_tracks: float, of_both: float
) -> None:
    rng = np.random.default_rng(1)
    repeats = 400
    covered = 0
    for _ in range(repeats):
        differences = (
            1.0
            + of_seeds * rng.normal(size=(n_seeds, 1, 1))
            + of_tracks * rng.normal(size=(1, n_tracks, 1))
            + of_both * rng.normal(size=(n_seeds, n_tracks, 2))
        )
        interval = hierarchical_interval(differences, rng=rng, resamples=400)
        covered += interval.low < 1 < interval.high
    # 0.95 nominal; the standard error of 400 repeats is 0.011
    assert 0.9 <= covered / repeats <= 0.99


def test_an_interval_that_ignores_seeds_would_be_far_too_narrow() -> None:
    """What the hierarchy is for: tracks alone cover a third where seeds decide."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        one_seed = 1 + 0.3 * rng.normal() + 0.1 * rng.normal(size=(1, 10, 1))
        interval = hierarchical_interval(one_seed, rng=rng, resamples=200)
        covered += interval.low < 1 < interval.high
    assert covered / 200 < 0.4


def test_silent_references_are_left_out_of_their_sources_mean_alone() -> None:
    nan = math.nan
    differences = np.array([[[1.0, 4.0], [3.0, nan]]])  # one seed, two tracks, two sources
    assert mean_of_means(differences) == pytest.approx([3.0])  # (2 + 4) / 2
    rng = np.random.default_rng(0)
    assert hierarchical_interval(differences, rng=rng).value == pytest.approx(3.0)


def test_equal_differences_have_no_width() -> None:
    interval = hierarchical_interval(np.full((2, 3, 4), 0.5), rng=np.random.default_rng(0))
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.5, 0.5, 0.5))


def test_one_track_and_seed_have_no_interval() -> None:
    interval = hierarchical_interval(np.ones((1, 1, 4)), rng=np.random.default_rng(0))
    assert interval.value == 1
    assert math.isnan(interval.low)


def test_holm_multiplies_step_by_step_and_never_falls() -> None:
    # by hand, and as statsmodels' multipletests(method="holm") gives it
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_holm_does_not_count_what_has_no_p() -> None:
    adjusted = holm([0.01, math.nan, 0.02])
    assert adjusted[0] == pytest.approx(0.02)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.02)


def test_sigma_has_the_textbook_interval() -> None:
    # n = 5, s = 2: χ² quantiles with 4 degrees of freedom are 11.1433 and 0.4844
    values = np.array([-1.0, -1.0, 0.0, 1.0, 1.0]) * 2
    found = sigma(values.tolist())
    assert found.value == pytest.approx(2.0)
    assert found.low == pytest.approx(2 * math.sqrt(4 / 11.1433), rel=1e-4)
    assert found.high == pytest.approx(2 * math.sqrt(4 / 0.48442), rel=1e-4)


def test_sigma_of_one_value_is_refused() -> None:
    with pytest.raises(ValueError, match="needs two values; found 1"):
        sigma([0.1])


@pytest.mark.parametrize("n_tests", [1, 2, 5, 10])
def test_the_fewest_tracks_are_those_of_which_one_less_cannot_do(n_tests: int) -> None:
    tracks = fewest_tracks(n_tests)
    assert n_tests * 2 / 2**tracks < 0.05 <= n_tests * 2 / 2 ** (tracks - 1)
