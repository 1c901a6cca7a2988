"""How far the best of several noisy scores is expected to fall."""

import numpy as np
import pytest

from msdemucs.analysis.optimism import expected_fall


def test_of_equal_truths_it_is_the_mean_of_the_maximum_of_the_noise() -> None:
    # of eight standard normals 1.4236 (tables of order statistics)
    assert expected_fall([1.0] * 8, [0.2] * 8) == pytest.approx(0.2 * 1.4236, rel=0.03)


def test_scores_that_lie_apart_by_the_noise_alone_are_of_equal_truths() -> None:
    spread = np.linspace(-1.0, 1.0, 8)
    scores = 0.2 * spread / spread.std(ddof=1)
    assert expected_fall(scores.tolist(), [0.2] * 8) == pytest.approx(0.2 * 1.4236, rel=0.03)


def test_a_leader_far_ahead_does_not_fall() -> None:
    assert expected_fall([0.0, 0.1, 9.0], [0.1] * 3) == pytest.approx(0.0, abs=0.005)


def test_one_score_and_scores_without_noise_do_not_fall() -> None:
    assert expected_fall([1.0], [0.3]) == 0.0
    assert expected_fall([1.0, 2.0], [0.0, 0.0]) == 0.0


def test_it_grows_with_the_noise_and_not_with_the_level() -> None:
    scores = [0.1, 0.4, 0.5, 0.9, 1.0]
    falls = [expected_fall(scores, [noise] * 5) for noise in (0.02, 0.1, 0.3)]
    assert falls == sorted(falls)
    moved = [score + 30.0 for score in scores]
    assert expected_fall(moved, [0.1] * 5) == pytest.approx(falls[1], abs=1e-9)


def test_the_best_of_simulated_studies_falls_as_far_as_it_says() -> None:
    rng, fell, said = np.random.default_rng(1), [], []
    for _ in range(150):
        truths = rng.normal(0, 0.2, 30)
        scores = truths + rng.normal(0, 0.15, 30)
        best = int(scores.argmax())
        fell.append(scores[best] - truths[best])
        said.append(expected_fall(scores.tolist(), [0.15] * 30))
    error = float(np.std(fell, ddof=1)) / len(fell) ** 0.5
    assert float(np.mean(said)) == pytest.approx(float(np.mean(fell)), abs=3 * error)
