"""A study read back as plain frames."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from msdemucs.errors import DataError, UsageError
from msdemucs.study.execution.loop import run_study
from msdemucs.study.records import CURVE_COLUMNS, SCORE_COLUMNS, STATES, TRIAL_COLUMNS
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_studies, load_study
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
