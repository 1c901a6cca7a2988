"""Is cSDR museval's SDR, on every frame of every kind of material?"""

from collections.abc import Callable

import numpy as np
import pytest
from museval.metrics import bss_eval

from msdemucs.metrics import METRICS
from tests.metrics.waveforms import RATE, leaky, music, noise, stems

TOLERANCE_DB = 1e-6
MOST_DB = 250.0
"""Above it both are the rounding of float64."""


def frames_of(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """cSDR of every source and frame, [S, W]; it agrees with museval's SDR."""
    found = METRICS["csdr_db"].of(stems(references, estimates))
    ours = np.stack([score.frames for score in found if score.frames is not None])
    swapped = (waveforms.transpose(0, 2, 1) for waveforms in (references, estimates))
    with np.errstate(all="ignore"):
        theirs = bss_eval(*swapped, window=RATE, hop=RATE)[0]
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_allclose(
        np.minimum(ours, MOST_DB), np.minimum(theirs, MOST_DB), rtol=0, atol=TOLERANCE_DB
    )
    return ours


@pytest.mark.parametrize("waveforms", [noise, music])
@pytest.mark.parametrize(("n_sources", "channels"), [(1, 1), (1, 2), (3, 1)])
def test_it_is_musevals_sdr(
    waveforms: Callable[..., np.ndarray], n_sources: int, channels: int
) -> None:
    references = waveforms(n_sources, channels)
    ours = frames_of(references, leaky(references))
    assert ours.shape == (n_sources, 3)  # what does not fill a frame is left out
    assert np.isfinite(ours).all()


def mixture(references: np.ndarray) -> np.ndarray:
    return np.broadcast_to(references.sum(0), references.shape).copy()


def very_near(references: np.ndarray) -> np.ndarray:
    return leaky(references, 1e-6)


def very_far(references: np.ndarray) -> np.ndarray:
    return leaky(references, 0.999)


def perfect(references: np.ndarray) -> np.ndarray:
    return references.copy()


def one_is_perfect(references: np.ndarray) -> np.ndarray:
    return np.concatenate([references[:1], leaky(references)[1:]])


def of_float32(references: np.ndarray) -> np.ndarray:
    return leaky(references).astype(np.float32)


def delayed(references: np.ndarray) -> np.ndarray:
    return np.roll(references, 5, axis=-1)


@pytest.mark.parametrize(
    "estimate", [mixture, very_near, very_far, perfect, one_is_perfect, of_float32, delayed]
)
def test_it_is_musevals_sdr_of_estimates_of_every_kind(
    estimate: Callable[[np.ndarray], np.ndarray],
) -> None:
    references = music()
    frames_of(references, estimate(references))


def test_an_estimate_without_an_error_is_infinite() -> None:
    references = music()
    assert np.isposinf(frames_of(references, references)).all()


@pytest.mark.parametrize("n_samples", [1, RATE // 3, RATE, RATE + 1])
def test_a_track_shorter_than_two_frames_is_one(n_samples: int) -> None:
    references = noise()[..., :n_samples]
    assert frames_of(references, leaky(references)).shape == (2, 1)


def test_levels_of_one_bit_and_far_below_do_not_matter() -> None:
    references = music() * np.array([1e-5, 1e-9])[:, None, None]
    frames_of(references, leaky(references))


@pytest.mark.parametrize("kind", ["reference", "estimate"])
@pytest.mark.parametrize("how", ["silent", "opposite"])
def test_a_frame_in_which_a_stem_is_silent_has_no_scores_for_any(kind: str, how: str) -> None:
    references = music()
    estimates = leaky(references)
    stem = (references if kind == "reference" else estimates)[1, :, RATE : 2 * RATE]
    if how == "silent":
        stem[:] = 0
    else:  # channels that sum to 0 count as silence to museval
        stem[1] = -stem[0]
    ours = frames_of(references, estimates)
    assert np.isnan(ours).tolist() == [[False, True, False]] * 2


def test_a_frame_in_which_one_channel_is_silent_has_scores() -> None:
    references = music()
    references[0, 1, :RATE] = 0
    assert np.isfinite(frames_of(references, leaky(references))).all()


@pytest.mark.parametrize("kind", ["reference", "estimate"])
def test_where_museval_refuses_a_track_there_is_no_score_but_a_reason(kind: str) -> None:
    references = music()
    estimates = leaky(references)
    (references if kind == "reference" else estimates)[1] = 0
    with pytest.raises(ValueError, match="silent"):
        bss_eval(references.transpose(0, 2, 1), estimates.transpose(0, 2, 1))
    for found in METRICS["csdr_db"].of(stems(references, estimates)):
        assert np.isnan(found.value)
        assert found.reason == f"the {kind} of “bass” is silent throughout"
