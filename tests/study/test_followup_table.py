"""The side table: rows of finished trials, in a database that stays Optuna's."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import optuna
import pytest

from msdemucs.study.records import LATER_COLUMNS
from msdemucs.study.storage.load import open_storage, read_record
from msdemucs.study.storage.results import BEGUN, Later, add, remove, rows_of
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
