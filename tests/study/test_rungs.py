"""Trials judged at rungs inside a study: who stops, what is recorded, who goes on later."""

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from msdemucs.errors import SpecError
from msdemucs.study.execution.loop import run_study
from msdemucs.study.records import StudyRecord
from msdemucs.study.samplers.rungs import RESUMES, HalvingJudge, identity, rule_of
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.sampling import Fidelity
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study
from msdemucs.study.storage.results import RUNG
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import TrialRecorder

Asked = Callable[..., Search]
Levels = Callable[[Candidate], float]


def climbing(level: Levels) -> Callable[[Candidate, TrialRecorder], None]:
    """Trials that come to each rung with a level of their own, and never lose ground."""

    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        candidate.folder.mkdir(parents=True, exist_ok=True)
        done = candidate.folder / "done"
        before = int(done.read_text()) if done.exists() else 0
        for step in (10, 20):
            is_past = step < before
            done.write_text(str(max(step, before)))
            score = level(candidate) + step / 10
            log.rung(step, {"usdr_db": {candidate.seed: score}}, is_past=is_past)
        log.note("began_at", before)
        log.record({"usdr_db": level(candidate) + 3})

    return evaluate


def ran(search: Search, level: Levels) -> StudyRecord:
    run_study(search, climbing(level))
    return load_study(search.space.name)


SPACE = """\
name: toy
base: htdemucs
set: {segment: 0.5, attention: []}
vary:
  channels.start: {int: [4, 400], step: 4}
sampler: {kind: random}
objectives: {usdr_db: maximize}
trials: 8
fidelity: {rungs: [10, 20], survivors: 1}
"""


@pytest.fixture
def asked(in_tmp: Path) -> Asked:
    """The search space with its number of trials and perhaps its last line replaced."""

    def ask(trials: int = 8, last: str = "") -> Search:
        path = in_tmp / "toy.yaml"
        text = SPACE.replace("trials: 8", f"trials: {trials}")
        path.write_text("".join([*text.splitlines(keepends=True)[:-1], last]) if last else text)
        return load_search_space(path)

    return ask


def test_those_behind_are_stopped_and_count(asked: Asked) -> None:
    # each newcomer is worse; there is no cost by which it could be on a front
    trials = ran(asked(), lambda one: -float(one.folder.name)).trials
    assert set(trials.state) == {"complete", "stopped"}
    assert trials.state[0] == "complete"
    stopped = trials[trials.state == "stopped"]
    assert set(stopped.stopped_at) == {10, 20}
    assert stopped.failure.str.contains("of which").all()
    assert trials.usdr_db.notna().sum() == (trials.state == "complete").sum()
    own = trials[trials.duplicate_of.isna()]
    assert len({Path(log).parent for log in own.log}) == 8, "each counts once"


def test_rungs_are_recorded_for_reports_and_dashboards(asked: Asked) -> None:
    search = asked(2)
    rungs = ran(search, lambda one: -float(one.trial)).rungs
    first = rungs[rungs.trial == 0]
    assert list(first.step) == [10, 20]
    assert list(first["value"]) == [1, 2]
    stored = optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db").trials[0]
    assert stored.user_attrs[f"{RUNG}20"] == {"usdr_db": 2}


def test_each_better_newcomer_goes_on(asked: Asked) -> None:
    search = asked()
    trials = ran(search, lambda one: float(one.trial)).trials
    assert set(trials.state) == {"complete"}


def test_a_stopped_trial_goes_on_in_its_folder_when_worse_ones_have_come(asked: Asked) -> None:
    search = asked(7)
    levels = {0: 5.0, 1: 4.0, 2: 3.0, 3: 2.0}

    def level(one: Candidate) -> float:
        return levels.get(int(one.folder.name), -float(one.folder.name))

    run_study(search, climbing(level))
    study = optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db")
    second = study.trials[1]
    assert second.user_attrs["stopped_at"] == 10
    takers = [trial for trial in study.trials if trial.user_attrs.get(RESUMES) == 1]
    assert len(takers) == 1
    assert takers[0].user_attrs["folder"] == second.user_attrs["folder"] == "1"
    assert takers[0].params == second.params
    assert identity(takers[0].user_attrs) == identity(second.user_attrs)
    own = [trial for trial in study.trials if "duplicate_of" not in trial.user_attrs]
    folders = {trial.user_attrs["folder"] for trial in own}
    assert len(folders) == 7, "each counts once"
    waiting = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.WAITING]
    assert not waiting


def test_none_is_taken_up_twice(asked: Asked) -> None:
    search = asked()
    run_study(search, climbing(lambda one: -float(one.folder.name)))
    study = optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db")
    assert HalvingJudge(Fidelity(rungs=(10, 20), survivors=8)).take_up(study) != []
    assert HalvingJudge(Fidelity(rungs=(10, 20), survivors=8)).take_up(study) == []


def test_baselines_are_never_stopped(asked: Asked) -> None:
    baselines = "baselines: {htdemucs: {channels.start: 8}, hdemucs_low: {}}\n"
    search = asked(4, baselines + SPACE.splitlines()[-1])
    trials = ran(search, lambda one: -float(one.trial)).trials
    assert list(trials.state[:2]) == ["complete", "complete"]
    assert list(trials.baseline[:2]) == ["htdemucs", "hdemucs_low"]


def test_the_control_arm_is_never_stopped(asked: Asked) -> None:
    search = asked(4)
    evaluate = climbing(lambda one: -float(one.trial))

    def in_control(candidate: Candidate, log: TrialRecorder) -> None:
        log.note("is_control", True)
        evaluate(candidate, log)

    run_study(search, in_control)
    assert set(load_study("toy").trials.state) == {"complete"}


def test_what_was_stopped_is_not_trained_again(asked: Asked) -> None:
    search = asked(6)
    trained: list[int] = []

    def level(one: Candidate) -> float:
        trained.append(one.trial)
        return -float(one.folder.name)

    run_study(search, climbing(level))
    stored = optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db")
    twin = [t for t in stored.trials if "stopped_at" in t.user_attrs][-1]
    stored.enqueue_trial(twin.params)
    number = len(stored.trials) - 1
    search = asked(7)
    run_study(search, climbing(level))
    last = load_study("toy").trials.set_index("trial").loc[number]
    assert (last.state, last.duplicate_of) == ("stopped", f"toy/{twin.number}")
    assert last.stopped_at == twin.user_attrs["stopped_at"]
    assert number not in trained


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("fidelity: {rungs: [20, 10]}", "fidelity", "must rise"),
        ("fidelity: {rungs: []}", "fidelity.rungs", "at least 1"),
        ("fidelity: {rungs: [10], eta: 1}", "fidelity.eta", "greater than 1"),
        ("fidelity: {rungs: [10], delta_db: -1}", "fidelity.delta_db", "greater than or equal"),
        ("fidelity: {rungs: [10], thinning: net}", "fidelity.thinning", "epsilon_net"),
        ("fidelity: {rung: [10]}", "fidelity.rungs", "required"),
    ],
)
def test_a_fault_in_fidelity_is_told_at_its_line(
    asked: Asked, text: str, field: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        asked(8, text)
    problem = caught.value.first
    assert problem.field == field
    assert problem.line == 9
    assert message in problem.message


def test_the_tolerance_is_what_is_asked_else_the_measured_noise_of_a_difference() -> None:
    study = optuna.create_study()
    asked, measured = Fidelity(rungs=(10,), delta_db=0.25), Fidelity(rungs=(10,))
    assert rule_of(study, asked).delta_db == 0.25
    assert rule_of(study, measured).delta_db == 0
    study.set_user_attr("noise", {"sigma_db": 0.5})
    assert rule_of(study, asked).delta_db == 0.25
    assert rule_of(study, measured).delta_db == pytest.approx(0.5 * 2**0.5)
