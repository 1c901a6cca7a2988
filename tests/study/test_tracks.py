"""The tracks of a study: found, made when absent, left out when damaged."""

import re
from functools import partial
from pathlib import Path

import pytest
import soundfile

from msdemucs.data import find, folders, synthesise
from msdemucs.errors import DataError, UsageError
from msdemucs.spec import load_spec
from msdemucs.study.execution.loop import run_study
from msdemucs.study.search_space.space import DataRoots, Search
from msdemucs.study.trial import tracks
from msdemucs.study.trial.tracks import StudyTracks, gather, gather_test
from tests.study.conftest import asking, closed_tests, toy

TASK = load_spec("htdemucs_n")


@pytest.fixture
def band(in_tmp: Path) -> Path:
    """Three tracks of half a second to train on, one to test on."""
    synthesise(in_tmp / "band", n_tracks=4, seconds=0.5)
    return Path("band")


@pytest.fixture
def large(in_tmp: Path) -> Path:
    """Six tracks of half a second to train on, two to test on; and an empty folder beside it."""
    synthesise(in_tmp / "large", n_tracks=8, seconds=0.5)
    (in_tmp / "other").mkdir()
    return in_tmp / "large"


def gathered(
    *roots: str, segment: float = 0.25, validation: tuple[str, ...] | None = None
) -> tuple[StudyTracks, list[str]]:
    said: list[str] = []
    data = DataRoots(train=roots, validation=validation, test=roots)
    return gather(data, TASK, segment=segment, say=said.append), said


def described(found: StudyTracks) -> dict[str, object]:
    about = found.describe()["data"]
    assert isinstance(about, dict)
    return about


RULE = "drawn from the training tracks with seed 0"


def test_tracks_to_train_and_to_validate_on_are_found_and_described(large: Path) -> None:
    found, said = gathered("large")
    about = described(found)
    assert (len(found.train), len(found.validation)) == (4, 2)
    assert said == [f"2 validation tracks: {RULE}"]
    assert about["train"] == ["large: 4 tracks, 2.0 s"]
    assert about["validation"] == ["large: 2 tracks, 1.0 s"]
    assert about["validation_by"] == RULE
    names = {f"large/{track.name}" for track in found.validation}
    assert set(found.describe()["tracks"]["validation"]) == names  # type: ignore[index]


def test_other_tracks_are_held_out_by_another_seed_and_a_study_is_told_which(
    search: Search, large: Path
) -> None:
    roots = DataRoots(train=("large",), test=("large",))
    seeded = [gather(roots, TASK, segment=0.25, say=lambda _: None, seed=seed) for seed in range(3)]
    assert len({tracks.validation for tracks in seeded}) > 1
    other = next(tracks for tracks in seeded if tracks.validation != seeded[0].validation)
    run_study(asking(search, trials=1), toy, attrs=seeded[0].describe())
    (gone, *_) = {*seeded[0].validation} - {*other.validation}
    with pytest.raises(UsageError, match=rf"tracks.validation.large/{gone.name}: .* → nothing"):
        run_study(asking(search, trials=2), toy, attrs=other.describe())


def test_the_same_tracks_are_held_out_for_any_segment_and_order_of_files(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, _ = gathered("large")
    listed = folders.listed
    monkeypatch.setattr(find, "listed", lambda folder: [*listed(folder)][::-1])
    short = min((large / "train").iterdir())
    for file in short.glob("*.wav"):
        audio, rate = soundfile.read(file)
        soundfile.write(file, audio[: rate // 4], rate)
    after, said = gathered("large", segment=0.4)
    assert [track.name for track in after.validation] == [t.name for t in before.validation]
    assert ("left out" in " ".join(said)) == (short.name in {t.name for t in before.train})


def test_a_validation_folder_beside_train_is_taken(large: Path) -> None:
    (large / "validation").mkdir()
    moved = min((large / "train").iterdir())
    moved.rename(large / "validation" / moved.name)
    found, said = gathered("large")
    assert [track.name for track in found.validation] == [moved.name]
    assert said == ["1 validation track: the validation folders'"]
    (large / "validation").rename(large.with_name("other") / "validation")
    found, _ = gathered("large", validation=("other",))
    assert [(track.group, track.name) for track in found.validation] == [("other", moved.name)]
    with pytest.raises(DataError, match="there is no validation track to use under large"):
        gathered("large", validation=("large",))


def test_a_folder_of_test_tracks_is_not_opened(large: Path) -> None:
    with closed_tests() as opened:
        gathered("large")
        assert not opened
        with pytest.raises(AssertionError, match="was opened"):
            gather_test(DataRoots(test=("large",)), TASK, say=lambda _: None)
    assert len(gather_test(DataRoots(test=("large",)), TASK, say=lambda _: None)) == 2


def test_the_hash_changes_with_the_tracks_and_with_nothing_else(band: Path) -> None:
    before = described(gathered("band")[0])["hash"]
    assert described(gathered("band")[0])["hash"] == before
    track = next((band / "train").iterdir())
    for file in track.iterdir():
        file.unlink()
    track.rmdir()
    assert described(gathered("band")[0])["hash"] != before


def test_the_hash_changes_with_the_sound_of_tracks_that_are_alike_otherwise(in_tmp: Path) -> None:
    hashes = set()
    for folder, seed in (("a", 0), ("b", 1), ("c", 0)):
        synthesise(in_tmp / folder / "band", n_tracks=2, seconds=0.5, seed=seed)
        hashes.add(str(described(gathered(f"{folder}/band")[0])["hash"]))
    assert len(hashes) == 2


def test_tracks_that_changed_under_a_study_are_told_by_name(search: Search, band: Path) -> None:
    one = asking(search, trials=1)
    run_study(one, toy, attrs=gathered("band")[0].describe())
    first, second = sorted((band / "train").iterdir())[:2]
    first.rename(band / "elsewhere")
    (second / "bass.wav").write_bytes((second / "drums.wav").read_bytes())
    with pytest.raises(UsageError) as caught:
        run_study(one, toy, attrs=gathered("band")[0].describe())
    lines = str(caught.value).splitlines()
    facts = r'"500\.0 ms, content [0-9a-f]{8}"'
    assert '  data.train: ["band: 3 tracks, 1.5 s"] → ["band: 2 tracks, 1.0 s"]' in lines
    name = re.escape(f"tracks.train.band/{first.name}")
    assert any(re.fullmatch(rf"  {name}: {facts} → nothing", line) for line in lines)
    name = re.escape(f"tracks.train.band/{second.name}")
    assert any(re.fullmatch(rf"  {name}: {facts} → {facts}", line) for line in lines)
    assert not [line for line in lines if "hash" in line]


def test_the_hash_does_not_change_with_what_lies_beside_the_stems(band: Path) -> None:
    before = gathered("band")[0].describe()
    for track in (band / "train").iterdir():
        (track / ".DS_Store").write_bytes(b"finder")
        (track / "lyrics.txt").write_text("la")
    assert gathered("band")[0].describe() == before


def test_the_tracks_of_two_data_sets_of_one_name_are_told_apart(in_tmp: Path) -> None:
    for folder in ("a", "b"):
        synthesise(in_tmp / folder / "band", n_tracks=2, seconds=0.5)
    found, _ = gathered("a/band", "b/band")
    roots = DataRoots(test=("a/band", "b/band"))
    tested = gather_test(roots, TASK, say=lambda _: None)
    keys = [(track.group, track.name) for track in (*found.train, *tested)]
    assert len({*keys}) == len(keys) == 4
    assert described(found)["train"] == ["a/band: 1 track, 500.0 ms", "b/band: 1 track, 500.0 ms"]


def test_audio_beside_the_stems_and_stems_of_something_else_are_told(band: Path) -> None:
    folder = min((band / "train").iterdir())
    (folder / "instrumental.wav").write_bytes((folder / "bass.wav").read_bytes())
    _, (line, _) = gathered("band")
    assert line.startswith("not used: instrumental.wav (in 1 track)")
    (folder / "vocals.wav").write_bytes((folder / "bass.wav").read_bytes())
    _, said = gathered("band")
    assert said[1].startswith("warning: ")
    assert f"{folder.name}: the sum of drums, bass, other, vocals is not the mixture" in said[1]


def test_a_damaged_track_is_named_and_left_out(band: Path) -> None:
    damaged = next((band / "train").iterdir()) / "bass.wav"
    damaged.write_bytes(b"no sound")
    found, (line, _) = gathered("band")
    assert len(found.train) == 2
    assert line.startswith("left out: ")
    assert "bass.wav" in line
    assert damaged.parent.name in line
    assert line == f"left out: {found.left_out[0]}"


def test_tracks_shorter_than_a_segment_are_named_and_left_out(band: Path) -> None:
    with pytest.raises(DataError, match="there is no train track to use under band"):
        gathered("band", segment=1.0)


def test_a_folder_that_is_not_there_is_told(in_tmp: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        gathered("nowhere")


def test_the_embedded_band_is_made_and_a_missing_ffmpeg_only_told(
    in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_ffmpeg(root: Path) -> bool:
        raise DataError("ffmpeg is not installed", path=root)

    monkeypatch.setattr(tracks, "synthesise", partial(synthesise, n_tracks=2, seconds=0.5))
    monkeypatch.setattr(tracks, "unpack_sample", without_ffmpeg)
    said: list[str] = []
    found = gather(DataRoots(), TASK, segment=0.25, say=said.append)
    assert [track.group for track in found.train] == ["synthetic"]
    assert said[0] == "composing the embedded band in data/synthetic"
    tested = gather_test(DataRoots(), TASK, say=said.append)
    assert [track.group for track in tested] == ["synthetic"]
    assert said[-1] == "going on without it: data/sample: ffmpeg is not installed"
