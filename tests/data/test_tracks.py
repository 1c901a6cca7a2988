"""Reading stretches of a track's sources."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from msdemucs.data import STEMS, find_tracks
from msdemucs.data.tracks import Track
from msdemucs.errors import DataError
from tests.data.conftest import N_SAMPLES


@pytest.fixture
def track(root: Path) -> Track:
    return find_tracks(root, split="test")[0]


def test_a_track_knows_its_place_and_size(track: Track) -> None:
    assert (track.name, track.group, track.split) == ("Cem - Three", "noise", "test")
    assert (track.sample_rate, track.n_samples, track.audio_channels) == (44100, N_SAMPLES, 2)


def test_sources_come_in_the_order_asked_for_as_the_files_have_them(
    root: Path, track: Track
) -> None:
    found = track.read_sources(["vocals", "drums"])
    for waveform, name in zip(found, ["vocals", "drums"], strict=True):
        in_file, _ = soundfile.read(root / "test" / "Cem - Three" / f"{name}.wav", dtype="float32")
        assert np.array_equal(waveform, in_file.T)
    assert found.dtype == np.float32


def test_a_stretch_is_that_part_of_the_whole(track: Track) -> None:
    whole = track.read_sources(STEMS)
    assert np.array_equal(track.read_sources(STEMS, start=100, n_samples=77), whole[..., 100:177])
    assert np.array_equal(track.read_sources(STEMS, start=4000), whole[..., 4000:])
    assert np.array_equal(track.read_mixture(start=5, n_samples=9), track.read_mixture()[:, 5:14])


def test_the_accompaniment_is_all_but_the_vocals(track: Track) -> None:
    accompaniment, vocals = track.read_sources(["accompaniment", "vocals"])
    drums, bass, other = track.read_sources(["drums", "bass", "other"])
    assert np.array_equal(accompaniment, drums + bass + other)
    assert np.array_equal(accompaniment + vocals, track.read_mixture())


@pytest.mark.parametrize(("start", "n_samples"), [(-1, 5), (0, N_SAMPLES + 1), (N_SAMPLES, 1)])
def test_a_stretch_outside_the_track_is_refused(track: Track, start: int, n_samples: int) -> None:
    with pytest.raises(DataError, match=rf"it has {N_SAMPLES} \(track “Cem - Three”\)"):
        track.read_sources(STEMS, start=start, n_samples=n_samples)


def test_an_unknown_source_names_those_that_exist(track: Track) -> None:
    with pytest.raises(DataError, match="no source “guitar”; it has drums, bass, other, vocals"):
        track.read_sources(["guitar"])


def test_samples_that_no_sound_has_are_named_with_the_bound(root: Path) -> None:
    (track, *_) = find_tracks(root, split="train")
    path = track.recording.path / "bass.wav"
    for value, is_sound in ((-1e6, True), (1.1e6, False), (3e38, False)):
        audio, rate = soundfile.read(path)
        audio[500, 0] = value
        soundfile.write(path, audio, rate, subtype="FLOAT")
        if is_sound:
            assert track.read_sources(["bass"]).min() == value
            continue
        with pytest.raises(DataError, match="“bass” has samples beyond 1,000,000 times full scale"):
            track.read_sources(["bass"])


def test_samples_that_are_not_finite_are_named_with_their_file_and_time(root: Path) -> None:
    path = root / "test" / "Cem - Three" / "bass.wav"
    waveform, rate = soundfile.read(path)
    waveform[3000, 1] = np.nan
    soundfile.write(path, waveform, rate, subtype="FLOAT")
    track = find_tracks(root, split="test")[0]
    with pytest.raises(DataError, match=r"“bass” has samples .* the first at 0\.07 s") as error:
        track.read_sources(["drums", "bass"], start=1000)
    assert error.value.track == "Cem - Three"
    assert track.read_sources(["drums", "bass"], n_samples=3000).any()
