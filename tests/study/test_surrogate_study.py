"""Studies whose sampler is a surrogate: what is begun, who stops and who goes on."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from msdemucs.errors import SpecError
from msdemucs.study.execution.loop import run_study
from msdemucs.study.samplers.rungs import RESUMES
from msdemucs.study.samplers.surrogate.sampler import Candidates
from msdemucs.study.search_space.fields import field_of
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import TrialRecorder

SPACE = """\
name: toy
base: htdemucs
set: {segment: 0.5, attention: []}
vary:
  channels.start: {int: [4, 48], step: 4}
  kernel_size.0: {choice: [4, 8]}
sampler: {kind: surrogate, control: 0, options: {n_startup_trials: 3, n_candidates: 24}}
objectives: [usdr_db, macs_per_second]
trials: 8
fidelity: {rungs: [10, 20]}
"""

Asked = Callable[..., Search]


@pytest.fixture
def asked(in_tmp: Path) -> Asked:
    """The search space with one text replaced."""

    def ask(old: str = "trials: 8", new: str = "trials: 8") -> Search:
        assert old in SPACE
        (in_tmp / "toy.yaml").write_text(SPACE.replace(old, new))
        return load_search_space(in_tmp / "toy.yaml")

    return ask


def climb(candidate: Candidate, log: TrialRecorder) -> None:
    """Wide kernels are 3 dB better from the first rung on, and width is worth 1 dB a doubling."""
    level = math.log2(float(str(field_of(candidate.spec, "channels.start"))))
    level += 3 * (field_of(candidate.spec, "kernel_size.0") == 8)
    candidate.folder.mkdir(parents=True, exist_ok=True)
    done = candidate.folder / "done"
    before = int(done.read_text()) if done.exists() else 0
    for step in (10, 20):
        is_past = step < before
        done.write_text(str(max(step, before)))
        log.rung(step, {"usdr_db": {candidate.seed: level + step / 10}}, is_past=is_past)
    log.record({"usdr_db": level + 3})


def ran(search: Search) -> list[FrozenTrial]:
    run_study(search, climb)
    return optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db").trials


def folder_of(trial: FrozenTrial) -> str:
    return str(trial.user_attrs.get("folder", trial.number))


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[FrozenTrial]:
    """Of a study that was run twice."""
    folder = tmp_path_factory.mktemp("ran")
    (folder / "toy.yaml").write_text(SPACE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        search = load_search_space(Path("toy.yaml"))
        count = len(ran(search))
        again = ran(search)
    assert len(again) == count, "a finished study is finished"
    return again


def test_the_budget_goes_to_what_enlarges_the_front(trials: list[FrozenTrial]) -> None:
    began = {folder_of(trial) for trial in trials}
    assert len(began) == 8, "each counts once"
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert {trial.params["kernel_size.0"] for trial in complete} == {8}
    assert max(trial.values[0] for trial in complete) > 10
    stopped = [trial for trial in trials if trial.state == TrialState.PRUNED]
    assert stopped, "a poor kernel goes no further"
    assert all(trial.user_attrs["stopped_at"] in (10, 20) for trial in stopped)
    reasons = [trial.user_attrs["failure"] for trial in stopped]
    assert "it waits until 3 specs have a score" in reasons[0]
    assert "it promises" in reasons[-1]


def test_a_stopped_trial_is_taken_up_from_where_it_was(trials: list[FrozenTrial]) -> None:
    takers = [trial for trial in trials if RESUMES in trial.user_attrs]
    assert takers
    for taker in takers:
        before = trials[taker.user_attrs[RESUMES]]
        assert before.state == TrialState.PRUNED
        assert folder_of(taker) == folder_of(before)
        assert taker.params == before.params
    assert len({trial.user_attrs[RESUMES] for trial in takers}) == len(takers), "once each"


def test_what_adds_little_is_left_stopped(trials: list[FrozenTrial], asked: Asked) -> None:
    greedy = len([t for t in trials if t.state == TrialState.COMPLETE])
    options = "n_startup_trials: 3, n_candidates: 24"
    modest = ran(asked(options, f"{options}, least_gain: 0.5"))
    assert len([t for t in modest if t.state == TrialState.COMPLETE]) < greedy


def test_baselines_and_the_control_arm_are_never_stopped(asked: Asked) -> None:
    baselines = "baselines: {htdemucs: {channels.start: 48, kernel_size: 4}}\ntrials: 6"
    search = asked("trials: 8", baselines)
    sampler = search.space.sampler.model_copy(update={"control": 0.5})
    search = search.as_asked(search.space.model_copy(update={"sampler": sampler}))
    trials = ran(search)
    kept = [
        trial
        for trial in trials
        if "baseline" in trial.user_attrs or trial.user_attrs.get("is_control")
    ]
    assert len(kept) > 1
    assert {trial.state for trial in kept} == {TrialState.COMPLETE}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("fidelity: {rungs: [10, 20]}", ""),
        ("objectives: [usdr_db, macs_per_second]", "objectives: [usdr_db]"),
        ("macs_per_second]", "macs_per_second, parameters]"),
        (
            "kernel_size.0: {choice: [4, 8]}",
            "kernel_size.0: {choice: [4, 8]}\n  recipe.lr: {float: [1.0e-4, 1.0e-2], log: true}",
        ),
    ],
)
def test_other_studies_are_modelled_as_well(asked: Asked, old: str, new: str) -> None:
    trials = ran(asked(old, new))
    assert len({folder_of(trial) for trial in trials}) == 8
    assert any(trial.state == TrialState.COMPLETE for trial in trials)


def test_candidates_are_new_valid_and_within_the_constraints(asked: Asked) -> None:
    search = asked("trials: 8", "trials: 8\nconstraints: {macs_per_second: 1.0e+9}")
    pool = Candidates(search, n_candidates=24, seed=0)
    found = pool.untried([])
    assert len(found) == len({str(params) for _, params in found})
    for point, _ in found:
        assert point.costs[0] <= 1e9
    whole = Candidates(asked(), n_candidates=24, seed=0).untried([])
    assert len(whole) == 24, "a small space is taken as a whole"
    tried = optuna.trial.create_trial(
        params=dict(found[0][1]),
        distributions={field: one.distribution for field, one in search.space.vary.items()},
        values=[1.0, 1.0],
    )
    assert found[0][1] not in [params for _, params in pool.untried([tried])]


def test_a_large_space_gives_neighbours_of_what_was_trained(asked: Asked) -> None:
    search = asked("int: [4, 48], step: 4", "int: [4, 4000], step: 4")
    pool = Candidates(search, n_candidates=8, seed=0)
    tried = optuna.trial.create_trial(
        params={"channels.start": 44, "kernel_size.0": 4},
        distributions={field: one.distribution for field, one in search.space.vary.items()},
        values=[1.0, 1.0],
    )
    found = [params for _, params in pool.untried([tried])]
    assert found == [params for _, params in pool.untried([tried])], "the same in any process"
    near = [p for p in found if p["channels.start"] == 44 or p["kernel_size.0"] == 4]
    assert near
    assert len(found) <= 8


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("rungs: [10, 20]", "rungs: [10, 20], eta: 3", "fidelity.eta", "has no meaning"),
        ("macs_per_second]", "latency_ms_p50]", "objectives.latency_ms_p50", "known before"),
        ("[usdr_db, macs_per_second]", "[macs_per_second]", "objectives", "needs a quality"),
        ("n_candidates: 24", "n_candidates: 0", "sampler.options", "from 1 on"),
        ("n_candidates: 24", "least_gain: 2", "sampler.options", "from 0 to 1"),
        ("n_candidates: 24", "population: 2", "sampler.options.population", "no such option"),
    ],
)
def test_a_fault_is_told_at_its_line(
    asked: Asked, old: str, new: str, field: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        asked(old, new)
    problem = caught.value.first
    assert problem.field == field
    assert problem.line
    assert message in problem.message


def test_what_is_promised_is_a_share_also_before_much_is_dominated(
    trials: list[FrozenTrial],
) -> None:
    reasons = [str(trial.user_attrs.get("failure", "")) for trial in trials]
    shares = [float(share) for text in reasons for share in re.findall(r"([+-]?[\d.]+)%", text)]
    assert shares
    assert all(0 <= share <= 100 for share in shares)
