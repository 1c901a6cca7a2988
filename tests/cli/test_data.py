"""`msdemucs data`: what it makes, what it prints, and how it exits."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from msdemucs.cli.data import app
from msdemucs.data import STEMS
from msdemucs.errors import DataError
from tests.data.conftest import needs_ffmpeg, write_noise

runner = CliRunner()


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def test_synth_makes_tracks_and_says_where(tmp_path: Path) -> None:
    arguments = ["synth", str(tmp_path / "band"), "--tracks", "2", "--seconds", "1", "--seed", "5"]
    run = runner.invoke(app, arguments)
    assert run.exit_code == 0, run.output
    assert run.stdout == f"{tmp_path / 'band'}: 2 tracks of 1.0 s; made\n"
    assert len([*(tmp_path / "band").rglob("*.wav")]) == 10
    assert runner.invoke(app, arguments).stdout.endswith("; already there\n")


@pytest.mark.parametrize("wrong", [("--tracks", "1"), ("--seconds", "0"), ("--seed", "-1")])
def test_numbers_out_of_range_are_usage_errors(tmp_path: Path, wrong: tuple[str, str]) -> None:
    run = runner.invoke(app, ["synth", str(tmp_path / "band"), *wrong])
    assert run.exit_code == 2
    assert wrong[0] in run.stderr


def test_synth_leaves_a_folder_with_other_things_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("")
    run = runner.invoke(app, ["synth", str(tmp_path)])
    assert isinstance(run.exception, DataError)
    assert "choose another folder" in str(run.exception)


@needs_ffmpeg
def test_sample_says_that_the_mixture_is_the_sum(tmp_path: Path) -> None:
    run = runner.invoke(app, ["sample", str(tmp_path / "sample")])
    assert run.exit_code == 0, run.output
    assert "its mixture is the sum of its stems (README.txt); made" in run.stdout


def test_check_lists_every_track_with_what_was_measured(tmp_path: Path) -> None:
    write_noise(tmp_path / "train" / "Ann - [One]")
    write_noise(tmp_path / "test" / "Bob - Two")
    run = runner.invoke(app, ["check", str(tmp_path)])
    assert run.exit_code == 0, run.output
    rows = [line.split() for line in run.stdout.splitlines()[-3:-1]]
    assert rows[0][:4] == ["train", "Ann", "-", "[One]"]
    assert rows[1][:4] == ["test", "Bob", "-", "Two"]
    assert rows[0][4:6] == ["100.0", "ms"]
    assert all(row[-2:] == ["equal", "–"] for row in rows)
    assert run.stdout.splitlines()[-1] == "2 tracks, sound"


def test_check_names_each_bad_track_shows_the_good_ones_and_fails(tmp_path: Path) -> None:
    write_noise(tmp_path / "train" / "Ann - One")
    (write_noise(tmp_path / "train" / "Bob - Two") / "bass.wav").unlink()
    write_noise(tmp_path / "test" / "Cem - Three", sample_rate=22050)
    run = runner.invoke(app, ["check", str(tmp_path)])
    assert run.exit_code == 1
    assert "Ann - One" in run.stdout
    assert "error: " in run.stderr
    assert "bass.wav: is missing" in run.stderr
    assert "has 22050 Hz, 44100 are needed" in run.stderr
    assert run.stdout.splitlines()[-1] == "3 tracks, 2 of them not sound"


@pytest.mark.parametrize(
    "asked",
    [
        ("--sources", "vocals,other"),
        ("--sources", "1"),
        ("hdemucs", "--sources", "vocals,other"),
    ],
)
def test_check_takes_the_sources_that_will_be_trained(tmp_path: Path, asked: list[str]) -> None:
    write_noise(tmp_path / "train" / "Ann - One", stems=("vocals", "other"))
    run = runner.invoke(app, ["check", str(tmp_path), *asked])
    assert run.exit_code == 0, run.output
    assert run.stdout.splitlines()[-1] == "1 track, sound"
    run = runner.invoke(app, ["check", str(tmp_path)])
    assert run.exit_code == 1
    assert "drums.wav: is missing" in run.stderr


def test_check_takes_the_rate_and_channels_that_will_be_trained(tmp_path: Path) -> None:
    write_noise(tmp_path / "train" / "Ann - One", sample_rate=22050, audio_channels=1)
    changes = ["--set", "sample_rate=22050", "--set", "audio_channels=1"]
    run = runner.invoke(app, ["check", str(tmp_path), "htdemucs", *changes])
    assert run.exit_code == 0, run.output
    assert run.stdout.splitlines()[-1] == "1 track, sound"


def test_check_finds_fault_with_stems_that_do_not_add_up_to_the_mixture(tmp_path: Path) -> None:
    folder = write_noise(tmp_path / "train" / "Ann - One", stems=(*STEMS, "guitar"))
    (folder / "guitar.wav").unlink()
    shutil.copy(folder / "bass.wav", folder / "instrumental.wav")
    run = runner.invoke(app, ["check", str(tmp_path)])
    assert run.exit_code == 1
    assert "not used: instrumental.wav (in 1 track)" in run.stderr
    assert "the sum of drums, bass, other, vocals is not the mixture" in run.stderr
    assert "or instrumental belong to the track" in run.stderr
    assert run.stdout.splitlines()[-1] == "1 track, 1 of them not sound"
