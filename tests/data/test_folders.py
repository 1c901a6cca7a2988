"""Tracks in folders: written to the bit, and read patiently where networks fail."""

import errno
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from msdemucs.data import find_tracks, folders
from msdemucs.data.folders import PEAK, quantise, write_track
from msdemucs.data.tracks import STEMS
from msdemucs.errors import DataError


@given(loudness=st.floats(0, 100), n_samples=st.integers(1, 50), seed=st.integers(0, 99))
def test_quantised_stems_add_up_without_clipping(
    loudness: float, n_samples: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    stems = {name: rng.normal(0, loudness, (2, n_samples)) for name in STEMS}
    numbers, gain = quantise(stems)
    total = np.sum([*numbers.values()], axis=0, dtype=np.int64)
    assert np.abs(total).max() <= 32768 * PEAK + 2  # four roundings of half a step
    for name, stem in stems.items():
        assert np.abs(numbers[name].T - gain * 32768 * stem).max() <= 0.5


def test_stems_that_fit_are_not_turned_down() -> None:
    _, gain = quantise({name: np.full((2, 3), 0.1) for name in STEMS})
    assert gain == 1


def test_one_loud_stem_turns_all_down_alike_even_where_the_sum_is_silent() -> None:
    one = np.full((2, 3), 2.0)
    numbers, gain = quantise({"drums": one, "bass": -one})
    assert gain == pytest.approx(PEAK / 2)
    assert np.array_equal(numbers["drums"], -numbers["bass"])


def test_a_written_mixture_is_the_sum_of_the_stems_read_back_as_floats(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stems, _ = quantise({name: rng.normal(0, 1, (2, 5000)) for name in STEMS})
    write_track(tmp_path / "track", stems, sample_rate=44100)
    read = [
        soundfile.read(tmp_path / "track" / f"{name}.wav", dtype="float32")[0] for name in STEMS
    ]
    mixture, rate = soundfile.read(tmp_path / "track" / "mixture.wav", dtype="float32")
    assert np.array_equal(read[0] + read[1] + read[2] + read[3], mixture)
    assert rate == 44100


def test_a_sum_that_would_clip_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    loud = np.full((10, 2), 20000, dtype=np.int16)
    with pytest.raises(DataError, match="clips"):
        write_track(tmp_path / "track", {"drums": loud, "bass": loud}, sample_rate=44100)
    assert not (tmp_path / "track").exists()


Open = Callable[..., soundfile.SoundFile]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


def failing(times: int, error: Exception) -> Open:
    """A decoder that fails so often, and then decodes."""
    opened = soundfile.SoundFile
    left = [error] * times

    def attempt(path: Path) -> soundfile.SoundFile:
        if left:
            raise left.pop()
        return opened(path)

    return attempt


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_a_network_that_comes_back_costs_a_few_tries(
    root: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (track,) = find_tracks(root, split="test")
    whole = track.read_sources(["drums"])
    times = len(folders.PAUSES_S)
    monkeypatch.setattr(soundfile, "SoundFile", failing(times, OSError(number, "gone")))
    assert (track.read_sources(["drums"]) == whole).all()
    assert tuple(pauses) == folders.PAUSES_S


def test_a_network_that_stays_away_is_told_in_the_systems_words(
    root: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    (track,) = find_tracks(root, split="test")
    failure = OSError(errno.ESTALE, "Stale file handle")
    monkeypatch.setattr(soundfile, "SoundFile", failing(9, failure))
    with pytest.raises(DataError, match=r"drums\.wav: cannot be read \(Stale file handle\)"):
        track.read_sources(["drums"])
    assert tuple(pauses) == folders.PAUSES_S


def test_a_failed_read_that_the_decoder_hides_is_told_in_the_systems_words(
    root: Path, pauses: list[float]
) -> None:
    """Reading this file fails with EIO, of which libsndfile makes "Format not recognised"."""
    path = root / "test" / "Cem - Three" / "bass.wav"
    path.unlink()
    path.symlink_to("/proc/self/mem")
    with pytest.raises(DataError, match=r"bass\.wav: cannot be read \(Input/output error\)"):
        find_tracks(root, split="test")
    assert tuple(pauses) == folders.PAUSES_S


def test_a_decoder_that_fails_for_a_moment_is_asked_again(
    root: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    (track,) = find_tracks(root, split="test")
    monkeypatch.setattr(soundfile, "SoundFile", failing(1, soundfile.LibsndfileError(2)))
    assert track.read_sources(["drums"]).any()
    assert not pauses


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "gone"), OSError("odd")])
def test_what_does_not_pass_is_told_at_once(
    root: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    (track,) = find_tracks(root, split="test")
    monkeypatch.setattr(soundfile, "SoundFile", failing(1, error))
    with pytest.raises(DataError, match=r"drums\.wav: cannot be read"):
        track.read_sources(["drums"])
    assert not pauses
