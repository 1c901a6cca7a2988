"""What is measured on a track."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from msdemucs.data import doctor, find_tracks
from msdemucs.data.doctor import examine, warn_of_far_sums


def test_a_sound_track_is_equal_to_its_sum(root: Path) -> None:
    finding = examine(find_tracks(root, split="test")[0])
    assert finding.sum_db == np.inf
    assert (finding.clipped, finding.silent) == (0, ())
    assert finding.seconds == pytest.approx(0.1)


@pytest.mark.parametrize("block_s", [10, 0.02])
def test_a_mixture_that_is_not_the_sum_is_measured_in_db(
    root: Path, monkeypatch: pytest.MonkeyPatch, block_s: float
) -> None:
    monkeypatch.setattr(doctor, "BLOCK_S", block_s)
    path = root / "test" / "Cem - Three" / "mixture.wav"
    audio, rate = soundfile.read(path)
    soundfile.write(path, 0.5 * audio, rate, subtype="DOUBLE")
    finding = examine(find_tracks(root, split="test")[0])
    # m / 2 against (m / 2 − m): both have the same power
    assert finding.sum_db == pytest.approx(0, abs=1e-3)
    assert finding.peak == pytest.approx(np.abs(audio).max() / 2)


def test_silent_stems_and_clipped_samples_are_counted(root: Path) -> None:
    folder = root / "test" / "Cem - Three"
    audio, rate = soundfile.read(folder / "mixture.wav")
    soundfile.write(folder / "bass.wav", 0 * audio, rate)
    audio[:3, 0] = 1
    soundfile.write(folder / "mixture.wav", audio, rate, subtype="PCM_16")
    finding = examine(find_tracks(root, split="test")[0])
    assert (finding.silent, finding.clipped) == (("bass",), 3)


def test_mixtures_of_something_else_are_warned_of_in_one_line(root: Path) -> None:
    said: list[str] = []
    tracks = find_tracks(root, split="train")
    warn_of_far_sums(tracks, said.append)
    assert not said
    for name in ("Ann - One", "Bob - Two"):
        path = root / "train" / name / "mixture.wav"
        audio, rate = soundfile.read(path)
        soundfile.write(path, 0.5 * audio, rate, subtype="DOUBLE")
    warn_of_far_sums(tracks, said.append)
    (line,) = said
    assert "train/Ann - One: the sum of drums, bass, other, vocals is not the mixture" in line
    assert "and 1 more track" in line


def test_a_difference_of_dither_is_no_fault_and_what_cannot_be_read_is_for_others_to_tell(
    root: Path,
) -> None:
    said: list[str] = []
    path = root / "train" / "Ann - One" / "mixture.wav"
    audio, rate = soundfile.read(path)
    soundfile.write(path, 0.95 * audio, rate, subtype="DOUBLE")  # 25.6 dB
    tracks = find_tracks(root, split="train")
    (root / "train" / "Bob - Two" / "bass.wav").write_bytes(b"gone")
    warn_of_far_sums(tracks, said.append)
    assert not said
