"""The side table, in a database that stays Optuna's; and scores as studies of before kept them."""

import json
import math
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import optuna
import pytest

from msdemucs.analysis.exports import frame
from msdemucs.study.records import (
    FLOOR_COLUMNS,
    LATER_COLUMNS,
    RUNG_SCORE_COLUMNS,
    SCORE_COLUMNS,
    StudyRecord,
)
from msdemucs.study.storage.load import open_storage, read_record
from msdemucs.study.storage.results import BEGUN, STOPPED_AT, Later, add, remove, rows_of
from tests.study.postgres import Postgres

ROW = Later(2, "promotion", "usdr_db", 3.25, 0, {"recipe": "long", "steps": 400})


@pytest.fixture(params=["sqlite:///{}/a.db", "journal:///{}/a.journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path)


def made(url: str, name: str = "one", started: str = "2026-11-21T08:00:00+00:00") -> optuna.Study:
    study = optuna.create_study(study_name=name, storage=open_storage(url, create=True))
    study.set_user_attr("started", started)
    study.set_user_attr(BEGUN, {})
    return study


def test_rows_come_back_as_they_were_with_their_study_alone(url: str) -> None:
    one, two = made(url), made(url, "two")
    assert read_record(one).later.empty
    assert list(read_record(one).later.columns) == list(LATER_COLUMNS)
    add(one, [ROW, Later(-1, "noise", "usdr_db", -0.5, 7, {})])
    again = optuna.load_study(study_name="one", storage=open_storage(url))
    assert min(rows_of(again), key=lambda row: -row.trial) == ROW
    assert len(rows_of(again)) == 2
    assert rows_of(two) == []


def test_the_record_has_them_and_no_trace_of_how_they_are_kept(url: str) -> None:
    study = made(url)
    study.add_trial(optuna.trial.create_trial(value=1.0))
    add(study, [ROW])
    record = read_record(study)
    assert record.later.to_dict("records")[0]["detail"] == {"recipe": "long", "steps": 400}
    assert set(record.attrs) == {"started"}


def test_a_database_with_the_table_is_still_optunas(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    study = made(url)
    add(study, [ROW])
    plain = optuna.storages.RDBStorage(url)
    plain.upgrade()
    assert plain.get_current_version() == plain.get_head_version()
    found = optuna.load_study(study_name="one", storage=plain)
    found.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    assert len(found.trials) == 2
    assert rows_of(study) == [ROW]


def add_as_before(study: optuna.Study, url: str) -> None:
    """Keep ROW as versions kept it whose rows said nothing of a split."""
    row = asdict(ROW)
    del row["split"]
    if url.startswith("journal"):
        study.set_user_attr("later/old", row)
        return
    add(study, [ROW])
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE msdemucs_later SET detail = ?", [json.dumps(ROW.detail)])
    database.close()


@pytest.mark.parametrize(
    ("data", "split"),
    [({"train": [], "test": []}, "test"), ({"train": [], "validation": []}, "validation")],
)
def test_rows_say_of_which_split_and_those_of_before_are_of_what_the_study_chose_by(
    url: str, data: dict[str, object], split: str
) -> None:
    study = made(url)
    study.set_user_attr("data", data)
    add_as_before(study, url)
    judged = replace(ROW, kind="judge", split="test")
    add(study, [judged])
    assert {row.kind: row.split for row in rows_of(study)} == {"promotion": split, "judge": "test"}
    assert judged in rows_of(study)
    assert set(read_record(study).later.split) == {split, "test"}


def test_a_new_study_of_the_same_name_has_none_of_the_old_ones_rows(url: str) -> None:
    old = made(url)
    add(old, [ROW])
    optuna.delete_study(study_name="one", storage=open_storage(url))
    new = made(url, started="2027-01-01T00:00:00+00:00")
    assert rows_of(new) == []


def test_removed_rows_are_gone(tmp_path: Path) -> None:
    study = made(f"sqlite:///{tmp_path / 'a.db'}")
    remove(study)  # without a table
    add(study, [ROW])
    remove(study)
    assert rows_of(study) == []


def test_processes_may_begin_the_table_at_the_same_moment(postgres: Postgres) -> None:
    url = postgres.create_database("later")
    made(url)
    rows = [Later(trial, "rescore", "usdr_db", 0.5, 0, {"of": "ä"}) for trial in range(8)]

    def work(row: Later) -> None:
        add(optuna.load_study(study_name="one", storage=open_storage(url)), [row])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, rows))
    study = optuna.load_study(study_name="one", storage=open_storage(url))
    assert sorted(rows_of(study), key=lambda row: row.trial) == rows
    remove(study)
    assert rows_of(study) == []


SCORES: list[list[object]] = [
    ["band", "A - B", "bass", 6.0, -3.0, 5],
    ["band", "A - B", "drums", None, None, 5],
    ["room", "C - D", "bass", 2.0, -5.0, 5],
]


@pytest.fixture
def record() -> StudyRecord:
    """As version 0.1 wrote it: one trial that ended, one before seeds were noted, one stopped."""
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_metric_names(["usdr_db", "macs_per_second"])
    study.set_user_attr(BEGUN, {})
    for scores in (SCORES, [row[:5] for row in SCORES]):
        trial = study.ask()
        trial.set_user_attr("usdr_db", 4.0)
        trial.set_user_attr("usdr_db/band", 6.0)
        trial.set_user_attr("macs_per_second", 7e9)
        trial.set_user_attr("scores", scores)
        trial.set_user_attr("rungs", [[5, 10, 1.5], [5, 40, 4.0]])
        trial.set_user_attr("rung:10", 1.5)
        study.tell(trial, [4.0, 7e9])
    trial = study.ask()
    trial.set_user_attr("rung_scores", [[10, *SCORES[0]]])
    trial.set_user_attr(STOPPED_AT, 10)
    study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    return read_record(study)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_rows_of_one_metric_become_long_rows_on_test_tracks(record: StudyRecord) -> None:
    assert list(record.scores.columns) == list(SCORE_COLUMNS)
    first = record.scores[record.scores.trial == 0]
    assert first.iloc[0].tolist() == [0, 5, "test", "band", "A - B", "bass", "usdr_db", 6.0]
    assert math.isnan(first["value"].iloc[1])
    assert record.scores[record.scores.trial == 1].seed.isna().all()
    assert record.split == "test"
    assert list(record.rung_scores.columns) == list(RUNG_SCORE_COLUMNS)
    assert record.rung_scores[["step", "metric", "value"]].values.tolist() == [[10, "usdr_db", 6.0]]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_what_doing_nothing_scores_is_kept_once_a_track(record: StudyRecord) -> None:
    assert list(record.floors.columns) == list(FLOOR_COLUMNS)
    assert record.floors["value"].dropna().tolist() == [-3.0, -5.0]
    assert len(record.floors) == len(SCORES)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_rungs_and_qualities_are_those_of_the_one_metric(record: StudyRecord) -> None:
    assert set(record.rungs.quality) == {"usdr_db"}
    assert record.rungs["value"].tolist() == [1.5, 4.0] * 2
    assert [*record.qualities] == ["usdr_db", "usdr_db/band"]
    assert record.qualities["usdr_db/band"].group == "band"
    for quality in record.qualities.values():
        of_first = record.scores[record.scores.trial == 0]
        assert quality.of(of_first) == record.trials[str(quality)].iloc[0]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_wide_table_has_every_training(record: StudyRecord) -> None:
    table = frame(record)
    assert table.trial.tolist() == [0, 1, 2]
    assert table["usdr_db.bass"].tolist()[:2] == [4.0, 4.0]
    assert table["usdr_db/band"].tolist()[:2] == [6.0, 6.0]
