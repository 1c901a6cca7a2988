"""`msdemucs evaluate`: scores of weights, comparisons, and the tutorial's pipeline."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from msdemucs import build, save_weights
from msdemucs.cli.app import app
from msdemucs.data.folders import quantise, write_track
from msdemucs.errors import DataError, UsageError
from msdemucs.evaluate.saving import load_evaluation
from msdemucs.metrics import METRICS
from msdemucs.spec import load_spec
from tests.data.conftest import write_noise
from tests.specs import small

RATE = 8000


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two files of weights and tracks, where commands run."""
    monkeypatch.chdir(tmp_path)
    spec = small("htdemucs_n", {"attention": []})
    for seed, name in enumerate(("one", "two")):
        torch.manual_seed(seed)
        save_weights(build(spec), Path(f"{name}.safetensors"))
    for name in ("Ann - One", "Bob - Two"):
        write_noise(Path("tracks/test") / name, n_samples=RATE, sample_rate=RATE)
    return tmp_path


def call(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["evaluate", *arguments])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_scores_are_shown_saved_and_compared(there: Path) -> None:
    for name in ("one", "two"):
        said = call(f"{name}.safetensors", "--data", "tracks", "-o", name, "--metric", "sisdr")
        assert "si_sdr_db.mean" in said
        assert "2 tracks; mean, median and std are over the count of tracks" in said
        assert re.search(r"si_sdr_db.count +2 ", said)
    assert (there / "one" / "tracks.parquet").is_file()
    said = call("--compare", "one", "two")
    assert said.startswith("two less one\n")
    assert "wilcoxon_p" in said
    found = json.loads(call("--compare", "one", "two", "--json"))
    assert {row["source"] for row in found["summary"]} >= {"vocals", "all"}


@pytest.mark.usefixtures("there")
def test_json_says_under_which_convention() -> None:
    found = json.loads(call("one.safetensors", "--data", "tracks", "--overlap", "0.5", "--json"))
    assert found["convention"]["overlap"] == 0.5
    assert found["convention"]["segment"] == 0.25
    assert found["spec"] == "htdemucs_n"
    assert [row["source"] for row in found["summary"]][-1] == "all"


@pytest.mark.slow
@pytest.mark.usefixtures("there")
def test_metrics_are_asked_for_by_name_or_by_a_short_name_of_several() -> None:
    names = ["csdr_db", "bsseval", "bleedless_db", "usdr"]
    asked = [word for name in names for word in ("--metric", name)]
    found = json.loads(call("one.safetensors", "--data", "tracks", "--json", *asked))
    metrics = [name for name in METRICS if "bsseval" in name]
    metrics = ["csdr_db", *metrics, "bleedless_db", "usdr_db"]
    assert found["convention"]["metrics"] == metrics
    for row in found["summary"]:
        assert [name for name in metrics if row[f"{name}.median"] is None] == []
        assert row["csdr_db.median"] == pytest.approx(row["sdr_bsseval_db.median"])


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give WEIGHTS, --data DIR"),
        (["one.safetensors", "--data", "nowhere"], "nowhere: is no folder"),
        (["three", "--data", "tracks"], "no weights “three”"),
        (["one.safetensors", "--data", "tracks", "--excerpt", "9"], "write it as START-END"),
        (["one.safetensors", "--data", "tracks", "--plots", "x"], "--plots needs --out"),
        (
            ["one.safetensors", "--data", "tracks", "--plots", "x", "-o", "new"],
            "no track “x”; there is “Ann - One”, “Bob - Two”",
        ),
        (["one.safetensors", "--data", "tracks", "-o", "tracks"], "holds no evaluation"),
        (["--compare", "one", "two"], "holds no evaluation"),
        (
            ["one.safetensors", "--data", "tracks", "--metric", "si_sar", "-o", "new"],
            "there is no metric “si_sar”; did you mean “si_sar_db”",
        ),
        (["one.safetensors", "--data", "tracks", "--segment", "inf"], "found inf, which is none"),
        (["one.safetensors", "--data", "tracks", "--chunk", "inf"], "found inf, which is none"),
        (
            ["one.safetensors", "--data", "tracks", "--data", "tracks"],
            "give each folder of tracks once",
        ),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call(*arguments)
    assert not Path("new").exists()


@pytest.mark.usefixtures("there")
def test_a_score_that_is_lacking_is_counted_with_its_reason() -> None:
    shutil.rmtree("tracks/test/Bob - Two")
    silence = dict.fromkeys(("drums", "bass", "other", "vocals"), np.zeros((2, RATE)))
    write_track(Path("tracks/test/Bob - Two"), quantise(silence)[0], sample_rate=RATE)
    said = call("one.safetensors", "--data", "tracks", "-o", "out", "--metric", "usdr")
    lines = [line for line in said.splitlines() if line.startswith("no ")]
    assert lines == ["no uSDR of drums, bass, other, vocals on 1 track: its reference is silent"]
    about = json.loads(Path("out/about.json").read_text())
    assert about["unscored"]["usdr_db"]["bass"] == {"its reference is silent": 1}


@pytest.mark.usefixtures("there")
def test_a_track_left_out_stands_in_about_json_and_in_the_exit_code() -> None:
    lfs = "version https://git-lfs.github.com/spec/v1"
    Path("tracks/test/Bob - Two/bass.wav").write_text(lfs)
    evaluated = ["one.safetensors", "--data", "tracks", "-o", "out"]
    with pytest.raises(DataError, match=r"^1 track could not be evaluated$"):
        call(*evaluated)
    (left_out,) = json.loads(Path("out/about.json").read_text())["left_out"]
    assert (left_out["group"], left_out["track"]) == ("tracks", "Bob - Two")
    assert "is a pointer of git-lfs" in left_out["reason"]
    shutil.copy("tracks/test/Bob - Two/drums.wav", "tracks/test/Bob - Two/bass.wav")
    called = CliRunner().invoke(app, ["evaluate", *evaluated])
    assert called.exit_code == 0
    assert "out holds scores of 1 track: they are kept" in called.stderr
    assert json.loads(Path("out/about.json").read_text())["left_out"] == []
    assert len(load_evaluation(Path("out")).scored()) == 2


@pytest.mark.usefixtures("there")
def test_other_weights_or_conventions_are_not_taken_for_the_same_evaluation() -> None:
    for other in (["one.safetensors"], ["two.safetensors"], ["two.safetensors", "--shifts", "2"]):
        called = CliRunner().invoke(app, ["evaluate", *other, "--data", "tracks", "-o", "out"])
        assert called.exit_code == 0
        assert "are kept" not in called.stderr


@pytest.mark.usefixtures("there")
def test_scores_stay_whatever_becomes_of_pictures() -> None:
    beyond = ["--plots", "Ann - One", "--excerpt", "90-99", "-o", "out"]
    with pytest.raises(DataError, match="“Ann - One” has no pictures"):
        call("one.safetensors", "--data", "tracks", *beyond)
    assert len(load_evaluation(Path("out")).scored()) == 2


@pytest.mark.slow
def test_the_tutorials_pipeline_is_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchaudio's model with random weights: fades over 0.1 s, SDR of every 5 s, spectrograms."""
    monkeypatch.chdir(tmp_path)
    narrow = load_spec("hdemucs_high", overrides={"channels.start": 4})
    save_weights(build(narrow), Path("hdemucs_high.safetensors"), normalised=True)
    write_noise(Path("tracks/test/Ann - One"), n_samples=11 * 44100, sample_rate=44100)
    asked = ["--segment", "10", "--overlap", "0.01", "--weighting", "fade"]
    asked += ["--metric", "chunked", "--chunk", "5"]
    shown = ["--plots", "Ann - One", "--excerpt", "2-7", "-o", "tutorial"]
    call("hdemucs_high.safetensors", "--data", "tracks", *asked, *shown)
    frames = (tmp_path / "tutorial" / "frames.csv").read_text().splitlines()
    assert frames[0] == "group,track,source,metric,frame,start,chunk_sdr_db"
    assert len(frames) == 1 + 4 * 2  # sources × whole excerpts of 5 s
    pictures = sorted(path.name for path in (tmp_path / "tutorial" / "excerpts").glob("*.png"))
    assert pictures == [f"Ann - One - {s}.png" for s in ("bass", "drums", "other", "vocals")]
