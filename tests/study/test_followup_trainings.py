"""Which trials are trained for longer, from where, and once; which seeds the noise floor trains."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from msdemucs.analysis.effects import effects
from msdemucs.errors import UsageError
from msdemucs.study import StudyRecord
from msdemucs.study.execution.loop import run_study
from msdemucs.study.followups.trainings import (
    PROMOTED_COLUMNS,
    Floor,
    Longer,
    Start,
    candidates,
    measure_noise,
    promote,
)
from msdemucs.study.records import SCORE_COLUMNS, SPLIT
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study, open_storage, open_study
from msdemucs.study.storage.results import frame_in
from msdemucs.study.storage.studies import create_or_continue
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Row, Silent, TrialRecorder
from msdemucs.train import load_recipe
from tests.study.conftest import toy
from tests.study.test_arms import ABLATION, Read, read


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


__all__ = ["ABLATION", "Read", "read"]

SCORES = {0: 3.0, 1: 3.4, 2: 2.9, 3: 3.3, 4: 3.1}


def by_seed(candidate: Candidate, log: TrialRecorder) -> None:
    """A score that its seed decides."""
    value = SCORES[candidate.seed]
    log.scores([Row(candidate.seed, SPLIT, "band", "A - B", "bass", "usdr_db", value)])
    log.record({"usdr_db": value, "latency_ms_p50": 3.0, "steps": 40})


def begun(search: Search) -> optuna.Study:
    return create_or_continue(search, open_storage("sqlite:///studies/toy.db", create=True), {})


Measure = Callable[[int], Floor]


@pytest.fixture
def measure(search: Search) -> Measure:
    study = begun(search)

    def measure(n_seeds: int) -> Floor:
        return measure_noise(study, search, by_seed, n_seeds=n_seeds, listener=Silent())

    return measure


def test_the_spread_is_that_of_the_seeds_and_is_recorded(measure: Measure) -> None:
    floor = measure(5)
    assert floor.sigma.value == pytest.approx(np.std(list(SCORES.values()), ddof=1))
    assert floor.scores == SCORES
    record = load_study("toy")
    noise = record.attrs["noise"]
    assert isinstance(noise, dict)
    assert noise["sigma_db"] == pytest.approx(floor.sigma.value)
    assert (noise["n_seeds"], noise["spec"]) == (5, "htdemucs_n")
    assert record.later.kind.tolist() == ["noise"] * 5
    assert record.later.trial.tolist() == [-1] * 5
    scores = frame_in(record.later.detail[0], "scores", SCORE_COLUMNS[1:])
    assert scores.values.tolist() == [[0, SPLIT, "band", "A - B", "bass", "usdr_db", 3.0]]
    assert set(record.later.convention) == {"usdr_db"}
    assert set(record.later.split) == {SPLIT}


def test_more_seeds_train_only_the_new_ones(measure: Measure) -> None:
    assert measure(2).trained == (0, 1)
    again = measure(4)
    assert again.trained == (2, 3)
    assert set(again.scores) == {0, 1, 2, 3}
    assert measure(3).trained == ()


def test_an_interruption_keeps_what_is_done(search: Search, in_tmp: Path) -> None:
    study = begun(search)
    folders = []

    def interrupted(candidate: Candidate, log: TrialRecorder) -> None:
        folders.append(candidate.folder)
        if candidate.seed == 1 and len(folders) == 2:
            raise KeyboardInterrupt
        by_seed(candidate, log)

    def measure() -> Floor:
        return measure_noise(study, search, interrupted, n_seeds=3, listener=Silent())

    with pytest.raises(KeyboardInterrupt):
        measure()
    assert measure().trained == (1, 2)
    assert folders[1] == folders[2]  # it goes on where its checkpoints are


def test_seeds_that_an_ablation_trained_are_not_trained_again(read: Read) -> None:
    search = read()
    run_study(search, by_seed)
    study = create_or_continue(search, open_storage("sqlite:///studies/parts.db"), {})
    floor = measure_noise(study, search, by_seed, n_seeds=5, listener=Silent())
    assert floor.trained == (2, 3, 4)
    noise = effects(
        load_study("parts")
    ).noise  # of the base's five, and of three arms with two each
    assert noise is not None
    assert (noise.degrees, noise.source) == (7, "11 trainings of 4 specs, pooled")


def test_one_seed_has_no_spread(measure: Measure) -> None:
    with pytest.raises(ValueError, match="needs two seeds; found 1"):
        measure(1)
