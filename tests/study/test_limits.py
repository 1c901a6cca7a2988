"""Cost before training: constraints, one cost for all, recipes of trials, each training once."""

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

from msdemucs.analysis.noise import once
from msdemucs.cli import study as commands
from msdemucs.cost import cost_of
from msdemucs.errors import DataError, DivergedError, SpecError, TrainingError
from msdemucs.spec import parse_spec, spec_hash
from msdemucs.study.execution.loop import run_study
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.sampling import Sampler
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import TrialRecorder
from msdemucs.study.trial.result_cache import find, result_key
from tests.study.conftest import SPACE, asking, toy
from tests.study.test_arms import ABLATION

Rewrite = Callable[[str, str], Search]
URL = "sqlite:///studies/all.db"


class Counting:
    """The toy evaluation, which remembers what it was asked to train."""

    def __init__(self, latency_ms: float = 3.0) -> None:
        self.trained: list[Candidate] = []
        self.latency_ms = latency_ms

    def __call__(self, candidate: Candidate, log: TrialRecorder) -> None:
        log.record({"latency_ms_p50": self.latency_ms * (1 + len(self.trained) % 2)})
        self.trained.append(candidate)
        toy(candidate, log)


def constraints_of(name: str) -> list[dict[str, float]]:
    """What the sampler was told of each trial."""
    study = optuna.load_study(study_name=name, storage=f"sqlite:///studies/{name}.db")
    return [trial.constraints for trial in study.get_trials()]


def test_what_costs_too_much_is_not_trained_nor_counted_but_told(rewritten: Rewrite) -> None:
    search = rewritten("trials: 5", "trials: 4\nconstraints: {parameters: 2.0e+5}")
    evaluate = Counting()
    finished = run_study(search, evaluate)
    trials = load_study("toy").trials
    refused = trials[trials.state == "infeasible"]
    too_large = refused[refused.violations.map(bool)]
    complete = trials[trials.state == "complete"]
    assert finished.complete == complete.spec_hash.nunique() == complete.duplicate_of.isna().sum()
    assert finished.is_used_up or finished.complete == 4
    assert len(too_large) > 0
    for _, trial in too_large.iterrows():
        assert trial.violations == {"parameters": trial.parameters - 2e5}
        assert trial.failure.startswith("parameters is ")
        assert "above 200 k" in trial.failure
        told = constraints_of("toy")[trial.trial]
        assert told == {"parameters": pytest.approx(trial.parameters / 2e5 - 1)}
    assert (complete.parameters[complete.baseline.isna()] <= 2e5).all()
    assert {c.trial for c in evaluate.trained} <= set(complete.trial)


def test_a_spec_that_is_not_valid_violates_a_constraint_of_its_own(search: Search) -> None:
    run_study(asking(search, trials=7), toy)
    trials, told = load_study("toy").trials, constraints_of("toy")
    for number, state in zip(trials.trial, trials.state, strict=True):
        assert (told[number] == {"spec": 1.0}) == (state == "infeasible")
    assert (trials.state == "infeasible").any()


def test_a_baseline_above_a_constraint_is_trained_but_is_not_of_the_front(
    rewritten: Rewrite,
) -> None:
    search = rewritten("trials: 5", "trials: 2\nconstraints: {parameters: 1}")
    finished = run_study(search, Counting())
    trials = load_study("toy").trials
    assert list(trials.state) == ["complete", "complete"]
    assert all(violations["parameters"] > 0 for violations in trials.violations)
    assert finished.front == ()


def test_a_latency_above_its_constraint_ends_a_trial_before_training(rewritten: Rewrite) -> None:
    text = "trials: 4\nconstraints: {latency_ms_p50: 4}\nsampler: {kind: random, seed: 2}"
    evaluate = Counting()
    run_study(rewritten("trials: 5", text), evaluate)
    trials = load_study("toy").trials
    slow = trials[(trials.latency_ms_p50 > 4) & trials.baseline.isna()]
    assert len(slow) == 0 or set(slow.state) == {"infeasible"}
    assert trials.state[1] == "complete"  # a baseline, though it took 6 ms
    assert trials.violations[1] == {"latency_ms_p50": 2.0}
    assert (trials.latency_ms_p50[trials.state == "complete"][2:] <= 4).all()


def test_a_refused_trial_has_no_curve(rewritten: Rewrite) -> None:
    def slow(candidate: Candidate, log: TrialRecorder) -> None:
        if candidate.trial == 2:
            log.record({"latency_ms_p50": 5.0})
            log.loss(1, 1.0)
        toy(candidate, log)

    text = "trials: 3\nconstraints: {latency_ms_p50: 4}\nsampler: {kind: random, seed: 3}"
    run_study(rewritten("trials: 5", text), slow)
    record = load_study("toy")
    assert record.trials.state[2] == "infeasible"
    assert record.trials.failure[2] == "latency_ms_p50 is 5, above 4"
    assert 2 not in set(record.curves.trial)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("constraints: {params: 5}", "parameters"),
        ("constraints: {macs: 0}", "greater than 0"),
        ("objectives: {usdr_db: minimize}", "maximize it"),
        ("objectives: {macs: maximize}", "minimize it"),
        ("objectives: [usdr_db, macs, rtf, parameters, seconds]", "one to four"),
        ("at_cost: {gmac_per_second: 8}", "gmacs_per_second"),
        ("at_cost: {gmacs_per_second: 0.001}", "1 channels take"),
        ("at_cost: {gmacs_per_second: 8}", "is solved"),  # channels.start varies
    ],
)
def test_limits_that_make_no_sense_are_told_at_their_line(
    rewritten: Rewrite, text: str, words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        rewritten("trials: 5", text)
    assert any(words in p.message + p.hint for p in caught.value.problems), str(caught.value)
    assert all(problem.line for problem in caught.value.problems)


def test_objectives_may_be_a_list_of_names(rewritten: Rewrite) -> None:
    search = rewritten("trials: 5", "objectives: [usdr_db, usdr_db/band, parameters, rtf]")
    assert dict(search.space.objectives) == {
        "usdr_db": "maximize",
        "usdr_db/band": "maximize",
        "parameters": "minimize",
        "rtf": "minimize",
    }


AT_COST = SPACE.replace("  channels.start:\n    int: [4, 16]\n    step: 4\n", "").replace(
    "trials: 5", "trials: 5\nat_cost: {gmacs_per_second: 1, unused: 0.3}"
)


def test_every_trial_and_baseline_has_the_cost_that_is_asked_for(space_file: Path) -> None:
    space_file.write_text(
        AT_COST.replace("[htdemucs, htdemucs_nn]", "{htdemucs: , htdemucs_nn: {channels.start: 4}}")
    )
    search = load_search_space(space_file)
    run_study(search, toy)
    trials = load_study("toy").trials.query("state == 'complete'")
    solved = trials[trials.name != "htdemucs_nn"]
    assert solved.macs_per_second.between(0.7e9, 1e9).all()
    widths = {spec["channels"]["start"] for spec in solved.spec}
    assert len(widths) > 1
    assert search.baselines["htdemucs_nn"].channels.start == 4  # type: ignore[union-attr]
    assert 0.7e9 <= cost_of(search.base).macs_per_second <= 1e9


def test_a_study_of_the_recipe_trains_each_trial_by_its_own(rewritten: Rewrite) -> None:
    text = (
        "  recipe.lr: {float: [1.0e-4, 1.0e-2], log: true}\n  recipe.batch_size: {choice: [2, 4]}\n"
    )
    search = rewritten("  channels.start:\n", text + "  channels.start:\n")
    evaluate = Counting()
    run_study(search, evaluate)
    trials = load_study("toy").trials
    by_trial = {candidate.trial: candidate.recipe for candidate in evaluate.trained}
    for _, trial in trials[trials.state == "complete"].iterrows():
        recipe = by_trial[trial.trial]
        assert recipe is not None
        assert trial.recipe == recipe.model_dump(mode="json")
        expected = (trial.params.get("recipe.lr", 1e-3), trial.params.get("recipe.batch_size", 2))
        assert (recipe.lr, recipe.batch_size) == expected
    assert len({recipe.lr for recipe in by_trial.values() if recipe}) == 4  # baselines share one


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  recipe.lrr: {float: [0.1, 1]}\n", "recipe.lr"),
        ("  recipe.lr: {float: [-1, 1]}\n", "greater than 0"),
        ("  recipe.final_lr: {choice: [5]}\n", "must not exceed lr"),
    ],
)
def test_a_recipe_that_is_not_valid_is_told_at_its_line(
    rewritten: Rewrite, text: str, words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        rewritten("  channels.start:\n", text + "  channels.start:\n")
    assert words in caught.value.first.message + caught.value.first.hint
    assert caught.value.first.line == 10


def test_a_recipe_may_be_invalid_in_some_combinations(rewritten: Rewrite) -> None:
    text = (
        "  recipe.batch_size: {choice: [2, 3]}\n  recipe.accumulate: {choice: [1, 2]}\n"
        "  channels.start:\n"
    )
    run_study(asking(rewritten("  channels.start:\n", text), trials=8), toy)
    trials = load_study("toy").trials
    refused = trials[(trials.state == "infeasible") & trials.failure.str.contains("accumulate")]
    assert len(refused) > 0
    assert all(p["recipe.batch_size"] == 3 and p["recipe.accumulate"] == 2 for p in refused.params)


NARROW = SPACE.replace("    int: [4, 16]\n    step: 4", "    choice: [4, 8]")


def test_a_training_is_done_once_over_all_studies_of_a_storage(space_file: Path) -> None:
    space_file.write_text(NARROW.replace("trials: 5", "trials: 9"))
    search, evaluate = load_search_space(space_file), Counting()
    run_study(search, evaluate, storage=URL)
    first = load_study("toy", storage=URL)
    done = first.trials.query("state == 'complete'")
    trained = {candidate.trial for candidate in evaluate.trained}
    assert trained == set(done.trial[done.duplicate_of.isna()])
    assert (
        len(trained) == done.spec_hash.nunique() < 9
    )  # the space has no more, and copies no count

    run_study(asking(search, name="second"), evaluate, storage=URL)
    second = load_study("second", storage=URL).trials.query("state == 'complete'")
    assert len(evaluate.trained) == len(set(done.spec_hash) | set(second.spec_hash))
    assert second.duplicate_of[0] == "toy/0"
    original, copy = done.set_index("trial").loc[0], second.set_index("trial").loc[0]
    for name in ("usdr_db", "usdr_db/band", "latency_ms_p50", "seed", "macs"):
        assert copy[name] == original[name]
    record = load_study("second", storage=URL)
    assert record.scores.query("trial == 0").equals(first.scores.query("trial == 0"))
    assert record.curves.query("trial == 0").equals(first.curves.query("trial == 0"))
    assert copy.steps == 0


def test_another_seed_recipe_or_data_is_another_training(search: Search) -> None:
    candidate = Candidate(0, "a", search.base, 0, Path())
    recipe = search.recipe({}).model_dump(mode="json")
    key = result_key(candidate, recipe=recipe, data="d", seeds=[0])
    renamed = Candidate(7, "b", parse_spec({**_dumped(search), "name": "b"}), 0, Path("x"))
    assert key == result_key(renamed, recipe={**recipe, "name": "c"}, data="d", seeds=(0,))
    others = [
        result_key(candidate, recipe={**recipe, "lr": 0.5}, data="d", seeds=[0]),
        result_key(candidate, recipe=recipe, data="e", seeds=[0]),
        result_key(candidate, recipe=recipe, data="d", seeds=[1]),
        result_key(candidate, recipe=recipe, data="d", seeds=[0, 1]),
        result_key(candidate, recipe=recipe, data="d", seeds=[0], qualities=["lsd_db"]),
    ]
    assert len({key, *others}) == 6


def test_a_result_is_taken_only_by_who_needs_no_other_quality(search: Search) -> None:
    """A group's uSDR is always recorded; a source's, or another metric, is not."""

    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        trained.append(candidate.name)
        toy(candidate, log)
        log.record({"si_sdr_db/bass": 1.0})

    trained: list[str] = []
    objectives = (
        {"usdr_db": "maximize"},
        {"usdr_db/band": "maximize"},
        {"si_sdr_db/bass": "maximize"},
    )
    counts = []
    for number, asked in enumerate(objectives):
        study = asking(search, name=f"study{number}", trials=2, objectives=asked)
        run_study(study, evaluate, storage=URL)
        counts.append(len(trained))
    assert counts == [2, 2, 4]


def _dumped(search: Search) -> dict[str, object]:
    data: dict[str, object] = json.loads(search.base.model_dump_json())
    return data


def test_a_failed_training_is_no_result(search: Search) -> None:
    def fails(candidate: Candidate, log: TrialRecorder) -> None:
        raise ValueError(candidate.name)

    with pytest.raises(Exception, match="failed alike"):
        run_study(asking(search, name="first"), fails, storage=URL)
    evaluate = Counting()
    run_study(asking(search, trials=2), evaluate, storage=URL)
    assert [candidate.name for candidate in evaluate.trained] == ["htdemucs", "htdemucs_nn"]


@pytest.mark.parametrize(
    "sampler",
    [
        Sampler(kind="tpe", seed=3),
        Sampler(kind="nsga2", seed=3),
        Sampler(kind="random", seed=3),
        Sampler(kind="surrogate", seed=3),
    ],
    ids=lambda sampler: sampler.kind,
)
def test_what_diverged_is_not_trained_again_and_the_sampler_is_told(
    sampler: Sampler, search: Search
) -> None:
    """Two resolutions diverge; each of these specs is trained once, whoever proposes it."""
    space = search.space.model_copy(update={"sampler": sampler})
    trained: list[str] = []

    def diverges(candidate: Candidate, log: TrialRecorder) -> None:
        trained.append(spec_hash(candidate.spec))
        spectral = candidate.spec.spectral
        if spectral and len(spectral.resolutions) == 2:
            raise DivergedError("the loss is NaN", step=2)
        toy(candidate, log)

    finished = run_study(replace(search, space=space), diverges)
    trials = load_study("toy").trials
    failed = trials[trials.state == "failed"]
    assert finished.complete == 5
    assert len(trained) == len({*trained})
    assert len(failed) > 0
    for trial in failed.trial:
        assert constraints_of("toy")[trial]["training"] == 1
    copies = failed.dropna(subset="duplicate_of")
    assert all("diverged as trial toy/" in failure for failure in copies.failure)


def test_a_copy_is_said_in_log_table_and_remarks_and_is_no_evidence(space_file: Path) -> None:
    space_file.write_text(
        "name: toy\nbase: htdemucs_n\n"
        "set: {segment: 0.5, channels.start: 4, attention.0.heads: 4}\n"
        "vary: {spectral.resolutions: {choice: {one: [4096], same: [4096]}}}\ntrials: 4\n"
    )
    evaluate = Counting()
    run_study(load_search_space(space_file), evaluate)
    trials = load_study("toy").trials
    assert len(evaluate.trained) == 1
    copy = trials[trials.duplicate_of.notna()].iloc[0]
    line = f"trial {copy.trial} takes the result of toy/0, which trained the same"
    assert line in Path(copy.log).read_text()
    shown = CliRunner().invoke(commands.app, ["show", "toy"]).stdout
    assert "complete, as toy/0" in shown
    assert f"trial {copy.trial} has the result of toy/0: it trained the same" in shown
    assert len(once(trials)) == 1


def test_a_failure_of_the_machine_is_tried_again(search: Search) -> None:
    failures: list[Exception] = [
        MemoryError("too large"),
        TrainingError("out of memory (…); 4 × 8 s need about 2 GiB", step=1),
        DataError("cannot be read: Connection reset by peer"),
        OSError(errno.EIO, "Input/output error"),
    ]

    def fails(candidate: Candidate, log: TrialRecorder) -> None:
        if failures:
            raise failures.pop()
        toy(candidate, log)

    run_study(asking(search, trials=2, name="first"), fails, storage=URL)
    evaluate = Counting()
    run_study(asking(search, trials=2), evaluate, storage=URL)
    assert [candidate.name for candidate in evaluate.trained] == ["htdemucs", "htdemucs_nn"]


def test_an_arm_that_diverged_is_not_enqueued_again(in_tmp: Path) -> None:
    (in_tmp / "parts.yaml").write_text(ABLATION)
    search, trained = load_search_space(in_tmp / "parts.yaml"), []

    def diverges(candidate: Candidate, log: TrialRecorder) -> None:
        trained.append(candidate.name)
        if candidate.seed == 0 and len(trained) == 2:
            raise DivergedError("the loss is NaN", step=2)
        toy(candidate, log)

    for _ in range(3):
        run_study(search, diverges)
    assert len(trained) == len(search.arms) * 2


def test_a_result_is_found_in_storages_of_every_kind() -> None:
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=storage, study_name="memory")
    trial = study.ask()
    trial.set_user_attr("result_key", "abc")
    assert list(find(storage, "abc")) == []
    study.tell(trial, 1.0)
    assert [(name, found.number) for name, found in find(storage, "abc")] == [("memory", 0)]


def test_a_study_of_baselines_alone_ends_when_they_are_trained(space_file: Path) -> None:
    text = SPACE[: SPACE.index("vary:")] + SPACE[SPACE.index("baselines:") :]
    space_file.write_text(text)
    finished = run_study(load_search_space(space_file), toy)
    assert finished.complete == 2
    assert list(load_study("toy").trials.name) == ["htdemucs", "htdemucs_nn"]


def test_a_control_arm_is_marked(space_file: Path) -> None:
    space_file.write_text(SPACE.replace("trials: 5", "trials: 5\nsampler: {control: 1}"))
    run_study(load_search_space(space_file), toy)
    trials = load_study("toy").trials
    assert list(trials.is_control) == [False, False] + [True] * (len(trials) - 2)
