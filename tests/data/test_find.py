"""Which tracks are found, and what is said about those that cannot be used."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from msdemucs.data import find_tracks
from msdemucs.errors import DataError, UsageError
from tests.data.conftest import write_noise

BAD = "Bob - Two"


def _missing(folder: Path) -> None:
    (folder / "bass.wav").unlink()


def _unreadable(folder: Path) -> None:
    (folder / "bass.wav").write_bytes(b"no audio")


def _shorter(folder: Path) -> None:
    _rewrite(folder, slice(100), 44100)


def _slower(folder: Path) -> None:
    _rewrite(folder, slice(None), 22050)


def _mono(folder: Path) -> None:
    audio, rate = soundfile.read(folder / "bass.wav")
    soundfile.write(folder / "bass.wav", audio[:, 0], rate)


def _rewrite(folder: Path, part: slice, rate: int) -> None:
    audio, _ = soundfile.read(folder / "bass.wav")
    soundfile.write(folder / "bass.wav", audio[part], rate)


FAULTS = [
    (_missing, "bass.wav", "is missing; the folder has drums, mixture, other, vocals"),
    (_unreadable, "bass.wav", "cannot be read"),
    (_shorter, "bass.wav", "has 100 samples, the mixture has 4410; cut or pad"),
    (_slower, "bass.wav", "has 22050 Hz, the mixture has 44100; resample"),
    (_mono, "bass.wav", "has 1 channels, the mixture has 2; convert"),
]

Harm = Callable[[Path], None]


@pytest.mark.parametrize(("harm", "file", "said"), FAULTS)
def test_a_bad_file_is_named_with_its_track_and_its_fault(
    root: Path, harm: Harm, file: str, said: str
) -> None:
    harm(root / "train" / BAD)
    with pytest.raises(DataError) as caught:
        find_tracks(root, split="train")
    assert caught.value.path == root / "train" / BAD / file
    assert caught.value.track == BAD
    assert said in str(caught.value)


def test_an_empty_file_is_refused(root: Path) -> None:
    write_noise(root / "train" / "Dan - Four", n_samples=0)
    with pytest.raises(DataError, match=r"Dan - Four/mixture\.wav: holds no samples"):
        find_tracks(root, split="train")


@pytest.mark.parametrize("harm", [fault[0] for fault in FAULTS])
def test_a_caller_may_go_on_without_a_bad_track(root: Path, harm: Harm) -> None:
    harm(root / "train" / BAD)
    told: list[DataError] = []
    tracks = find_tracks(root, split="train", on_error=told.append)
    assert [track.name for track in tracks] == ["Ann - One"]
    assert [error.track for error in told] == [BAD]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"sample_rate": 48000}, "has 44100 Hz, 48000 are needed.*-ar 48000"),
        ({"audio_channels": 1}, "has 2 audio channels, 1 are needed.*-ac 1"),
        ({"sources": ["drums", "guitar"]}, r"guitar\.wav: is missing"),
    ],
)
def test_a_track_unlike_what_the_study_needs_is_refused(
    root: Path, wanted: dict[str, object], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        find_tracks(root, split="test", **wanted)  # type: ignore[arg-type]


def test_the_layout_is_shown_where_there_are_no_tracks(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    with pytest.raises(UsageError, match="holds no tracks") as caught:
        find_tracks(tmp_path, split="train")
    assert "train/ARTIST - TITLE/{mixture,drums,bass,other,vocals}.wav" in str(caught.value)


def test_a_folder_that_is_not_there_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        find_tracks(tmp_path / "nowhere", split="train", on_error=lambda error: None)


def test_a_split_may_be_empty_where_the_other_is_not(tmp_path: Path) -> None:
    write_noise(tmp_path / "test" / "Ann - One")
    assert find_tracks(tmp_path, split="train") == []


def test_stems_beyond_musdbs_four_belong_to_the_track(tmp_path: Path) -> None:
    names = ("drums", "bass", "other", "vocals", "guitar")
    write_noise(tmp_path / "train" / "Ann - One", stems=names)
    track = find_tracks(tmp_path, split="train")[0]
    assert track.stems == names
    assert track.parts("accompaniment") == ("drums", "bass", "other", "guitar")


def test_a_collection_may_have_other_stems_altogether(tmp_path: Path) -> None:
    write_noise(tmp_path / "train" / "Ann - One", stems=("speech", "music", "effects"))
    track = find_tracks(tmp_path, split="train", sources=["speech", "music"])[0]
    assert track.read_sources(["speech", "music"]).shape[0] == 2


def test_a_file_that_goes_bad_after_it_was_found_is_named_when_read(root: Path) -> None:
    track = find_tracks(root, split="test")[0]
    path = root / "test" / track.name / "vocals.wav"
    audio, rate = soundfile.read(path)
    soundfile.write(path, audio[:1000], rate)
    with pytest.raises(DataError, match=r"vocals\.wav: ends after 1000 samples.*4410"):
        track.read_sources(["vocals"], start=900, n_samples=200)
    path.unlink()
    with pytest.raises(DataError, match=r"vocals\.wav: cannot be read"):
        track.read_sources(["vocals"])


def test_a_track_whose_name_is_not_utf_8_is_read_and_named_in_text(tmp_path: Path) -> None:
    folder = write_noise(tmp_path / "set" / "test" / "Ann - One")
    folder.rename(folder.with_name(os.fsdecode(b"caf\xe9")))
    (track,) = find_tracks(tmp_path / "set", split="test")
    assert track.name == r"caf\udce9"
    assert track.read_mixture().shape == (2, track.n_samples)
