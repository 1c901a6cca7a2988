"""`msdemucs study` on studies that were run: what it prints and how it refuses."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from msdemucs.cli.study import app
from msdemucs.errors import UsageError
from msdemucs.study.records import SPLIT
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Row, TrialRecorder
from tests.cli.test_study import ToyBench
from tests.study.conftest import SPACE, toy
from tests.study.test_arms import ABLATION


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a toy search space and a toy ablation."""
    monkeypatch.chdir(tmp_path)
    bench = SimpleNamespace(prepare=ToyBench)
    monkeypatch.setitem(sys.modules, "msdemucs.study.trial.bench", bench)  # needs no torch
    (tmp_path / "toy.yaml").write_text(SPACE)
    (tmp_path / "parts.yaml").write_text(ABLATION)
    return tmp_path


def ask(*words: str) -> Result:
    return CliRunner().invoke(app, [*words], catch_exceptions=False)


def test_an_ablation_ends_with_its_effects(folder: Path) -> None:
    done = ask("run", "parts.yaml")
    assert done.exit_code == 0
    assert "study parts: 8 complete trials" in done.stdout
    assert "noise: σ of one training" in done.stdout
    assert "note: 2 shared seeds, 1 tracks: too few to claim anything" in done.stdout
    again = ask("effects", "parts")
    table = again.stdout.splitlines()
    assert table[0].startswith("parts:")
    assert table[1] == "effects on uSDR, the higher the better"
    assert [line.split()[:3] for line in table[3:6]] == [
        ["fusion", "per_source", "convolution"],
        ["fusion", "sum", "convolution"],
        ["resolutions", "one", "three"],
    ]


def test_effects_as_json_are_plain(folder: Path) -> None:
    ask("run", "parts.yaml")
    found = json.loads(ask("effects", "parts", "--json").stdout)
    assert [row["alternative"] for row in found["effects"]] == ["per_source", "sum", "one"]
    assert found["effects"][0]["wilcoxon_p"] is None  # one track
    assert found["effects"][2]["macs_per_second_change"] < -0.5
    assert found["noise"]["degrees"] == 4
    assert found["quality"] == "usdr_db"


def test_an_unknown_metric_is_refused_before_a_study_is_opened() -> None:
    with pytest.raises(UsageError, match="no metric “bseval”; did you mean “bsseval”"):
        ask("rescore", "nothing", "--metric", "bseval")


def test_effects_of_a_search_are_refused(folder: Path) -> None:
    ask("run", "toy.yaml")
    with pytest.raises(UsageError, match="is no ablation"):
        ask("effects", "toy")


def test_best_prints_the_trial_and_takes_prefixes(folder: Path) -> None:
    ask("run", "toy.yaml")
    assert "htdemucs" in ask("best", "toy", "--top", "9").stdout
    found = json.loads(ask("best", "toy", "--max-macs", "100G", "--json").stdout)
    assert len(found["trials"]) == 1
    assert found["trials"][0]["spec"]["sources"]
    with pytest.raises(UsageError, match="“8X” is no count"):
        ask("best", "toy", "--max-macs", "8X")


def test_export_takes_the_format_from_the_ending(folder: Path) -> None:
    ask("run", "toy.yaml")
    assert ask("export", "toy", "-o", "out.csv").stdout == "out.csv\n"
    assert Path("out.csv").read_text().startswith("study,trial,state,name")
    ask("export", "toy", "-o", "scores.txt", "--format", "csv", "--table", "scores")
    assert (
        Path("scores.txt")
        .read_text()
        .startswith("trial,seed,split,group,track,source,metric,value")
    )
    with pytest.raises(UsageError, match="ends in no known format"):
        ask("export", "toy", "-o", "out.txt")


def test_rm_asks_first(folder: Path) -> None:
    ask("run", "toy.yaml")
    refused = CliRunner().invoke(app, ["rm", "toy"], input="n\n")
    assert refused.exit_code == 1
    assert Path("studies/toy.db").is_file()
    done = ask("rm", "toy", "--yes")
    assert "trials of study toy in sqlite:///studies/toy.db, the folder studies/toy" in done.stderr
    assert not Path("studies/toy.db").exists()


def test_fidelity_prints_each_rung_and_its_verdict(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate(self: ToyBench, candidate: Candidate, log: TrialRecorder) -> None:
        toy(candidate, log)
        usdr_db = log.figures["usdr_db"]
        scores = ((10, -usdr_db), (20, 2 * usdr_db), (40, usdr_db))
        log.note("rungs", [[0, step, "usdr_db", score] for step, score in scores])

    monkeypatch.setattr(ToyBench, "evaluate", evaluate)
    ask("run", "toy.yaml")
    done = ask("fidelity", "toy")
    rows = [line.split()[:4] for line in done.stdout.splitlines()[1:3]]
    assert rows == [["10", "25%", "5", "-1.00"], ["20", "50%", "5", "1.00"]]
    assert "the cheapest rung that can be trusted: step 20" in done.stdout
    assert "note: step 10 is too short" in done.stdout
    found = json.loads(ask("fidelity", "toy", "--json").stdout)
    assert found["recommended"] == 20
    assert found["control"] is None


def test_noise_of_a_search_space_begins_its_study_and_of_a_study_goes_on(folder: Path) -> None:
    done = ask("noise", "parts.yaml", "--seeds", "2")
    assert [line.split(":")[0] for line in done.stdout.splitlines()[:2]] == ["seed 0", "seed 1"]
    assert "σ 0.000 dB" in done.stdout  # toys know no chance
    again = ask("noise", "parts", "--seeds", "3")
    assert again.stdout.count("(known)") == 2
    assert "study parts: 8 complete trials" in ask("run", "parts.yaml").stdout


def test_noise_of_a_file_begins_the_study_that_run_continues_with_the_same_options(
    folder: Path,
) -> None:
    given = ["parts.yaml", "--data", "/data/mine", "--name", "other", "--seed", "7"]
    done = ask("noise", *given, "--folder", "kept/trials", "--seeds", "2")
    assert [line.split(":")[0] for line in done.stdout.splitlines()[:2]] == ["seed 7", "seed 8"]
    assert (folder / "kept" / "study.json").is_file()
    assert "study other: 8 complete trials" in ask("run", *given, "--folder", "kept/trials").stdout
    with pytest.raises(UsageError, match=r"data\.hash: \"mine\" → \"studio\""):
        ask("noise", "parts.yaml", "--name", "other", "--seed", "7", "--data", "/data/studio")


@pytest.mark.parametrize("words", [["noise"], ["promote", "--recipe", "demo"], ["work"]], ids=str)
def test_tracks_that_lie_elsewhere_are_the_studys_or_refused(
    words: list[str], folder: Path
) -> None:
    ask("run", "parts.yaml", "--data", "/data/mine")
    command, *options = words
    with pytest.raises(UsageError, match=r"has other data than this host.*\n.*mine.*studio"):
        ask(command, "parts", *options, "--data", "/data/studio")
    if command in ("noise", "work"):
        assert ask(command, "parts", *options, "--data", "/elsewhere/mine").exit_code == 0


@pytest.mark.parametrize("option", [["--small"], ["--name", "x"], ["--seed", "0"]])
def test_noise_of_a_study_refuses_what_only_a_file_takes(option: list[str], folder: Path) -> None:
    ask("run", "parts.yaml")
    with pytest.raises(UsageError, match="begin the study of a file, and parts is a study"):
        ask("noise", "parts", *option)


def test_promote_says_both_scores_and_from_where(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evaluate(self: ToyBench, candidate: Candidate, log: TrialRecorder) -> None:
        log.scores([Row(candidate.seed, SPLIT, "band", "A - B", "bass", "usdr_db", 9.0)])
        log.record({"usdr_db": 9.0})

    ask("run", "toy.yaml")
    monkeypatch.setattr(ToyBench, "evaluate", evaluate)
    done = ask("promote", "toy", "--top", "2", "--recipe", "demo")
    assert "uSDR long (demo, from scratch)" in done.stdout
    assert done.stdout.count("9.00 dB") == 2
    with pytest.raises(UsageError, match="take --start scratch"):
        ask("promote", "toy", "--top", "1", "--recipe", "demo", "--start", "weights")


@pytest.mark.parametrize("command", ["export", "rm", "best", "run", "noise"])
def test_help_is_for_users_and_not_about_exceptions(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"])
    assert done.exit_code == 0
    assert "Raises" not in done.output
