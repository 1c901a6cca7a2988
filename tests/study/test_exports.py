"""Studies as tidy tables and files, picked from, and removed."""

import json
import os
import platform
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import optuna
import pandas as pd
import psutil
import pytest

from msdemucs.analysis.exports import TABLES, as_json, export, table_of
from msdemucs.analysis.findings import Findings
from msdemucs.analysis.fronts import best_trials, front
from msdemucs.errors import UsageError
from msdemucs.study import StudyRecord, frame
from msdemucs.study.execution.loop import run_study
from msdemucs.study.records import RUNG_COLUMNS
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.folders import claim_folder
from msdemucs.study.storage.load import load_study, open_storage, open_study
from msdemucs.study.storage.removal import doomed, remove_study
from msdemucs.study.storage.results import Later, add
from msdemucs.study.storage.urls import StudyLocation
from tests.study.conftest import SPACE, toy


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five complete toy trials."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "toy.yaml").write_text(SPACE)
    run_study(load_search_space(folder / "toy.yaml"), toy, storage=StudyLocation(directory=folder))
    return folder / "toy.db"


@pytest.fixture
def studies(database: Path, in_tmp: Path) -> Path:
    """The folder studies/ with the toy study."""
    (in_tmp / "studies").mkdir()
    shutil.copy(database, in_tmp / "studies" / "toy.db")
    return in_tmp / "studies"


@pytest.fixture
def record(studies: Path) -> StudyRecord:
    """Toy trials, the third with two seeds."""
    record = load_study("toy")
    again = record.scores[record.scores.trial == 2].assign(seed=1)
    again["value"] += 1
    scores = pd.concat([record.scores, again])
    other = scores[scores.source == "bass"].assign(source="drums")
    other["value"] += 10
    object.__setattr__(record, "scores", pd.concat([scores, other]))
    return record


def test_a_row_is_a_trial_and_seed_with_its_own_means(record: StudyRecord) -> None:
    table = frame(record)
    assert len(table) == len(record.trials) + 1
    two = table[table.trial == 2].set_index("seed")
    assert two.usdr_db[1] == pytest.approx(two.usdr_db[0] + 1)
    assert two["usdr_db.drums"][0] == pytest.approx(two["usdr_db.bass"][0] + 10)
    assert two["usdr_db"][0] == pytest.approx(two["usdr_db.bass"][0] + 5)
    assert two["usdr_db/band"][0] == pytest.approx(two["usdr_db"][0])
    assert two["usdr_db/room"].isna().all()
    assert {"params.channels.start", "study", "spec_hash", "macs_per_second"} <= set(table.columns)
    assert not {"spec", "params", "recipe"} & set(table.columns)


def test_a_study_is_found_by_name(record: StudyRecord) -> None:
    assert set(frame("toy").trial) == set(record.trials.trial)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("table", TABLES)
def test_tables_come_back_from_files(
    record: StudyRecord, tmp_path: Path, kind: str, table: str
) -> None:
    path = tmp_path / "out" / f"a.{kind}"
    export(record, path, kind=kind, table=table)  # type: ignore[arg-type]
    expected = table_of(record, table)
    found = pd.read_csv(path) if kind == "csv" else pd.read_parquet(path)
    assert list(found.columns) == list(expected.columns)
    assert len(found) == len(expected)
    if table == "trials":
        assert found.usdr_db.tolist() == pytest.approx(expected.usdr_db.tolist(), nan_ok=True)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_choices_of_several_types_are_one_column_of_text(record: StudyRecord) -> None:
    for params, value in zip(record.trials.params, [1, "two", 3.5, True, None], strict=False):
        params["odd"] = value
    column = table_of(record, "trials")["params.odd"]
    assert column.dropna().map(type).unique().tolist() == [str]


def test_json_holds_everything_without_nan(record: StudyRecord) -> None:
    whole = json.loads(as_json(record))
    assert {"study", "objectives", "attrs", *TABLES} <= set(whole)
    assert whole["trials"][0]["spec"]["name"] == "htdemucs"
    assert len(whole["scores"]) == len(record.scores)
    assert whole["trials"][0]["latency_ms_p95"] is None


def test_a_table_or_folder_that_is_none_is_refused(record: StudyRecord, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no table “trial”; a study has trials, scores"):
        export(record, tmp_path / "a.csv", kind="csv", table="trial")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        export(record, tmp_path / "file" / "a.csv", kind="csv")


def test_an_empty_study_has_an_empty_table(record: StudyRecord) -> None:
    object.__setattr__(record, "trials", record.trials.iloc[:0])
    assert frame(record).empty
    assert list(record.rungs.columns) == list(RUNG_COLUMNS)


def test_the_best_is_within_the_limits(record: StudyRecord) -> None:
    trials = record.trials[record.trials.state == "complete"]
    assert best_trials(record).usdr_db.tolist() == [trials.usdr_db.max()]
    limit = float(trials.parameters.min())
    assert set(best_trials(record, limits={"parameters": limit}, top=9).parameters) == {limit}
    with pytest.raises(UsageError, match="parameters of at most 1 within the limits; the smallest"):
        best_trials(record, limits={"parameters": 1.0})


def specs_of(record: StudyRecord, trials: Iterable[int]) -> set[str]:
    return set(record.trials.set_index("trial").spec_hash[list(trials)])


def test_the_front_is_optunas_with_each_spec_once(record: StudyRecord) -> None:
    study = open_study(open_storage("sqlite:///studies/toy.db"), "toy")
    best = [trial.number for trial in study.best_trials]
    found = front(record)
    assert set(found.spec_hash) == specs_of(record, best)
    assert found.spec_hash.is_unique
    assert set(found.trial) <= set(best)


def test_a_baseline_beyond_a_constraint_is_neither_best_nor_of_the_front(
    rewritten: Callable[[str, str], Search],
) -> None:
    search = rewritten("trials: 5", "trials: 8\nconstraints: {macs_per_second: 2.0e+8}")
    finished = run_study(search, toy)
    record = load_study("toy")
    beyond = record.trials[record.trials.name == "htdemucs_nn"].iloc[0]
    assert beyond.state == "complete"
    assert set(beyond.violations) == {"macs_per_second"}
    chosen = {*front(record).trial, *best_trials(record, top=99).trial, *Findings(record).front}
    assert beyond.trial not in chosen
    assert Findings(record).front == set(finished.front)
    assert set(front(record).spec_hash) == specs_of(record, finished.front)


def test_a_removed_study_leaves_nothing(studies: Path) -> None:
    folder = studies / "toy" / "trials" / "0"
    folder.mkdir(parents=True)
    study = open_study(open_storage("sqlite:///studies/toy.db"), "toy")
    claim_folder(studies / "toy", study, "sqlite:///studies/toy.db")
    add(study, [Later(0, "rescore", "usdr_db", 1.0, 0, {})])
    what = doomed("toy")
    assert "1 later results, the folder studies/toy" in str(what)
    remove_study(what)
    assert list(studies.iterdir()) == []


def test_a_study_that_is_worked_on_is_removed_by_force_alone(studies: Path) -> None:
    study = open_study(open_storage("sqlite:///studies/toy.db"), "toy")
    trial = study.ask()
    parent = psutil.Process(os.getppid())
    here = {"host": platform.node(), "pids": str(Path("/proc/self/ns/pid").readlink())}
    trial.set_user_attr("owner", {**here, "pid": parent.pid, "since": 0.0})  # killed since
    asked = doomed("toy")
    assert asked.running == ()
    trial.set_user_attr("owner", {**here, "pid": parent.pid, "since": parent.create_time()})
    assert doomed("toy").running
    with pytest.raises(UsageError, match=rf"trial {trial.number}, process {parent.pid}.*--force"):
        remove_study(asked)  # the trial began while somebody was asked whether to
    assert load_study("toy").name == "toy"
    remove_study(doomed("toy"), even_running=True)
    assert not (studies / "toy.db").exists()


def test_other_studies_of_a_database_stay(studies: Path) -> None:
    url = "sqlite:///studies/toy.db"
    other = optuna.create_study(study_name="other", storage=url)
    other.add_trial(optuna.trial.create_trial(value=1.0))
    for name in ("toy", "other"):
        add(open_study(open_storage(url), name), [Later(0, "rescore", "usdr_db", 1.0, 0, {})])
    remove_study(doomed("toy", storage=url))
    kept = load_study("other", storage=url)
    assert (len(kept.trials), len(kept.later)) == (1, 1)
    with pytest.raises(UsageError, match="no study “toy”"):
        load_study("toy", storage=url)
