"""Does each metric compute its formula, and behave as a ratio of energies should?"""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msdemucs.metrics import METRICS, Stems
from msdemucs.metrics.scores import N_FFT, QUIETEST
from tests.metrics.waveforms import RATE, leaky, music, noise, stems

REFERENCE, ERROR = noise(1)[0], 0.3 * noise(2)[1]


def score(name: str, reference: np.ndarray, estimate: np.ndarray) -> float:
    """Of one source alone."""
    (found,) = METRICS[name].of(stems(reference[None], estimate[None]))
    return found.value


def values(name: str, track: Stems) -> list[float]:
    return [found.value for found in METRICS[name].of(track)]


# uSDR


def test_usdr_is_the_ratio_of_energies_over_channels_and_samples() -> None:
    reference = np.array([[30.0, 0.0], [0.0, 10.0]])
    estimate = np.array([[20.0, 0.0], [0.0, 10.0]])
    assert score("usdr_db", reference, estimate) == pytest.approx(10)  # 1000 to 100


def test_epsilon_bounds_a_perfect_estimate() -> None:
    energy = np.square(REFERENCE).sum()
    found = score("usdr_db", REFERENCE, REFERENCE)
    assert found == pytest.approx(10 * math.log10(energy / 1e-7 + 1))


def test_one_sample_is_enough_to_not_be_silent() -> None:
    reference = np.zeros((2, 100))
    reference[0, 3] = 1e-3
    assert score("usdr_db", reference, 0 * reference) == pytest.approx(0)


@given(gain=st.floats(0.01, 100))
def test_a_common_gain_changes_nothing(gain: float) -> None:
    plain = score("usdr_db", REFERENCE, REFERENCE + ERROR)
    # at a gain of 0.01 ε is 1e-5 of the error's energy
    found = score("usdr_db", gain * REFERENCE, gain * (REFERENCE + ERROR))
    assert found == pytest.approx(plain, abs=1e-4)


@given(gain=st.floats(0.01, 10))
def test_an_error_of_twice_the_size_costs_six_decibels(gain: float) -> None:
    once = score("usdr_db", REFERENCE, REFERENCE + gain * ERROR)
    twice = score("usdr_db", REFERENCE, REFERENCE + 2 * gain * ERROR)
    assert once - twice == pytest.approx(20 * math.log10(2), abs=1e-3)


def test_channels_may_be_swapped_in_both() -> None:
    made = REFERENCE + ERROR
    swapped = score("usdr_db", REFERENCE[::-1], made[::-1])
    assert swapped == pytest.approx(score("usdr_db", REFERENCE, made))


@pytest.mark.parametrize("name", ["usdr_db", "si_sdr_db", "csdr_db"])
def test_sums_are_taken_in_double_precision(name: str) -> None:
    # in float32 sums of so many squares differ in the sixth digit, and 1 ± 2e-4 is coarse
    reference = np.ones((1, 2**21), dtype=np.float32)
    made = reference + np.float32(2e-4) * (1 - 2 * (np.arange(2**21) % 2)).astype(np.float32)
    error = np.square(made.astype(np.float64) - 1).mean()
    (found,) = METRICS[name].of(stems(reference[None], made[None], window=2**21 / RATE))
    assert found.value == pytest.approx(-10 * math.log10(error), abs=1e-4)


# Scale-invariant metrics


def test_si_sdr_by_hand() -> None:
    reference = np.array([[1.0, 0.0, 0.0]])
    assert score("si_sdr_db", reference, np.array([[5.0, 0.5, 0.0]])) == pytest.approx(20)
    assert score("si_sdr_db", reference, 3 * reference) == math.inf
    assert score("si_sdr_db", reference, np.array([[0.0, 1.0, 0.0]])) == -math.inf


def test_a_gain_alone_is_no_error_whatever_the_rounding() -> None:
    assert score("si_sdr_db", REFERENCE, 0.7 * REFERENCE) == math.inf


def test_interference_and_artefacts_by_hand() -> None:
    references = np.array([[[1.0, 0.0, 0.0, 0.0]], [[0.0, 2.0, 0.0, 0.0]]])
    estimates = np.array([[[5.0, 0.5, 0.05, 0.0]], [[0.0, 4.0, 0.0, 0.4]]])
    track = stems(references, estimates)
    assert values("si_sir_db", track) == pytest.approx([20, math.inf])
    assert values("si_sar_db", track) == pytest.approx([40, 20])


def test_references_that_overlap_are_told_apart() -> None:
    first, second = noise(2)
    references = np.stack([first, first + second])
    made = np.stack([first, first])  # the second estimate is a mix of references
    sar, sir = (values(name, stems(references, made)) for name in ("si_sar_db", "si_sir_db"))
    assert sar == [math.inf, math.inf]
    assert sir[0] == math.inf
    # g s of the second: half of each part, and half of each is what the first explains
    assert sir[1] == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("waveforms", [noise, music])
def test_errors_of_leakage_and_artefacts_add_up(waveforms: Callable[..., np.ndarray]) -> None:
    references = waveforms(3)
    track = stems(references, leaky(references))
    sdr, sir, sar = (values(f"si_{kind}_db", track) for kind in ("sdr", "sir", "sar"))
    for whole, leaked, other in zip(sdr, sir, sar, strict=True):
        assert 10 ** (-whole / 10) == pytest.approx(10 ** (-leaked / 10) + 10 ** (-other / 10))


def test_a_quiet_reference_counts_as_a_loud_one_does() -> None:
    references = noise(2) * np.array([1, 1e-7])[:, None, None]
    track = stems(references, leaky(references))
    quiet = stems(references * np.array([1, 1e7])[:, None, None], track.estimates)
    assert values("si_sar_db", track) == pytest.approx(values("si_sar_db", quiet), rel=1e-6)


def test_a_silent_reference_and_a_copied_one_leave_the_others_their_scores() -> None:
    first, second = noise(2)
    references = np.stack([first, 0 * first, second, second])
    track = stems(references, leaky(references))
    sar = METRICS["si_sar_db"].of(track)
    assert [math.isfinite(found.value) for found in sar] == [True, False, True, True]
    pair = np.stack([first, second])
    alone = METRICS["si_sar_db"].of(stems(pair, track.estimates[[0, 2]]))
    assert [sar[0].value, sar[2].value] == pytest.approx([found.value for found in alone])


# Frames


def test_chunks_are_whole_and_silent_ones_have_no_score() -> None:
    references, estimates = np.ones((1, 1, 10)), np.ones((1, 1, 10))
    references[..., 3:6] = 0
    estimates[..., :3] = 2
    (found,) = METRICS["chunk_sdr_db"].of(stems(references, estimates, chunk=3 / RATE))
    assert found.frames is not None
    assert found.frames[0] == pytest.approx(0, abs=1e-6)
    assert math.isnan(found.frames[1])
    assert len(found.frames) == 3  # the tenth sample fills no chunk
    (short,) = METRICS["chunk_sdr_db"].of(stems(references, estimates, chunk=1.0))
    assert short.frames is not None
    assert len(short.frames) == 1


def test_a_tracks_value_is_the_median_of_its_finite_frames() -> None:
    references = noise(seconds=5)
    estimates = leaky(references)
    estimates[0, :, :RATE] = references[0, :, :RATE]  # no error: infinite
    estimates[1, :, RATE : 2 * RATE] = 0  # silent: no frame of either
    for found in METRICS["csdr_db"].of(stems(references, estimates)):
        assert found.frames is not None
        assert np.isnan(found.frames).tolist() == [False, True, False, False, False]
        finite = found.frames[np.isfinite(found.frames)]
        assert found.value == pytest.approx(float(np.median(finite)))


# Spectra


def test_spectral_energies_are_those_of_waveforms() -> None:
    (reference,) = music(1)
    for level, expected in ((0.9, 20), (0.5, 6.02)):
        # what is missing everywhere is 1 − level of it
        assert score("fullness_db", reference, level * reference) == pytest.approx(
            expected, abs=0.01
        )
    found = score("bleedless_db", reference, 1.1 * reference)
    assert found == pytest.approx(20, abs=0.01)
    usdr = score("usdr_db", reference, 0 * reference + 1e-9)
    assert usdr == pytest.approx(0, abs=1e-3)
    energy = np.square(reference).sum()
    ceiling = score("bleedless_db", reference, 0.5 * reference)
    assert ceiling == pytest.approx(10 * math.log10(energy / 1e-7), abs=0.1)


def test_what_is_too_much_and_what_lacks_are_told_apart() -> None:
    first, second = music(2)
    assert score("bleedless_db", first, first + 0.1 * second) < 25
    assert score("fullness_db", first, first + 0.1 * second) > 40
    assert score("bleedless_db", first, 0.8 * first) > 60
    assert score("fullness_db", first, 0.8 * first) < 15


def test_phase_is_no_error_of_spectra() -> None:
    (reference,) = noise(1)
    for name in ("bleedless_db", "fullness_db"):
        assert score(name, reference, -reference) == score(name, reference, reference)
    assert score("lsd_db", reference, -reference) == 0


def test_log_spectral_distance_of_a_gain_is_the_gain() -> None:
    (reference,) = noise(1)
    assert score("lsd_db", reference, reference / 10) == pytest.approx(20, abs=0.01)


def test_log_spectral_distance_by_hand() -> None:
    reference = np.zeros((1, 3 * N_FFT))
    reference[0, 700] = 1.0  # an impulse: as loud at every frequency
    level = 10 * math.log10(QUIETEST)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    power = np.square(2 * window / window.sum())
    positions = N_FFT // 2 + 700 - 512 * np.arange(1 + 3 * N_FFT // 512)
    heard = [power[place] if 0 <= place < N_FFT else 0.0 for place in positions]
    expected = np.mean([10 * math.log10(p + QUIETEST) - level for p in heard])
    assert score("lsd_db", reference, 0 * reference) == pytest.approx(float(expected), rel=1e-6)
