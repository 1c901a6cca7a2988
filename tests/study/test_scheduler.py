"""Few combinations: copies are no trials of their own, and a study tries all of them and ends."""

import os
import warnings
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from msdemucs.study.execution import scheduler
from msdemucs.study.execution.loop import Finished, run_study, work_on
from msdemucs.study.execution.scheduler import INSTEAD_OF, counts, repetitions
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.sampling import Sampler
from msdemucs.study.search_space.space import MOST_LISTED, Search
from msdemucs.study.search_space.variations import Variation, as_key, combinations
from msdemucs.study.storage.load import open_storage
from msdemucs.study.trial import result_cache as results
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import TrialRecorder
from tests.study.conftest import asking, begin, toy
from tests.study.test_many_processes import FORK, ToyBench, finish

URL = "sqlite:///studies/toy.db"

HEAD = "name: toy\nbase: htdemucs_n\nset: {segment: 0.5, channels.start: 4, attention.0.heads: 4}\n"

SPACES = {
    "4 widths": "vary: {channels.start: {int: [4, 16], step: 4}}\nbaselines: [htdemucs_n]\n",
    "a condition": (
        "vary:\n  depth: {choice: [3, 4]}\n"
        "  kernel_size.3: {choice: [4, 8], when: {depth: 4}}\n"
        "  channels.start: {int: [4, 8], step: 4}\n"
    ),
    "subsets": "vary: {spectral.resolutions: {subset: [1024, 2048, 4096], most: 2}}\n",
    "some too large": (
        "vary:\n  channels.start: {int: [4, 32], step: 4}\n"
        "  spectral.resolutions: {choice: {one: [4096], same: [4096]}}\n"
        "constraints: {parameters: 300000}\n"
    ),
}
"""Of 4, 6, 6 and 16 combinations; of the last, most make no trial, and the others are in pairs."""

SAMPLERS = {"tpe": {"n_startup_trials": 2}, "nsga2": {"population_size": 3}, "random": {}}
"""With options by which they soon go by what they have found, and repeat themselves."""


def search_of(text: str, **sampler: object) -> Search:
    path = Path("toy.yaml")
    path.write_text(f"{HEAD}{text}trials: 20\n")
    return asking(load_search_space(path), sampler=Sampler.model_validate(sampler))


def stored() -> list[FrozenTrial]:
    with closing(open_storage(URL)) as opened:
        return optuna.load_study(study_name="toy", storage=opened).get_trials(deepcopy=False)


def check_that_all_was_tried_once(search: Search, finished: Finished) -> None:
    trials = stored()
    every = {as_key(one) for one in combinations(search.space.vary)}
    trained = {t.user_attrs["spec_hash"] for t in trials if counts(t)}
    assert every <= {as_key(trial.params) for trial in trials}
    assert finished.complete == len(trained) < 20
    assert finished.is_used_up
    assert len(trials) <= 2 * (len(every) + len(search.baselines))
    assert all(trial.state in (TrialState.COMPLETE, TrialState.PRUNED) for trial in trials)
    made_up = [t.user_attrs[INSTEAD_OF] for t in trials if INSTEAD_OF in t.user_attrs]
    assert len(made_up) == len(set(made_up))
    assert set(made_up) <= set(repetitions(trials))


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.parametrize("space", SPACES)
def test_a_study_tries_every_combination_and_ends(in_tmp: Path, space: str, kind: str) -> None:
    search = search_of(SPACES[space], kind=kind, options=SAMPLERS[kind], control=0.2)
    check_that_all_was_tried_once(search, run_study(search, toy, storage=URL))


@pytest.mark.parametrize("seed", range(2))
def test_whatever_the_seed_a_study_ends(in_tmp: Path, seed: int) -> None:
    search = search_of(SPACES["4 widths"], kind="random", seed=seed)
    check_that_all_was_tried_once(search, run_study(search, toy, storage=URL))


@pytest.mark.parametrize("kind", SAMPLERS)
def test_two_workers_try_every_combination_and_end(in_tmp: Path, kind: str) -> None:
    search = search_of(SPACES["a condition"], kind=kind, options=SAMPLERS[kind])
    begin(search, URL)

    def work() -> None:
        scheduler.PAUSE_S = results.PAUSE_S = 0.05
        work_on("toy", URL, ToyBench(0))
        os._exit(0)

    crew: list[BaseProcess] = [FORK.Process(target=work, daemon=True) for _ in range(2)]
    for process in crew:
        process.start()
    finish(crew)
    check_that_all_was_tried_once(search, run_study(search, toy, storage=URL))


def test_a_surrogate_tries_every_combination_and_ends(in_tmp: Path) -> None:
    search = search_of(SPACES["4 widths"], kind="surrogate", options={"n_startup_trials": 4})
    check_that_all_was_tried_once(search, run_study(search, toy, storage=URL))


def test_a_study_that_is_used_up_goes_on_with_what_is_added(in_tmp: Path) -> None:
    few = search_of("vary: {channels.start: {int: [4, 8], step: 4}}\n", kind="tpe")
    assert run_study(few, toy, storage=URL).complete == 2
    assert run_study(few, toy, storage=URL).ran == 0
    more = search_of("vary: {channels.start: {int: [4, 16], step: 4}}\n", kind="tpe")
    check_that_all_was_tried_once(more, run_study(more, toy, storage=URL, extends=True))
    assert run_study(asking(more, trials=2), toy, storage=URL).is_used_up is False


def test_the_result_of_another_study_is_a_trial_of_its_own(in_tmp: Path) -> None:
    search = search_of(SPACES["4 widths"], kind="tpe")
    first = run_study(search, toy, storage=URL)
    second = run_study(search.asking(name="second"), toy, storage=URL)
    assert second.complete == first.complete == 4


def test_where_training_is_timed_each_repetition_is_a_trial(in_tmp: Path) -> None:
    search = search_of(
        "vary: {fusion.output.kind: {choice: [sum, weighted]}}\n"
        "objectives: {usdr_db: maximize, seconds: minimize}\n"
    )

    def timed(candidate: Candidate, log: TrialRecorder) -> None:
        toy(candidate, log)
        log.record({"seconds": 1.0})

    assert run_study(asking(search, trials=5), timed, storage=URL).complete == 5


def test_large_and_continuous_spaces_are_not_listed(search: Search) -> None:
    space = search.space
    assert space.can_be_listed
    for way in ({"float": (0.0, 1.0)}, {"int": (1, MOST_LISTED)}):
        vary = {**space.vary, "attention.0.ffn": Variation.model_validate(way)}
        assert not space.model_copy(update={"vary": vary}).can_be_listed


def test_every_listed_value_of_a_stepped_range_can_be_enqueued() -> None:
    variation = Variation.model_validate({"float": (0.1, 0.3), "step": 0.1})
    study = optuna.create_study()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in variation.values or ():
            study.enqueue_trial({"a": value})
            assert variation.suggest(study.ask(), "a") == value


def test_every_combination_is_tried_beside_a_baseline_that_lacks_a_field(in_tmp: Path) -> None:
    text = (
        "vary:\n  spectral.resolutions: {choice: {one: [4096], two: [2048, 4096]}}\n"
        "  channels.start: {choice: [4, 8]}\nbaselines: [htdemucs_nn]\n"
    )
    search = search_of(text, kind="brute_force")
    finished = run_study(search, toy, storage=URL)
    assert finished.is_used_up
    trials = stored()
    assert {as_key(trial.params) for trial in trials} >= {
        as_key(params) for params in combinations(search.space.vary)
    }
    assert all(trial.state == TrialState.COMPLETE for trial in trials)
