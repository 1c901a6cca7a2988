"""Studies of before the long frame of scores are read as what they were: uSDR on test tracks."""

import math

import optuna
import pytest

from msdemucs.analysis.tidy import frame
from msdemucs.study.records import FLOOR_COLUMNS, RUNG_SCORE_COLUMNS, SCORE_COLUMNS, StudyRecord
from msdemucs.study.storage.load import read_record
from msdemucs.study.storage.results import BEGUN, STOPPED_AT

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
