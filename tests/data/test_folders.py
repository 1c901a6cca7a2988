"""Writing tracks whose mixture is the sum of their stems to the bit."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

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
