"""MUSDB18's `.stem.mp4` files, through musdb and ffmpeg."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
import stempeg

from msdemucs.data import STEMS, Track, find_tracks
from msdemucs.data.tracks import STEM_MP4
from msdemucs.errors import DataError
from tests.data.conftest import needs_ffmpeg

pytestmark = needs_ffmpeg


@pytest.fixture
def track(musdb_root: Path) -> Track:
    return find_tracks(musdb_root, split="test")[0]


def test_a_stem_file_is_a_track_with_four_stems(track: Track) -> None:
    assert (track.name, track.stems) == ("Ann - One", STEMS)
    assert (track.sample_rate, track.n_samples, track.audio_channels) == (44100, 268288, 2)


def test_streams_are_what_stempeg_decodes(musdb_root: Path, track: Track) -> None:
    decoded, _ = stempeg.read_stems(
        str(musdb_root / "test" / f"Ann - One{STEM_MP4}"), ffmpeg_format="s16le", dtype=np.float32
    )
    assert np.array_equal(track.read_mixture(), decoded[0].T)
    assert np.array_equal(track.read_sources(["vocals", "drums"]), decoded[[4, 1]].swapaxes(1, 2))


@pytest.mark.parametrize(("start", "n_samples"), [(0, 1), (1, 1023), (12345, 20001), (268287, 1)])
def test_a_stretch_is_that_part_of_the_whole_to_the_sample(
    track: Track, start: int, n_samples: int
) -> None:
    whole = track.read_sources(["bass", "accompaniment"])
    stretch = track.read_sources(["bass", "accompaniment"], start=start, n_samples=n_samples)
    assert np.array_equal(stretch, whole[..., start : start + n_samples])


def test_a_damaged_file_is_named_and_left_out(musdb_root: Path, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    good = (musdb_root / "test" / f"Ann - One{STEM_MP4}").read_bytes()
    (tmp_path / "train" / f"Bob - Two{STEM_MP4}").write_bytes(good[: len(good) // 2])
    (tmp_path / "train" / f"Cem - Three{STEM_MP4}").write_bytes(good)
    (tmp_path / "train" / f"Dan - Four{STEM_MP4}").write_bytes(b"\0\0\0\x08free")
    told: list[DataError] = []
    tracks = find_tracks(tmp_path, split="train", on_error=told.append)
    assert [track.name for track in tracks] == ["Cem - Three"]
    assert [(error.track, error.path) for error in told] == [
        (name, tmp_path / "train" / f"{name}{STEM_MP4}") for name in ("Bob - Two", "Dan - Four")
    ]
    assert "is cut off" in str(told[0])
    assert "cannot be read" in str(told[1])


def test_a_file_that_is_cut_off_after_it_was_found_is_named_when_read(
    musdb_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "train").mkdir()
    good = (musdb_root / "test" / f"Ann - One{STEM_MP4}").read_bytes()
    path = tmp_path / "train" / f"Bob - Two{STEM_MP4}"
    path.write_bytes(good)
    track = find_tracks(tmp_path, split="train")[0]
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(DataError) as caught:
        track.read_sources(STEMS)
    assert (caught.value.path, caught.value.track) == (path, "Bob - Two")
    assert "copy it again" in str(caught.value)


def test_a_file_without_five_streams_is_refused(musdb_root: Path, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    source = musdb_root / "test" / f"Ann - One{STEM_MP4}"
    target = tmp_path / "train" / f"Bob - Two{STEM_MP4}"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", source, "-map", "0:a:0", "-c", "copy", target], check=True
    )
    with pytest.raises(DataError, match=r"has 1 audio streams.*five that are alike are needed"):
        find_tracks(tmp_path, split="train")


def test_a_missing_ffmpeg_is_said_with_how_to_install_it(
    musdb_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match=r"needs ffmpeg and ffprobe.*apt-get install ffmpeg"):
        find_tracks(musdb_root, split="test")


def test_a_source_that_musdb_lacks_is_refused_when_tracks_are_found(musdb_root: Path) -> None:
    with pytest.raises(DataError, match="has no source “guitar”"):
        find_tracks(musdb_root, split="test", sources=["guitar", "vocals"])
