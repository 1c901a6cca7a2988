"""The loop: order, resuming, failures, refusals."""

import math
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from msdemucs.errors import DivergedError, StudyError
from msdemucs.spec import parse_spec, spec_hash
from msdemucs.study.execution import scheduler
from msdemucs.study.execution.loop import run_study
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage import leases
from msdemucs.study.storage.leases import KILLED, fail
from msdemucs.study.storage.load import load_study, open_storage
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Silent, TrialRecorder
from tests.study.conftest import asking, toy

Rewrite = Callable[[str, str], Search]


class Ears(Silent):
    """A listener that remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def said(self, message: str) -> None:
        self.lines.append(message)


def stored(name: str = "toy") -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=name, storage=f"sqlite:///studies/{name}.db").trials


def test_baselines_are_trained_first_with_their_own_spec(search: Search) -> None:
    run_study(search, toy)
    trials = load_study("toy").trials
    assert list(trials.name[:2]) == ["htdemucs", "htdemucs_nn"]
    assert list(trials.baseline[:2]) == ["htdemucs", "htdemucs_nn"]
    assert trials.spec[0]["attention"][0]["mechanism"] == "softmax"  # not a varied field
    assert trials.spec[1]["fusion"]["output"]["kind"] == "per_source"
    assert trials.params[0] == {
        "spectral.resolutions": "one",
        "fusion.output.kind": "sum",
        "channels.start": 4,
    }
    assert trials.params[1] == {"channels.start": 4}  # three resolutions, per_source: not drawable


def test_a_study_stops_at_the_trials_it_wants_and_says_so_when_run_again(search: Search) -> None:
    first = run_study(search, toy)
    again = run_study(search, toy)
    assert (first.complete, again.complete) == (5, 5)
    assert first.ran >= 5
    assert again.ran == 0
    assert again.front == first.front


def test_the_front_is_what_no_trial_dominates(search: Search) -> None:
    finished = run_study(search, toy)
    done = load_study("toy").trials.query("state == 'complete'").set_index("trial")
    for number in done.index:
        better = (done.usdr_db >= done.usdr_db[number]) & (
            done.macs_per_second <= done.macs_per_second[number]
        )
        strictly = (done.usdr_db > done.usdr_db[number]) | (
            done.macs_per_second < done.macs_per_second[number]
        )
        assert (number in finished.front) == (not (better & strictly).any())


def test_combinations_that_make_no_spec_are_infeasible_and_do_not_count(search: Search) -> None:
    finished = run_study(asking(search, trials=20), toy)
    trials = load_study("toy").trials
    refused = trials[trials.state == "infeasible"]
    assert finished.complete == trials[trials.state == "complete"].spec_hash.nunique() < 20
    assert len(refused) > 0
    for _, trial in refused.iterrows():
        assert trial.params["spectral.resolutions"] == "one"
        assert trial.params["fusion.output.kind"] == "weighted"
        assert "weighs several resolutions" in trial.failure
    assert refused.macs.isna().all()


def test_every_trial_is_trained_with_the_studys_seed(rewritten: Rewrite) -> None:
    run_study(rewritten("trials: 5", "trials: 3\nseed: 100\nsampler: {kind: random}"), toy)
    trials = load_study("toy").trials.query("state == 'complete'")
    assert list(trials.seed) == [100, 100, 100]


def test_the_stored_spec_builds_the_hash_again(search: Search) -> None:
    run_study(search, toy)
    for _, trial in load_study("toy").trials.query("state == 'complete'").iterrows():
        assert spec_hash(parse_spec(trial.spec)) == trial.spec_hash


def interrupt_at(number: int) -> Callable[[Candidate, TrialRecorder], None]:
    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        log.loss(1, 1.0)
        if candidate.trial == number:
            raise KeyboardInterrupt
        toy(candidate, log)

    return evaluate


def test_ctrl_c_leaves_a_study_that_the_same_call_continues(search: Search) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_study(search, interrupt_at(1))
    left = load_study("toy").trials
    assert list(left.state) == ["complete", "continued", "waiting"]
    assert left.failure[1] == "interrupted; goes on as trial 2"
    assert len(load_study("toy").curves.query("trial == 1")) == 1

    finished = run_study(search, toy)
    trials = load_study("toy").trials
    assert finished.complete == 5
    assert not (trials.state == "failed").any()  # nothing did
    assert trials.name[2] == "htdemucs_nn"
    assert trials.spec_hash[2] == trials.spec_hash[1]
    assert trials.seed[2] == trials.seed[1] == 0


def test_ctrl_c_is_heeded_where_another_process_has_ended_the_trial(search: Search) -> None:
    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        with closing(open_storage("sqlite:///studies/toy.db")) as opened:
            study = optuna.load_study(study_name="toy", storage=opened)
            assert fail(study, log.trial._trial_id, KILLED)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(search, evaluate)
    assert [trial.state for trial in stored()].count(TrialState.FAIL) == 1


def test_an_interrupted_sample_is_repeated_with_the_same_parameters(search: Search) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_study(search, interrupt_at(2))
    run_study(search, toy)
    trials = load_study("toy").trials
    assert trials.params[3] == trials.params[2]
    assert trials.state[3] == "complete"


def test_a_continued_study_does_not_repeat_its_first_draws(rewritten: Rewrite) -> None:
    search = rewritten(
        "channels.start:\n    int: [4, 16]\n    step: 4\nbaselines: [htdemucs, htdemucs_nn]",
        "spectral.frequency_embedding.weight:\n    float: [0, 1]",
    )
    run_study(asking(search, trials=2), toy)
    run_study(asking(search, trials=4), toy)
    trials = load_study("toy").trials
    weights = [params["spectral.frequency_embedding.weight"] for params in trials.params]
    assert len(set(weights)) == len(weights) >= 4


def test_sigterm_is_an_interruption(space_file: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.execution.loop import run_study
def evaluate(candidate, log):
    os.kill(os.getpid(), signal.SIGTERM)
    raise SystemExit("was not interrupted")
try:
    run_study(load_search_space(Path("toy.yaml")), evaluate)
except KeyboardInterrupt:
    sys.exit(130)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=space_file.parent, check=False)
    assert done.returncode == 130
    assert load_study("toy").trials.failure[0] == "interrupted; goes on as trial 2"


def test_an_interruption_before_a_trial_has_begun_gives_it_back(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = scheduler.Scheduler.next

    def and_then_sigterm(self: scheduler.Scheduler) -> optuna.Trial | None:
        trial = claimed(self)
        signal.raise_signal(signal.SIGTERM)
        return trial

    with monkeypatch.context() as patched:
        patched.setattr(scheduler.Scheduler, "next", and_then_sigterm)
        with pytest.raises(KeyboardInterrupt):
            run_study(search, toy)
    left = load_study("toy").trials
    assert list(left.state) == ["continued", "waiting", "waiting"]
    assert left.failure[0] == "interrupted; goes on as trial 2"
    assert run_study(search, toy).complete == 5
    assert load_study("toy").trials.name[2] == left.name[0]


def test_kill_9_loses_nothing(search: Search) -> None:
    script = """
import os, signal
from pathlib import Path
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.execution.loop import run_study
from tests.study.conftest import asking, toy
def evaluate(candidate, log):
    if candidate.trial == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    toy(candidate, log)
run_study(load_search_space(Path("toy.yaml")), evaluate)
"""
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": root, "PATH": ""}, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert [trial.state for trial in stored()] == [TrialState.COMPLETE, TrialState.RUNNING]

    ears = Ears()
    finished = run_study(search, toy, listener=ears)
    trials = load_study("toy").trials
    assert finished.complete == 5
    assert trials.failure[1] == "killed; goes on as trial 2"
    assert trials.name[2] == "htdemucs_nn"
    assert trials.seed[2] == trials.seed[1]
    assert ears.lines[0] == "trial 1 was killed; its configuration is enqueued again"
    assert all("takes the result" in line for line in ears.lines[1:])


def test_a_trial_of_another_host_is_waited_for_until_its_lease_stays_unchanged(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_study(asking(search, trials=1), toy)
    study = optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db")
    other = study.ask()
    other.set_user_attr("lease", datetime.now(UTC).isoformat())
    other.set_user_attr("owner", {"host": "elsewhere", "pid": 1, "since": 0.0})
    monkeypatch.setattr(
        scheduler.Scheduler, "wait", lambda _: monkeypatch.setattr(leases, "GIVEN_UP_AFTER_S", 0.0)
    )
    ears = Ears()
    assert run_study(search, toy, listener=ears).complete == 5
    assert [line for line in ears.lines if "takes the result" not in line] == [
        f"4 of 5 done; waiting for trial {other.number}, process 1 on elsewhere",
        f"trial {other.number} was killed; its configuration is enqueued again",
    ]
    done = [trial for trial in stored() if trial.state == TrialState.COMPLETE]
    assert len({trial.user_attrs["spec_hash"] for trial in done}) == 5


def test_a_configuration_that_is_killed_three_times_is_not_tried_again(search: Search) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_study(search, interrupt_at(0))
    for _ in range(3):
        study = optuna.load_study(study_name="toy", storage="sqlite:///studies/toy.db")
        waiting = [t for t in study.trials if t.user_attrs.get("baseline") == "htdemucs_nn"]
        assert waiting[-1].state == TrialState.WAITING
        while (trial := study.ask()).number != waiting[-1].number:
            study.tell(trial, state=TrialState.FAIL)
        trial.set_user_attr("owner", {**stored()[0].user_attrs["owner"], "since": 0.0})
        run_study(asking(search, trials=1), toy)
    states = [t.state for t in stored() if t.user_attrs.get("baseline") == "htdemucs_nn"]
    assert TrialState.WAITING not in states


def test_a_nan_loss_is_recorded_with_its_reason_and_the_study_goes_on(search: Search) -> None:
    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        if candidate.trial == 1:
            raise DivergedError("the loss is not a number", step=7)
        toy(candidate, log)

    finished = run_study(search, evaluate)
    trials = load_study("toy").trials
    assert finished.complete == 5
    assert trials.state[1] == "failed"
    assert trials.failure[1] == "DivergedError: step 7: the loss is not a number"
    assert trials.macs[1] > 0  # known before training
    assert math.isnan(trials.usdr_db[1])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "usdr_db was not measured; recorded: "),
        (-math.inf, "usdr_db is -inf, which no search can compare"),
    ],
)
def test_an_objective_that_is_no_number_fails_its_trial(
    search: Search, value: float, message: str
) -> None:
    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        toy(candidate, log)
        if candidate.trial == 0:
            log.record({"usdr_db": value})

    run_study(search, evaluate)
    trials = load_study("toy").trials
    assert trials.state[0] == "failed"
    assert trials.failure[0].startswith(f"StudyError: {message}")
    assert trials.state[1] == "complete"


def test_a_bug_is_recorded_with_its_traceback_and_the_study_goes_on(search: Search) -> None:
    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        if candidate.trial in (0, 1, 3):
            raise ZeroDivisionError("a bug")
        toy(candidate, log)

    finished = run_study(search, evaluate)
    assert finished.complete == 5
    assert load_study("toy").trials.failure[0] == "ZeroDivisionError: a bug"
    assert "ZeroDivisionError: a bug" in Path("studies/toy/trials/0/traceback.txt").read_text()


def test_the_same_bug_three_times_in_a_row_stops_the_study(search: Search) -> None:
    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        raise ZeroDivisionError("a bug")

    with pytest.raises(StudyError, match=r"3 trials in a row failed alike, the last with .*a bug"):
        run_study(search, evaluate)
    assert len(load_study("toy").trials.query("state == 'failed'")) == 3


def test_a_study_in_which_no_trial_succeeds_ends(search: Search) -> None:
    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        raise DivergedError("the loss is not a number", step=1)

    with pytest.raises(StudyError, match="10 trials in a row failed"):
        run_study(search, evaluate)


def test_running_out_of_memory_is_no_bug(search: Search) -> None:
    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        if candidate.trial < 4:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 1 TB")
        toy(candidate, log)

    assert run_study(search, evaluate).complete == 5
    trials = load_study("toy").trials
    assert trials.failure[0].startswith("out of memory: DefaultCPUAllocator")
    assert not Path("studies/toy/trials/0/traceback.txt").exists()
