"""What becomes of a run of two processes where one of them alone cannot read a track?"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from msdemucs.spec import Spec, dump_spec
from msdemucs.train.session import read_log
from tests.train.test_run import gloo

ONE_CANNOT_READ = """\
import os, sys
from pathlib import Path
from msdemucs.data import Track
from msdemucs.errors import DataError, MsdemucsError
from msdemucs.spec import load_spec
from msdemucs.train import Recipe
from msdemucs.train.run import run
from msdemucs.train.training import Asked, Means

lost = sys.argv[4:]
whole = Track._read


def in_one(track, names, start, n_samples):
    if os.environ.get("LOCAL_RANK") == "1" and track.name in lost:
        raise DataError("is gone", path=track.recording.path, track=track.name)
    return whole(track, names, start, n_samples)


Track._read = in_one
recipe = Recipe(
    name="toy", steps=4, batch_size=4, segment=0.25, validation={"every": 2}, keep="best"
)
asked = Asked(load_spec(sys.argv[1]), recipe, (Path(sys.argv[2]),))
try:
    run(asked, Path(sys.argv[3]), Means(devices=2, say=lambda line: print(line, flush=True)))
except MsdemucsError as error:
    sys.exit(f"error: {error}")
"""


def two(spec: Spec, noise: Path, folder: Path, *lost: str) -> "subprocess.CompletedProcess[str]":
    """A run of two processes, the second of which cannot read some tracks."""
    (folder.parent / "lost.py").write_text(ONE_CANNOT_READ)
    (folder.parent / "spec.yaml").write_text(yaml.safe_dump(dump_spec(spec)))
    files = [str(folder.parent / "lost.py"), str(folder.parent / "spec.yaml"), str(noise)]
    command = [sys.executable, *files, str(folder), *lost]
    return subprocess.run(
        command, env=gloo(), capture_output=True, text=True, check=False, timeout=170
    )


def held_out(folder: Path) -> set[str]:
    """The names of a run's tracks that are held out."""
    return {*json.loads((folder / "run.json").read_text())["tracks"]["validation"]}


@pytest.mark.slow
@pytest.mark.timeout(180)  # starts of Python and torch
def test_a_track_that_one_process_alone_cannot_read_ends_the_run_before_batches_part(
    spec: Spec, noise: Path, tmp_path: Path
) -> None:
    done = two(spec, noise, tmp_path / "run", "Ann - One")  # of two that are learnt from
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert line.startswith("error: step 1: the processes of this run have read unlike batches: ")
    assert f"process 2 of 2 cannot use {noise / 'train' / 'Ann - One'}: is gone" in line
    assert held_out(tmp_path / "run") == {"Bob - Two"}
    assert not read_log(tmp_path / "run" / "log.csv")


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_held_out_track_that_one_process_alone_cannot_read_changes_nothing(
    spec: Spec, noise: Path, tmp_path: Path
) -> None:
    whole = two(spec, noise, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    lost = two(spec, noise, tmp_path / "lost", *held_out(tmp_path / "whole"))
    assert lost.returncode == 0, lost.stdout + lost.stderr
    scores = [read_log(tmp_path / name / "validation.csv") for name in ("whole", "lost")]
    assert scores[0] == scores[1]
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "lost")]
    assert weights[0] == weights[1]
    assert not (tmp_path / "lost" / "left-out-of-validation.json").exists()
