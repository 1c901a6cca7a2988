"""Folders that a command makes, whole or not there at all; the excerpt in one."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import stempeg

from msdemucs.data import STEMS, find_tracks, unpack_sample
from msdemucs.data.made import make_folder
from msdemucs.errors import DataError
from tests.data.conftest import needs_ffmpeg

FROM = {"recipe": 1}


def _write(folder: Path) -> Mapping[str, object]:
    (folder / "a.txt").write_text("hello")
    return {"told": True}


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    assert make_folder(tmp_path / "made", FROM, _write)
    assert (tmp_path / "made" / "a.txt").read_text() == "hello"


def test_parents_are_made(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "data" / "made", FROM, _write)


def test_a_run_that_stops_half_way_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(folder: Path) -> Mapping[str, object]:
        _write(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_folder(tmp_path / "made", FROM, interrupted)
    assert [*tmp_path.iterdir()] == []


def test_another_process_may_be_quicker_and_have_the_same_number(tmp_path: Path) -> None:
    def overtaken(folder: Path) -> Mapping[str, object]:
        (folder / "first.txt").write_text("whose draft this is")
        assert make_folder(tmp_path / "made", FROM, _write)
        assert (folder / "first.txt").is_file()
        return _write(folder)

    assert not make_folder(tmp_path / "made", FROM, overtaken)
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years")
    with pytest.raises(DataError, match="not made by msdemucs; choose another folder"):
        make_folder(tmp_path, FROM, _write)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", [None, "hell"])
def test_damage_is_named_with_what_to_do(tmp_path: Path, text: str | None) -> None:
    make_folder(tmp_path / "made", FROM, _write)
    if text is None:
        (tmp_path / "made" / "a.txt").unlink()
    else:
        (tmp_path / "made" / "a.txt").write_text(text)
    with pytest.raises(DataError, match=r"a\.txt: is damaged or gone; remove .*made and run"):
        make_folder(tmp_path / "made", FROM, _write)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be made"):
        make_folder(tmp_path / "file" / "made", FROM, _write)
    with pytest.raises(DataError, match="cannot be made"):
        make_folder(tmp_path / "file", FROM, _write)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "sample"
    unpack_sample(root)
    return root


@needs_ffmpeg
def test_it_is_one_test_track_of_the_group_sample(sample: Path) -> None:
    assert find_tracks(sample, split="train") == []
    (track,) = find_tracks(sample, split="test")
    assert (track.name, track.group) == ("The Easton Ellises - Falcon 69", "sample")
    assert track.n_samples == 268288


@needs_ffmpeg
def test_its_mixture_is_the_exact_sum_and_does_not_clip(sample: Path) -> None:
    (track,) = find_tracks(sample, split="test")
    mixture, stems = track.read_mixture(), track.read_sources(STEMS)
    assert np.array_equal(stems.sum(0), mixture)
    assert 0.88 < np.abs(mixture).max() < 0.9


@needs_ffmpeg
def test_its_stems_are_the_originals_under_one_gain(sample: Path) -> None:
    (track,) = find_tracks(sample, split="test")
    original, _ = stempeg.read_stems(stempeg.example_stem_path())
    gain = 10 ** (json.loads((sample / "manifest.json").read_text())["gain_db"] / 20)
    stems = track.read_sources(STEMS)
    for stem, before in zip(stems, original[1:].swapaxes(1, 2), strict=True):
        # the gain in the manifest has two digits, 0.005 dB is 0.06 %
        assert np.abs(stem - gain * before).max() < 2**-15 + 6e-4 * np.abs(stem).max()


@needs_ffmpeg
def test_the_readme_says_that_the_mixture_is_not_the_mastered_one_and_by_how_much(
    sample: Path,
) -> None:
    original, _ = stempeg.read_stems(stempeg.example_stem_path())
    difference = original[0] - original[1:].sum(0)
    over_db = 10 * np.log10(np.square(original[0]).sum() / np.square(difference).sum())
    text = (sample / "README.txt").read_text()
    assert "sum of the four stems" in text
    assert "CC BY-NC-SA" in text
    assert f"the difference lies {over_db:.2f} dB below it" in text


@needs_ffmpeg
def test_a_second_run_writes_nothing(sample: Path) -> None:
    assert not unpack_sample(sample)


def test_without_ffmpeg_it_says_how_to_install_it_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))
    with pytest.raises(DataError, match="apt-get install ffmpeg"):
        unpack_sample(tmp_path / "sample")
    assert [*tmp_path.iterdir()] == []
