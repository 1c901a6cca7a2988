"""Does `msdemucs train` do what its help says, and name what is wrong in one line?"""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from msdemucs.cli.app import app
from msdemucs.errors import DataError, SpecError, UsageError
from msdemucs.spec import dump_spec
from tests.data.conftest import write_noise
from tests.specs import small

RATE = 8000
RECIPE = {"name": "toy", "steps": 4, "batch_size": 2, "segment": 0.25}


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec, a recipe and tracks, where commands run."""
    monkeypatch.chdir(tmp_path)
    spec = small("htdemucs_n", {"attention": []})
    Path("spec.yaml").write_text(yaml.safe_dump(dump_spec(spec)))
    Path("recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    for name in ("Ann - One", "Bob - Two"):
        write_noise(Path("tracks/train") / name, n_samples=RATE, sample_rate=RATE)
    return tmp_path


ARGUMENTS = ["train", "spec.yaml", "--data", "tracks", "--recipe", "recipe.yaml", "--out", "run"]


def call(*more: str) -> str:
    done = CliRunner().invoke(app, [*ARGUMENTS, *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.usefixtures("there")
def test_it_prints_the_weights_and_tells_steps_loss_and_speed() -> None:
    said = call()
    assert "run/weights.safetensors" in said
    assert "step 4/4  loss 0." in said
    assert re.search(r"^about .* for 1 more steps$", said, re.MULTILINE)
    assert "samples/s  0.0 ms left" in said
    assert "this run is finished; nothing was changed" in call()


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--data", "nowhere"], "nowhere: is no folder"),
        (["--recipe", "dmo"], "did you mean “demo”"),
        (["--out", "tracks"], "tracks is there already and holds no run"),
        (["--precision", "fp16"], "fp16 needs a GPU"),
        (["--device", "gpu"], "--device gpu"),
        (["--set", "depth=0"], "depth"),
    ],
)
def test_what_is_wrong_is_named(change: list[str], message: str) -> None:
    with pytest.raises((UsageError, SpecError), match=message):
        CliRunner().invoke(app, [*ARGUMENTS, *change], catch_exceptions=False)


def test_a_track_that_cannot_be_read_is_left_out_and_named(there: Path) -> None:
    (there / "tracks/train/Bob - Two/bass.wav").write_bytes(b"no audio")
    said = call()
    assert "left out: " in said
    assert "Bob - Two" in said


def test_without_a_track_that_can_be_read_nothing_is_begun(there: Path) -> None:
    for name in ("Ann - One", "Bob - Two"):
        (there / "tracks/train" / name / "bass.wav").write_bytes(b"no audio")
    with pytest.raises(DataError, match="no training track can be used under tracks"):
        CliRunner().invoke(app, ARGUMENTS, catch_exceptions=False)
    assert not (there / "run").exists()


@pytest.mark.slow
def test_a_run_that_explodes_exits_with_1_and_names_the_step(there: Path) -> None:
    (there / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "stop_norm": 1e-9}))
    command = str(Path(sys.executable).with_name("msdemucs"))
    done = subprocess.run([command, *ARGUMENTS], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "error: step 1: the norm of the gradients is" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_however_often_a_run_is_told_to_stop_it_says_so_in_one_line(
    there: Path, number: signal.Signals
) -> None:
    (there / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "steps": 10_000}))
    command = [str(Path(sys.executable).with_name("msdemucs")), *ARGUMENTS]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        lines = [run.stderr.readline() for _ in range(2)]  # the device, the first step
        while run.poll() is None:
            run.send_signal(number)
            time.sleep(0.003)
        lines += run.stderr.readlines()
    assert "Traceback" not in "".join(lines)
    assert "Exception" not in "".join(lines)
    assert run.returncode in (128 + number, -number)
