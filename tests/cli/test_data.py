"""`msdemucs data`: what it makes, what it prints, and how it exits."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from msdemucs.cli.data import app
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
    rows = [line.split() for line in run.stdout.splitlines()[-2:]]
    assert rows[0][:4] == ["train", "Ann", "-", "[One]"]
    assert rows[1][:4] == ["test", "Bob", "-", "Two"]
    assert rows[0][4:6] == ["100.0", "ms"]
    assert all(row[-2:] == ["equal", "–"] for row in rows)


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
    assert "2 tracks cannot be used" in run.stderr
