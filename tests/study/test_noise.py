"""The noise floor: which seeds are trained, and what is recorded for those who read it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest

from msdemucs.analysis.effects import effects
from msdemucs.study.execution.loop import run_study
from msdemucs.study.followups.trainings import Floor, measure_noise
from msdemucs.study.records import SCORE_COLUMNS, SPLIT
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study, open_storage
from msdemucs.study.storage.results import frame_in
from msdemucs.study.storage.studies import create_or_continue
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Row, Silent, TrialRecorder
from tests.study.test_arms import ABLATION, Read, read

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
