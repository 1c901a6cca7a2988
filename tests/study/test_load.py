"""Studies read back as plain frames; files that hold none stay as they are, whatever reads them."""

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from typer.testing import CliRunner

from msdemucs.cli.app import app
from msdemucs.errors import DataError, StudyError, UsageError
from msdemucs.study.execution.loop import run_study
from msdemucs.study.records import CURVE_COLUMNS, SCORE_COLUMNS, STATES, TRIAL_COLUMNS
from msdemucs.study.search_space.sampling import known_experiments
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_studies, load_study, open_storage, read_record
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import TrialRecorder
from tests.study.conftest import SPACE, asking, toy


def test_the_record_has_exactly_the_columns_that_it_promises(search: Search) -> None:
    run_study(search, toy, attrs={"recipe": {"steps": 2}})
    record = load_study("toy")
    assert list(record.trials.columns) == [*TRIAL_COLUMNS, "usdr_db/band"]
    assert list(record.scores.columns) == list(SCORE_COLUMNS)
    assert list(record.curves.columns) == list(CURVE_COLUMNS)
    assert set(record.trials.state) <= set(STATES)
    assert (record.name, record.title) == ("toy", "A toy")
    assert list(record.directions.items()) == [
        ("usdr_db", "maximize"),
        ("macs_per_second", "minimize"),
    ]
    assert record.attrs["search_space"] == SPACE
    assert record.attrs["recipe"] == {"steps": 2}
    assert "asked" not in record.attrs
    assert json.loads(json.dumps(record.attrs)) == record.attrs


def test_figures_are_numbers_and_the_rest_is_plain(search: Search) -> None:
    run_study(search, toy)
    trials = load_study("toy").trials
    done = trials[trials.state == "complete"]
    assert pd.api.types.is_float_dtype(trials.usdr_db)
    assert (done.macs_per_second > 0).all()
    assert (done.parameters == done.parameters.round()).all()
    assert trials.latency_ms_p95.isna().all()  # the toy measures none
    first = trials.iloc[0]
    assert first.differences["attention.0.mechanism"] == ["linear", "softmax"]
    assert first.versions["optuna"]
    assert first.started.startswith("20")
    assert first.failure is None
    assert first.seconds >= 0


def test_scores_and_curves_have_a_row_for_each_measurement(search: Search) -> None:
    run_study(asking(search, trials=2), toy)
    record = load_study("toy")
    assert list(record.scores.trial) == [0, 0, 1, 1]
    assert list(record.scores.group) == ["band", "room"] * 2
    assert math.isnan(record.scores["value"][1])
    assert list(record.curves.step) == [1, 2, 1, 2]
    assert record.curves.loss[0] == 1.0


def test_left_out_test_tracks_are_told_with_their_reasons(search: Search) -> None:
    def careless(candidate: Candidate, log: TrialRecorder) -> None:
        if candidate.trial == 1:
            log.left_out(DataError("is damaged", path=Path("drums.wav"), track="A - B"))
        toy(candidate, log)

    run_study(asking(search, trials=2), careless)
    left_out = load_study("toy").trials.left_out
    assert list(left_out) == [[], ["drums.wav: is damaged (track “A - B”)"]]


def test_damaged_training_tracks_are_told_apart_from_test_tracks(search: Search) -> None:
    def careless(candidate: Candidate, log: TrialRecorder) -> None:
        for _ in range(2):
            log.trained_without("drums.wav: is damaged")
        toy(candidate, log)

    run_study(asking(search, trials=1), careless)
    trials = load_study("toy").trials
    assert trials.trained_without[0] == ["drums.wav: is damaged"]
    assert trials.left_out[0] == []


def test_what_a_mac_leaves_beside_studies_is_no_study(search: Search) -> None:
    run_study(asking(search, trials=1), toy)
    Path("studies/._toy.db").write_bytes(b"\0" * 4096)
    errors: list[Exception] = []
    (found,) = load_studies(None, on_error=errors.append)
    assert found[0].name == "toy"
    assert not errors


def test_a_study_that_has_not_begun_reads_as_waiting_baselines(search: Search) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(search, interrupted)
    record = load_study("toy")
    assert list(record.trials.state) == ["continued", "waiting", "waiting"]
    assert list(record.trials.name) == ["htdemucs", "htdemucs_nn", "htdemucs"]
    assert record.scores.empty
    assert list(record.scores.columns) == list(SCORE_COLUMNS)


@pytest.mark.parametrize("name", ["toy", "studies/toy.db", "sqlite:///studies/toy.db"])
def test_a_study_is_found_by_name_path_and_url(search: Search, name: str) -> None:
    run_study(asking(search, trials=1), toy)
    assert load_study(name).name == "toy"


def test_a_misspelt_name_gets_the_nearest(search: Search) -> None:
    run_study(asking(search, trials=1), toy)
    with pytest.raises(UsageError, match="did you mean “toy”"):
        load_study("toyy")


READING = (
    ["report", "studies/a.db"],
    ["study", "list", "--storage", "sqlite:///studies/a.db"],
    ["study", "show", "a"],
    ["study", "export", "a", "-o", "a.csv"],
    ["study", "effects", "a"],
)


def empty(path: Path) -> str:
    path.touch()
    return "is empty: no study database"


def notes(path: Path) -> str:
    """Somebody else's database."""
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE notes (text TEXT)")
        other.execute("INSERT INTO notes VALUES ('mine')")
    return "is no study database: it holds notes"


def text(path: Path) -> str:
    path.write_text("no database at all")
    return "file is not a database"


@pytest.mark.parametrize("make", [empty, notes, text])
@pytest.mark.parametrize("command", READING, ids=lambda words: " ".join(words[:2]))
def test_reading_leaves_other_files_as_they_are(
    command: list[str], make: object, in_tmp: Path
) -> None:
    path = in_tmp / "studies" / "a.db"
    path.parent.mkdir()
    assert callable(make)
    message = make(path)
    before = path.read_bytes()
    done = CliRunner().invoke(app, command)
    assert done.exit_code != 0
    said = f"{done.output} {done.exception}"
    assert message in " ".join(said.split())
    assert path.read_bytes() == before
    assert [other.name for other in path.parent.iterdir()] == ["a.db"]


def test_an_empty_file_becomes_a_database_when_a_study_begins(in_tmp: Path) -> None:
    (in_tmp / "a.db").touch()
    with pytest.raises(StudyError, match=r"a\.db is empty"):
        load_study("a.db")
    with closing(open_storage("sqlite:///a.db", create=True)):
        pass
    with closing(open_storage("sqlite:///a.db")) as opened:
        assert opened.get_all_studies() == []


HOSTILE = {
    "scores": 3.5,
    "curve": {"a": 1},
    "rungs": "high",
    "parameters": {"a": 1},
    "spec": "x",
    "usdr_db": "high",
    "usdr_db/a": [1],
    "state": 4,
    "left_out": "no",
    "arm": [1],
    "recipe": 7,
    "violations": 7,
    "duplicate_of": 1,
    "resumes": "x",
    "stopped_at": "x",
    "owner": 3,
}
"""Attributes of another program that have the names of ours."""


@pytest.fixture
def others(in_tmp: Path) -> str:
    """Another program's study of three trials beside one of msdemucs in one database."""
    url = "sqlite:///studies/others.db"
    with closing(open_storage(url, create=True)) as storage:
        study = optuna.create_study(study_name="theirs", storage=storage)
        for value in (3.0, 1.0, 2.0):
            distributions: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 9)}
            trial = optuna.create_trial(
                value=value, params={"x": value}, distributions=distributions, user_attrs=HOSTILE
            )
            study.add_trial(trial)
        study.set_user_attr("recipe", 7)
        study.set_user_attr("noise", "much")
    return url


def test_another_programs_study_is_shown_with_its_values(others: str) -> None:
    record = load_study("theirs", storage=others)
    assert list(record.trials["objective 0"]) == [3.0, 1.0, 2.0]
    assert [params["x"] for params in record.trials.params] == [3.0, 1.0, 2.0]
    assert dict(record.directions) == {"objective 0": "minimize"}
    assert record.trials.usdr_db.isna().all()
    assert record.attrs == {}
    shown = CliRunner().invoke(app, ["study", "show", "theirs", "--storage", others])
    assert "objective 0" in shown.stdout
    best = CliRunner().invoke(app, ["study", "best", "theirs", "--storage", others, "--json"])
    assert json.loads(best.stdout)["trials"][0]["trial"] == 1  # the least is the best


@pytest.mark.parametrize("names", [["state"], ["seconds"], None])
def test_a_foreign_objective_never_takes_the_place_of_another_column(
    names: list[str] | None, others: str
) -> None:
    study = optuna.load_study(study_name="theirs", storage=open_storage(others))
    if names:
        with known_experiments():
            study.set_metric_names(names)
    record = read_record(study)
    assert list(record.trials[next(iter(record.directions))]) == [3.0, 1.0, 2.0]
    assert set(record.trials.state) == {"complete"}


def test_a_report_of_another_programs_study_has_its_values(others: str) -> None:
    done = CliRunner().invoke(app, ["report", "theirs", "--storage", others])
    assert done.exit_code == 0, done.exception
    assert "objective 0" in Path("reports/theirs.html").read_text()


def test_a_study_that_cannot_be_read_is_named_and_hides_no_other(
    search: Search, others: str
) -> None:
    run_study(asking(search, trials=1), toy, storage=others)
    run_study(asking(search, trials=1, name="second"), toy, storage=others)
    with closing(sqlite3.connect("studies/others.db")) as opened, opened:
        opened.execute(
            "UPDATE trial_user_attributes SET value_json = '[3' WHERE key = 'scores' AND trial_id "
            "IN (SELECT trial_id FROM trials JOIN studies USING (study_id) "
            "WHERE study_name = 'toy')"
        )
    (Path("studies") / "folder.db").mkdir()
    done = CliRunner().invoke(app, ["study", "list"])
    assert done.exit_code == 0, done.exception
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["theirs", "second"]
    assert "left out: study “toy” in sqlite:///studies/others.db cannot be read" in done.stderr
    assert "folder.db" in done.stderr
    with pytest.raises(StudyError, match=r"others\.db cannot be read: JSONDecodeError"):
        load_study("toy", storage=others)
