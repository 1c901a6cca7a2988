"""Promotion: which trials are trained for longer, from where, and once."""

from pathlib import Path

import optuna
import pandas as pd
import pytest

from msdemucs.errors import UsageError
from msdemucs.study import StudyRecord, load_study
from msdemucs.study.execution.loop import run_study
from msdemucs.study.followups.trainings import PROMOTED_COLUMNS, Longer, Start, candidates, promote
from msdemucs.study.records import SPLIT
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import open_storage, open_study
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Row, Silent, TrialRecorder
from msdemucs.train import load_recipe
from tests.study.conftest import toy


@pytest.fixture
def study(search: Search) -> optuna.Study:
    run_study(search, toy)
    return open_study(open_storage("sqlite:///studies/toy.db"), "toy")


@pytest.fixture
def record(study: optuna.Study) -> StudyRecord:
    return load_study("toy")


def scored(candidate: Candidate, log: TrialRecorder) -> None:
    log.scores([Row(candidate.seed, SPLIT, "band", "A - B", "bass", "usdr_db", 9.0)])
    log.record({"usdr_db": 9.0 - candidate.trial, "steps": 80, "train_seconds": 1.0})


def longer(start: Start = "scratch", **changes: object) -> Longer:
    return Longer(load_recipe("demo", overrides=changes), start, "demo")


def test_the_front_is_promoted_unless_a_number_is_given(record: StudyRecord) -> None:
    best = record.trials[record.trials.state == "complete"].usdr_db.max()
    assert candidates(record, top=1).usdr_db.tolist() == [best]
    assert len(candidates(record, top=3)) == 3
    front = candidates(record, top=None)
    assert front.usdr_db.is_monotonic_decreasing
    assert front.macs_per_second.is_monotonic_decreasing


def test_both_scores_stand_side_by_side_and_in_the_side_table(
    study: optuna.Study, record: StudyRecord
) -> None:
    asked: list[Candidate] = []

    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        asked.append(candidate)
        scored(candidate, log)

    trials = candidates(record, top=2)
    table = promote(study, trials, longer(), evaluate, listener=Silent())
    assert list(table.columns) == list(PROMOTED_COLUMNS)
    assert table.short_db.tolist() == trials.usdr_db.tolist()
    assert table.long_db.tolist() == [9.0 - trial for trial in trials.trial]
    assert table.steps.tolist() == [40, 40]
    for candidate, (_, trial) in zip(asked, trials.iterrows(), strict=True):
        assert candidate.spec.name == trial.spec["name"]
        assert candidate.seed == trial.seed
        assert candidate.start is None
    rows = load_study("toy").later
    assert rows.kind.tolist() == ["promotion", "promotion"]
    assert rows.trial.tolist() == trials.trial.tolist()
    assert rows.detail[0]["start"] == "scratch"
    assert rows.detail[0]["recipe"]["name"] == "demo"


def test_what_is_done_is_not_done_again_unless_it_is_asked_otherwise(
    study: optuna.Study, record: StudyRecord
) -> None:
    done: list[int] = []

    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        if len(done) == 1:
            done.append(-1)
            raise KeyboardInterrupt
        done.append(candidate.trial)
        scored(candidate, log)

    def again(asked: Longer) -> pd.DataFrame:
        return promote(study, trials, asked, evaluate, listener=Silent())

    trials = candidates(record, top=2)
    first, second = trials.trial.tolist()
    with pytest.raises(KeyboardInterrupt):
        again(longer())
    assert len(again(longer())) == 2
    assert done == [first, -1, second]
    again(longer(name="renamed"))
    assert len(done) == 3
    again(longer(steps=50))
    assert done[3:] == [first, second]


def test_from_weights_needs_the_weights(
    study: optuna.Study, record: StudyRecord, in_tmp: Path
) -> None:
    starts = []

    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        starts.append(candidate.start)
        scored(candidate, log)

    trials = candidates(record, top=1)
    with pytest.raises(UsageError, match="take --start scratch"):
        promote(study, trials, longer("weights"), evaluate, listener=Silent())
    path = in_tmp / "weights.safetensors"
    path.touch()
    trials = trials.assign(weights=str(path))
    promote(study, trials, longer("weights"), evaluate, listener=Silent())
    assert starts == [path]
