"""A study that was made before the package had folders by noun is read, shown and gone on with.

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
from msdemucs.study.execution.joining import search_of_study
from msdemucs.study.records import JUDGE, NOISE, StudyRecord
from msdemucs.study.storage.studies import open_storage, open_study

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
        assert NAME in done.output or "trial 1" in done.output


def test_a_process_can_join_it(database: str) -> None:
    with closing(open_storage(database)) as opened:
        search, folder = search_of_study(open_study(opened, NAME))
    assert search.space.objectives == {QUALITY: "maximize", "macs_per_second": "minimize"}
    assert folder.endswith(f"{NAME}/trials")
