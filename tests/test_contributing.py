"""Do the metric and the cost of CONTRIBUTING.md reach everything that a study shows of them?

The guide's blocks run before anything else, as if they stood in the package's files; then the
command line makes a study of both, and a report and exports of that.
"""

import json
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from msdemucs.data import synthesise

ROOT = Path(__file__).parents[1]

SPACE = """\
name: contributed
base: htdemucs_n
baselines: [htdemucs_n]
set: {segment: 0.5, depth: 2, channels.start: 4, attention: []}
vary:
  channels.start: {choice: [4, 6]}
  spectral.resolutions: {choice: {one: [1024], two: [1024, 2048], three: [1024, 2048, 4096]}}
objectives: [peak_error_db/vocals, operators, usdr_db]
constraints: {operators: 150}
sampler: {kind: surrogate, control: 0, options: {n_startup_trials: 2}}
fidelity: {rungs: [2]}
trials: 3
recipe: tiny.yaml
data: {train: band, test: band}
"""

COMMANDS = """
from typer.testing import CliRunner
from msdemucs.cli.app import app

for line in (
    "study run space.yaml",
    "study export contributed -o trials.csv",
    "study export contributed -o study.json",
    "study best contributed --by peak_error_db/vocals",
    "report contributed -o report.html",
    "spec build htdemucs_n",
):
    run = CliRunner().invoke(app, line.split())
    print(f"### {line}", run.stdout, run.stderr, sep="\\n")
    assert run.exit_code == 0, run.exception
"""


def blocks_of(*marks: str) -> str:
    """The guide's Python blocks in which one of some texts stands."""
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    return "\n".join(block for block in blocks if any(mark in block for mark in marks))


def text_of(page: str) -> str:
    """A page as one line without its tags."""
    return " ".join(re.sub("<[^>]*>", "", page).replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each command printed, and each file that one wrote."""
    folder = tmp_path_factory.mktemp("contributed")
    synthesise(folder / "band", n_tracks=2, seconds=1)
    (folder / "tiny.yaml").write_text("name: tiny\nsteps: 4\nbatch_size: 1\nsegment: 0.5\n")
    (folder / "space.yaml").write_text(SPACE)
    run = subprocess.run(
        [sys.executable, "-c", blocks_of("METRICS[", "COLUMNS[") + COMMANDS],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    printed = dict(part.split("\n", 1) for part in run.stdout.split("### ")[1:])
    names = ("trials.csv", "study.json", "report.html")
    return printed | {name: (folder / name).read_text() for name in names}


@pytest.mark.slow
@pytest.mark.timeout(180)  # makes a study where it is the first
def test_the_guides_cost_is_optimised_limited_recorded_and_shown(studied: dict[str, str]) -> None:
    assert re.search(r"^Operators +\d+$", studied["spec build htdemucs_n"], re.MULTILINE)
    trials = pd.DataFrame(json.loads(studied["study.json"])["trials"])
    assert list(trials.operators > 150) == [bool(excess) for excess in trials.violations]
    first, *others = trials[trials.state == "complete"].to_dict("records")
    assert first["violations"] == {"operators": 182 - 150}  # a baseline is trained nevertheless
    assert {trial["operators"] for trial in others} <= {90, 136}
    exported = pd.read_csv(StringIO(studied["trials.csv"]))  # what frame() gives
    assert list(exported.operators) == list(trials.operators)
    assert "Operators" in studied["study run space.yaml"]
    page = text_of(studied["report.html"])
    assert re.search(r"dB at (90|136) Operators", page)
    assert "minimise Operators of a forward pass" in page
    assert "on the front of peak error of vocals against Operators" in page
    assert 'id="figure-front-operators"' in studied["report.html"]
    assert re.search(r"<th\b.*Operators", studied["report.html"])


@pytest.mark.slow
@pytest.mark.timeout(180)  # makes a study where it is the first
def test_the_guides_metric_steers_a_study_and_is_shown(studied: dict[str, str]) -> None:
    study, name = json.loads(studied["study.json"]), "peak_error_db/vocals"
    assert study["objectives"][name] == "minimize"
    complete = pd.DataFrame(study["trials"]).query("state == 'complete'").set_index("trial")
    scores = pd.DataFrame(study["scores"]).query("metric == 'peak_error_db'")
    vocals = scores[scores.source == "vocals"].set_index("trial").value
    assert dict(complete[name]) == pytest.approx(dict(vocals))
    rungs = pd.DataFrame(study["rungs"]).query("quality == @name")
    assert {2, 4} == set(rungs.step)
    assert f"proposes and stops trials by {name}" in studied["study run space.yaml"]
    exported = pd.read_csv(StringIO(studied["trials.csv"])).set_index("trial")[name].dropna()
    assert dict(exported) == pytest.approx(dict(complete[name]))
    best = complete[name].idxmin()
    assert re.search(rf"^ {best} ", studied[f"study best contributed --by {name}"], re.MULTILINE)
    page = text_of(studied["report.html"])
    best_line = re.search(r"Best peak error of vocals \(validation[^)]*\): (.*?) with", page)
    assert best_line is not None
    (name_of_best,) = re.findall(
        rf"^ {best} +(.*?)  ", studied[f"study best contributed --by {name}"], re.MULTILINE
    )
    assert best_line[1] == name_of_best
    assert "peak error of vocals (dB), validation tracks" in page
    assert "Of validation tracks. Less is better." in page
