"""A study that was made before the package had folders by noun is read, shown and joined.

`before_nouns.sql` is the dump of its SQLite file, made at 45bda19 by `study run` (rungs, a
baseline, the objective `usdr_db/vocals`), `study noise --seeds 2` and `study judge --top 1`.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from msdemucs.analysis.findings import Findings
from msdemucs.cli.app import app
from msdemucs.report.page import render
from msdemucs.study import frame, load_study
from msdemucs.study.execution.loop import WANTED, work_on
from msdemucs.study.records import JUDGE, NOISE, StudyRecord
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import open_storage, open_study
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import TrialRecorder
from msdemucs.study.trial.tracks import Say

NAME, QUALITY = "before-nouns", "usdr_db/vocals"


@pytest.fixture
def database(in_tmp: Path) -> str:
    """The URL of the study's database."""
    Path("studies").mkdir()
    with closing(sqlite3.connect(f"studies/{NAME}.db")) as opened:
        opened.executescript(Path(__file__).with_name("before_nouns.sql").read_text())
    return f"sqlite:///studies/{NAME}.db"


@pytest.fixture
def old(database: str) -> StudyRecord:
    return load_study(NAME)


def test_its_trials_scores_rungs_and_later_rows_are_read(old: StudyRecord) -> None:
    assert sorted(old.trials.state) == ["complete"] * 5 + ["stopped"]
    assert list(old.directions) == [QUALITY, "macs_per_second"]
    complete = old.trials[old.trials.state == "complete"]
    for _, trial in complete.iterrows():
        of_trial = old.scores[old.scores.trial == trial.trial]
        assert trial[QUALITY] == pytest.approx(old.qualities[QUALITY].of(of_trial))
    assert set(old.rungs.step) == {3, 6}
    assert set(old.later.kind) == {NOISE, JUDGE}
    assert set(old.later[old.later.kind == JUDGE].split) == {"test"}
    assert old.n_looks == 1
    assert len(frame(old)) >= len(complete)


def test_its_report_tells_what_it_found(old: StudyRecord) -> None:
    findings = Findings(old)
    assert findings.noise[QUALITY] is not None
    assert findings.judged[QUALITY]
    page = render(old)  # as callers of before do
    assert "uSDR of vocals" in page
    assert "looked at once" in page


def test_commands_show_it(database: str) -> None:
    for words in (["show", NAME], ["list"], ["best", NAME, "--top", "2"]):
        done = CliRunner().invoke(app, ["study", *words], catch_exceptions=False)
        assert done.exit_code == 0
        assert NAME in done.output or "trial 1" in done.output


class Toy:
    """A bench whose trials all score the same, on the tracks that the study had."""

    def __init__(self, search: Search, *, say: Say) -> None:
        assert search.space.objectives == {QUALITY: "maximize", "macs_per_second": "minimize"}

    def describe(self) -> dict[str, object]:
        return {}

    def evaluate(self, candidate: Candidate, log: TrialRecorder) -> None:
        log.rung(3, {QUALITY: {candidate.seed: 1.0}})
        log.record({"usdr_db": 1.0, QUALITY: 1.0})


def test_a_process_of_this_version_joins_it_and_sees_that_all_was_tried(
    database: str, tmp_path: Path
) -> None:
    with closing(open_storage(database)) as opened:
        open_study(opened, NAME).set_user_attr(WANTED, 7)
    finished = work_on(NAME, database, Toy, folder=tmp_path / "trials")
    assert finished.is_used_up, "all of its four combinations were tried"
    assert finished.ran == 0
