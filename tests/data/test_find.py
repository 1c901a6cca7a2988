"""Which tracks are found, and what is said about those that cannot be used."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from msdemucs.data import STEMS, find_all, find_tracks
from msdemucs.data.tracks import STEM_MP4
from msdemucs.errors import DataError, UsageError
from msdemucs.spec import load_spec
from tests.data.conftest import needs_ffmpeg, write_noise

BAD = "Bob - Two"

TASK = load_spec("htdemucs")


def refuse(what: object) -> None:
    raise AssertionError(what)


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


def test_stems_beyond_musdbs_four_belong_to_the_track_when_they_are_asked_for(
    tmp_path: Path,
) -> None:
    names = (*STEMS, "guitar")
    write_noise(tmp_path / "train" / "Ann - One", stems=names)
    (track,) = find_tracks(tmp_path, split="train", sources=["guitar"])
    assert track.stems == names
    assert track.parts("accompaniment") == ("drums", "bass", "other", "guitar")


@pytest.mark.parametrize("name", ["instrumental", "mix", "vocals_old", "drums (1)"])
def test_audio_beside_the_stems_is_no_part_of_the_track_and_is_named(root: Path, name: str) -> None:
    before = find_tracks(root, split="train")[0].read_sources(["accompaniment"])
    folder = root / "train" / "Ann - One"
    shutil.copy(folder / "bass.wav", folder / f"{name}.wav")
    said: list[str] = []
    track, _ = find_all({"train": [root]}, TASK, say=said.append, on_error=refuse)["train"]
    assert track.stems == STEMS
    assert np.array_equal(track.read_sources(["accompaniment"]), before)
    (line,) = said
    assert line.startswith(f"not used: {name}.wav (in 1 track)")


@pytest.mark.parametrize(
    ("stems", "sources"),
    [
        ((*STEMS, "guitar", "piano"), ("vocals",)),
        ((*STEMS, "guitar", "piano"), STEMS),
        (("vocals", "instrumental"), ("vocals",)),
        (("speech", "music", "effects"), ("speech", "music")),
    ],
)
def test_what_the_mixture_is_found_to_hold_is_part_of_the_track(
    tmp_path: Path, stems: tuple[str, ...], sources: tuple[str, ...]
) -> None:
    """Also in a track in which it is silent where it is looked for."""
    folder = write_noise(tmp_path / "train" / "Ann - One", stems=(*stems, "take 2"))
    subtract(folder, "take 2")
    soundfile.write(folder / "sketch.wav", np.ones((9, 2)), 8000)
    quiet = write_noise(tmp_path / "train" / "Bob - Two", stems=stems)
    mute(quiet, stems[-1])
    said: list[str] = []
    asked = TASK.model_copy(update={"sources": sources})
    roots = {"train": [tmp_path]}
    first, second = find_all(roots, asked, say=said.append, on_error=refuse)["train"]
    assert {*first.stems} == {*second.stems} == {*stems}
    total = first.read_sources(first.stems).sum(0)
    assert np.abs(total - first.read_mixture()).max() < 1e-4
    assert said[0].startswith("no source, but part of the mixture: ")
    assert f"{stems[-1]}.wav (in 2 tracks)" in said[0]
    assert said[1].startswith("not used: sketch.wav (in 1 track), take 2.wav (in 1 track)")


def test_what_one_mixture_holds_is_no_part_of_another_that_it_takes_away_from(
    tmp_path: Path,
) -> None:
    write_noise(tmp_path / "train" / "Ann - One", stems=(*STEMS, "guitar"))
    folder = write_noise(tmp_path / "train" / "Bob - Two")
    shutil.copy(folder / "bass.wav", folder / "guitar.wav")
    first, second = find_tracks(tmp_path, split="train")
    assert (first.stems, second.stems) == ((*STEMS, "guitar"), STEMS)


def subtract(folder: Path, name: str) -> None:
    """Make the mixture one without a stem."""
    mixture, rate = soundfile.read(folder / "mixture.wav")
    stem, _ = soundfile.read(folder / f"{name}.wav")
    soundfile.write(folder / "mixture.wav", mixture - stem, rate, subtype="FLOAT")


def mute(folder: Path, name: str) -> None:
    """Make a stem silent, and the mixture one without it."""
    subtract(folder, name)
    silence, rate = soundfile.read(folder / f"{name}.wav")
    soundfile.write(folder / f"{name}.wav", 0 * silence, rate)


def test_a_track_of_fewer_sources_is_still_the_sum_of_all_its_stems(root: Path) -> None:
    track = find_tracks(root, split="train", sources=["vocals"])[0]
    assert track.stems == STEMS


@pytest.mark.parametrize(
    ("stems", "sources", "parts"),
    [
        (("vocals", "other"), ("vocals", "other"), ("other", "vocals")),
        (("vocals", "other"), ("accompaniment",), ("other", "vocals")),
        (("vocals", "accompaniment"), ("vocals", "accompaniment"), ("vocals", "accompaniment")),
        (("vocals", "accompaniment"), ("vocals",), ("vocals", "accompaniment")),
        ((*STEMS, "accompaniment"), ("accompaniment",), STEMS),
    ],
)
def test_a_set_needs_no_more_than_the_sources_asked_for(
    tmp_path: Path, stems: tuple[str, ...], sources: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    write_noise(tmp_path / "train" / "Ann - One", stems=stems)
    (track,) = find_tracks(tmp_path, split="train", sources=sources)
    assert track.stems == parts
    assert track.read_sources(sources).any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    ("stems", "sources", "missing"),
    [
        (("vocals", "other"), STEMS, "drums.wav"),
        (("drums", "bass"), ("accompaniment",), "vocals.wav"),
        (("vocals",), ("accompaniment",), "accompaniment.wav"),
    ],
)
def test_a_set_without_a_source_asked_for_is_refused(
    tmp_path: Path, stems: tuple[str, ...], sources: tuple[str, ...], missing: str
) -> None:
    write_noise(tmp_path / "train" / "Ann - One", stems=stems)
    with pytest.raises(DataError, match="is missing; the folder has") as caught:
        find_tracks(tmp_path, split="train", sources=sources)
    assert caught.value.path == tmp_path / "train" / "Ann - One" / missing


def test_what_systems_leave_in_folders_is_no_data(root: Path) -> None:
    before = find_tracks(root, split="train")
    folder = root / "train" / "Ann - One"
    for name in ("._drums.wav", "._mixture.wav", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder / name).write_bytes(b"\0" * 4096)
    for name in ("__MACOSX", "@eaDir", ".Trashes"):
        (root / "train" / name).mkdir()
    (root / "train" / f"._Ann{STEM_MP4}").write_bytes(b"\0" * 4096)
    (root / "train" / "list.csv").write_text("Ann - One")
    said: list[str] = []
    found = find_all({"train": [root]}, TASK, say=said.append, on_error=refuse)
    assert found["train"] == before
    assert not said


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("Bass.WAV", "there is Bass.WAV: rename it to bass.wav"),
        ("bass.flac", "there is bass.flac: convert it (ffmpeg -i bass.flac bass.wav)"),
        ("bass.m4a", "there is bass.m4a: convert it (ffmpeg -i bass.m4a bass.wav)"),
    ],
)
def test_a_stem_of_another_kind_is_told_with_its_remedy(root: Path, name: str, remedy: str) -> None:
    folder = root / "train" / "Ann - One"
    (folder / "bass.wav").rename(folder / name)
    with pytest.raises(DataError) as caught:
        find_tracks(root, split="train")
    assert f"bass.wav: is missing; {remedy}" in str(caught.value)


def test_a_folder_without_wav_files_says_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "train" / "Ann - One").mkdir(parents=True)
    with pytest.raises(DataError, match=r"mixture\.wav: is missing; it is empty"):
        find_tracks(tmp_path, split="train")
    (tmp_path / "train" / "Ann - One" / "1.wma").touch()
    with pytest.raises(DataError, match=r"the folder has no WAV file, only 1\.wma"):
        find_tracks(tmp_path, split="train")


@pytest.mark.parametrize("name", ["Dan - Four.mp4", "Dan - Four.m4a", "Dan - Four.Stem.MP4"])
def test_a_file_that_is_no_track_is_told_what_a_track_is(root: Path, name: str) -> None:
    (root / "train" / name).touch()
    told: list[DataError] = []
    assert len(find_tracks(root, split="train", on_error=told.append)) == 2
    assert f"{name}: is no track: a track is a folder with mixture.wav" in str(told[0])


def test_links_to_nothing_say_what_they_point_to(root: Path) -> None:
    path = root / "train" / "Ann - One" / "bass.wav"
    path.unlink()
    path.symlink_to("/nowhere/bass.wav")
    (root / "train" / "Dan - Four").symlink_to("/nowhere/Dan")
    told: list[DataError] = []
    assert len(find_tracks(root, split="train", on_error=told.append)) == 1
    assert "bass.wav: is a link to /nowhere/bass.wav, which is not there" in str(told[0])
    assert "Dan - Four: is a link to /nowhere/Dan, which is not there" in str(told[1])


def test_data_sets_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    roots = [tmp_path / place / "set" for place in ("a/x", "b/x", "b/y")]
    roots.append(tmp_path / "other")
    for root in roots:
        write_noise(root / "train" / "Ann - One")
    found = find_all({"train": roots}, TASK, say=refuse, on_error=refuse)["train"]
    assert [track.group for track in found] == ["a/x/set", "b/x/set", "y/set", "other"]


def test_a_data_set_that_is_given_twice_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    twice = [root, Path("noise")]
    with pytest.raises(UsageError, match="noise is given 2 times"):
        find_all({"train": twice}, TASK, say=refuse, on_error=refuse)
    both = find_all({"train": [root], "test": [root]}, TASK, say=refuse, on_error=refuse)
    assert {track.group for tracks in both.values() for track in tracks} == {"noise"}


@needs_ffmpeg
def test_a_track_that_is_there_in_both_layouts_is_used_once(musdb_root: Path, root: Path) -> None:
    write_noise(root / "test" / "Dan - Four")
    (source,) = (musdb_root / "test").iterdir()
    shutil.copy(source, root / "test" / f"Dan - Four{STEM_MP4}")
    told: list[DataError] = []
    names = [track.name for track in find_tracks(root, split="test", on_error=told.append)]
    assert names == ["Cem - Three", "Dan - Four"]
    assert "is there as Dan - Four too; remove one" in str(told[0])


def test_a_folder_that_may_not_be_listed_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(DataError, match=r"train: cannot be listed \(permission denied\)"):
        find_tracks(root, split="train", on_error=lambda error: None)


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
