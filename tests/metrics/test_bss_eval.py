"""Does our BSSEval agree with museval, the reference, on every frame and kind of material?"""

from collections.abc import Callable

import numpy as np
import pytest
import soundfile
import torch
from museval.metrics import bss_eval

from msdemucs.data import unpack_sample
from msdemucs.errors import UsageError
from msdemucs.evaluate import bsseval

RATE = 8000
TOLERANCE_DB = 1e-3  # the contract; most frames agree to 1e-8

Pair = tuple[np.ndarray, np.ndarray]


def noise(n_sources: int, channels: int, *, seconds: float = 2.5, seed: int = 0) -> Pair:
    rng = np.random.default_rng(seed)
    references = rng.standard_normal((n_sources, round(seconds * RATE), channels))
    leak = 0.1 * references[::-1] + 0.2 * np.roll(references, 7, axis=1)
    return references, references + leak + 0.05 * rng.standard_normal(references.shape)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Two seconds of four real stems: compressed audio, with bands that hold almost nothing."""
    folder = tmp_path_factory.mktemp("sample")
    unpack_sample(folder)
    (drums,) = folder.rglob("drums.wav")
    stems = [
        soundfile.read(drums.with_stem(stem), stop=2 * 44100)[0]
        for stem in ("drums", "bass", "other", "vocals")
    ]
    return np.stack(stems)


def assert_agrees(references: np.ndarray, estimates: np.ndarray, **frames: int) -> np.ndarray:
    """All four scores of every frame; returns ours, stacked."""
    window, hop = frames.get("window", RATE), frames.get("hop", RATE)
    found = np.stack(bsseval(references, estimates, window=window, hop=hop))
    with np.errstate(all="ignore"):
        wanted = np.stack(bss_eval(references, estimates, window=window, hop=hop)[:4])
    np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCE_DB)
    return found


@pytest.mark.parametrize(("n_sources", "channels"), [(1, 1), (1, 2), (2, 2), (3, 1), (4, 1)])
def test_it_agrees_with_museval_on_noise(n_sources: int, channels: int) -> None:
    found = assert_agrees(*noise(n_sources, channels))
    assert found.shape == (4, n_sources, 2)  # what does not fill a frame is left out
    assert np.isinf(found[2]).all() == (n_sources == 1)  # alone, nothing interferes


@pytest.mark.slow
@pytest.mark.parametrize("estimate", ["leaky", "mixture"])
def test_it_agrees_with_museval_on_four_real_stereo_stems(music: np.ndarray, estimate: str) -> None:
    rng = np.random.default_rng(0)
    hiss = 1e-3 * rng.standard_normal(music.shape)
    mixture = np.broadcast_to(music.sum(0), music.shape)
    estimates = hiss + (0.9 * music + 0.05 * mixture if estimate == "leaky" else mixture)
    assert_agrees(music, estimates, window=44100, hop=44100)


def quiet(references: np.ndarray, estimates: np.ndarray) -> Pair:
    return 1e-6 * references, 1e-6 * estimates


def almost_nothing(references: np.ndarray, estimates: np.ndarray) -> Pair:
    return 1e-9 * references, 1e-9 * estimates


def one_quiet_stem(references: np.ndarray, estimates: np.ndarray) -> Pair:
    gain = np.array([1, 1e-7])[:, None, None]
    return gain * references, gain * estimates


def silent_channel(references: np.ndarray, estimates: np.ndarray) -> Pair:
    references[1, :, 1] = 0
    return references, estimates


def equal_channels(references: np.ndarray, estimates: np.ndarray) -> Pair:
    references[:, :, 1] = references[:, :, 0]
    return references, estimates


def silent_in_one_frame(references: np.ndarray, estimates: np.ndarray) -> Pair:
    references[0, 44100 // 2 : 44100] = 0
    return references, estimates


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [quiet, almost_nothing, one_quiet_stem, silent_channel, equal_channels, silent_in_one_frame],
)
def test_it_agrees_with_museval_where_there_is_little_to_hear(
    music: np.ndarray, change: Callable[[np.ndarray, np.ndarray], Pair]
) -> None:
    stems = music[2:].copy()
    hiss = 1e-3 * np.random.default_rng(0).standard_normal(stems.shape)
    references, estimates = change(stems, 0.9 * stems + 0.1 * stems.sum(0) + hiss)
    assert_agrees(references, estimates, window=22050, hop=22050)


@pytest.mark.parametrize(
    ("window", "hop"), [(5000, 3000), (3000, 5000), (10**6, 10**6), (700, 20000)]
)
def test_frames_are_those_of_museval(window: int, hop: int) -> None:
    assert_agrees(*noise(2, 1, seconds=2), window=window, hop=hop)


def test_a_frame_in_which_a_stem_is_silent_has_no_scores_for_any() -> None:
    references, estimates = noise(2, 1)
    estimates[1, :RATE] = 0
    found = assert_agrees(references, estimates)
    assert np.isnan(found[:, :, 0]).all()
    assert np.isfinite(found[:, :, 1]).all()


def test_tensors_and_lone_channels_are_taken_as_arrays_are() -> None:
    references, estimates = noise(2, 1, seconds=1)
    plain = bsseval(references, estimates, window=RATE)
    tensors = bsseval(
        torch.from_numpy(references[..., 0]), torch.from_numpy(estimates[..., 0]), window=RATE
    )
    np.testing.assert_array_equal(np.stack(plain), np.stack(tensors))


def test_a_track_of_many_blocks_agrees_too() -> None:
    assert_agrees(*noise(1, 1, seconds=70), window=100_000, hop=100_000)  # 17 blocks


@pytest.mark.parametrize(
    ("references", "estimates", "message"),
    [
        (np.ones((2, 100, 2)), np.ones((2, 99, 2)), r"found \(2, 100, 2\) and \(2, 99, 2\)"),
        (np.ones((0, 100, 2)), np.ones((0, 100, 2)), "of one size"),
        (
            np.stack([np.ones((99, 2)), np.zeros((99, 2))]),
            np.ones((2, 99, 2)),
            "reference of so.*1",
        ),
        (np.ones((1, 99, 2)), np.full((1, 99, 2), np.nan), "estimate with values that are not"),
    ],
)
def test_what_has_no_scores_is_refused(
    references: np.ndarray, estimates: np.ndarray, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        bsseval(references, estimates)
