"""`msdemucs weights` and `msdemucs separate`: from an official file to separated audio."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from demucs.htdemucs import HTDemucs
from typer.testing import CliRunner

from msdemucs.cli.app import app
from msdemucs.errors import DataError, UsageError

runner = CliRunner()

SOURCES = ["drums", "bass", "other", "vocals"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("MSDEMUCS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """A small model as the package demucs exports it."""
    kwargs = {"sources": SOURCES, "channels": 4, "segment": 0.5, "t_layers": 1}
    kwargs |= {"t_heads": 4, "dconv_comp": 2}
    path = tmp_path / "abc123.th"
    state = HTDemucs(**kwargs).state_dict()
    torch.save({"klass": HTDemucs, "args": (), "kwargs": kwargs, "state": state}, path)
    return path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal((30000, 2)), 44100)
    return path


def run(*arguments: object) -> str:
    done = runner.invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_imported_weights_are_shown_and_separate_audio(
    official: Path, song: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "ours.safetensors"
    printed = run("weights", "import", official, "-o", weights)
    assert printed.startswith(f"{weights}: abc123, ")
    assert printed.endswith(" parameters, drums, bass, other, vocals\n")
    shown = run("weights", "show", weights)
    assert "segment     0.5 s" in shown
    assert "trained on  each track normalised" in shown
    assert "origin      abc123.th (demucs.htdemucs.HTDemucs)" in shown
    printed = run("separate", weights, song, "-o", tmp_path / "out")
    assert printed == f"{tmp_path / 'out' / 'song'}: drums, bass, other, vocals\n"
    for source in SOURCES:
        header = soundfile.info(tmp_path / "out" / "song" / f"{source}.wav")
        assert (header.frames, header.samplerate, header.channels) == (30000, 44100, 2)
        assert header.subtype == "PCM_16"  # as the song's


def test_what_is_imported_without_a_place_is_found_by_its_name(
    official: Path, song: Path, home: Path, tmp_path: Path
) -> None:
    run("weights", "import", official)
    assert (home / "weights" / "abc123.safetensors").is_file()
    run("separate", "abc123", song, "-o", tmp_path / "out", "--as", "float")
    assert soundfile.info(tmp_path / "out" / "song" / "bass.wav").subtype == "FLOAT"


def test_nothing_is_replaced_unless_allowed(official: Path, song: Path, tmp_path: Path) -> None:
    run("weights", "import", official)
    with pytest.raises(UsageError, match=r"abc123.safetensors is there already"):
        run("weights", "import", official)
    run("weights", "import", official, "--overwrite")
    run("separate", "abc123", song, "-o", tmp_path)
    with pytest.raises(UsageError, match=r"drums.wav and 3 more would be overwritten"):
        run("separate", "abc123", song, "-o", tmp_path)
    run("separate", "abc123", song, "-o", tmp_path, "--overwrite")


def test_an_unreadable_file_is_named_and_the_others_are_separated(
    official: Path, song: Path, tmp_path: Path
) -> None:
    run("weights", "import", official)
    with pytest.raises(DataError, match="1 of 2 files could not be separated"):
        run("separate", "abc123", tmp_path / "gone.wav", song, "-o", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["song"]


def test_stems_formats_and_the_way_of_joining_are_chosen(
    official: Path, song: Path, tmp_path: Path
) -> None:
    run("weights", "import", official)
    chosen = ["--stems", "vocals,accompaniment", "--format", "flac", "--as", "int24"]
    joined = ["--weighting", "fade", "--segment", 0.3, "--overlap", 0.1, "--shifts", 2]
    run("separate", "abc123", song, "-o", tmp_path, *chosen, *joined, "--batch", 3)
    written = sorted((tmp_path / "song").iterdir())
    assert [path.name for path in written] == ["accompaniment.flac", "vocals.flac"]
    assert {soundfile.info(path).subtype for path in written} == {"PCM_24"}
    with pytest.raises(UsageError, match="the model gives no “guitar”; it gives drums, bass"):
        run("separate", "abc123", song, "-o", tmp_path, "--stems", "guitar")


def test_stems_named_twice_and_endless_segments_are_refused_at_the_start(
    official: Path, song: Path, tmp_path: Path
) -> None:
    run("weights", "import", official)
    with pytest.raises(UsageError, match="“vocals” is named twice among the stems"):
        run("separate", "abc123", song, "-o", tmp_path, "--stems", "vocals,vocals")
    with pytest.raises(UsageError, match="lengths are seconds; found inf, which is none"):
        run("separate", "abc123", song, "-o", tmp_path, "--segment", "inf")


def test_files_that_are_not_what_they_say_end_no_batch_and_exit_with_1(
    official: Path, song: Path, tmp_path: Path
) -> None:
    run("weights", "import", official)
    cases = Path(__file__).parents[1] / "evaluate" / "cases"
    files = [cases / name for name in ("unknown-length.flac", "truncated.wav")]
    arguments = ["separate", "abc123", *files, song, "-o", tmp_path / "out"]
    done = runner.invoke(app, [str(argument) for argument in arguments])
    assert str(done.exception) == "2 of 3 files could not be separated as a whole"
    assert "truncated.wav ends 0.50 s before its header says" in done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"song", "truncated"}


def test_wrong_arguments_are_usage_errors(official: Path, song: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in .safetensors"):
        run("weights", "import", official, "-o", tmp_path / "a.pt")
    with pytest.raises(UsageError, match="no weights “htdemucs”"):
        run("separate", "htdemucs", song, "-o", tmp_path)
    run("weights", "import", official)
    with pytest.raises(UsageError, match="--device abacus cannot be used"):
        run("separate", "abc123", song, "-o", tmp_path, "--device", "abacus")


def test_a_spec_that_does_not_fit_is_refused_and_nothing_is_written(
    official: Path, home: Path
) -> None:
    with pytest.raises(DataError, match="does not hold the weights of htdemucs_released"):
        run("weights", "import", official, "--spec", "htdemucs_released")
    assert not home.exists()
