"""Studies that optimise other qualities than the usual one, up or down, one or several."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import optuna
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState

from msdemucs.analysis.fidelity import fidelity
from msdemucs.analysis.fronts import best_trials, by_quality, front, ranked_column
from msdemucs.errors import SpecError, UsageError
from msdemucs.metrics import METRICS
from msdemucs.study.execution.loop import run_study
from msdemucs.study.records import SPLIT, StudyRecord
from msdemucs.study.samplers.rungs import Halving, RungScore
from msdemucs.study.samplers.study_sampler import remark
from msdemucs.study.search_space.fields import field_of
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.load import load_study
from msdemucs.study.storage.urls import StudyLocation
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Row, TrialRecorder

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

HALVED = "sampler: {kind: random, control: 0, seed: 1}"
SURROGATE = next(line for line in SPACE.splitlines() if line.startswith("sampler"))

Ask = Callable[..., Search]


@pytest.fixture
def ask(in_tmp: Path) -> Ask:
    """The search space with some of its lines replaced."""

    def asked(objectives: str, sampler: str = SURROGATE) -> Search:
        path = in_tmp / "toy.yaml"
        text = SPACE.replace("[usdr_db, macs_per_second]", objectives)
        if sampler == HALVED:
            text = text.replace(SURROGATE, HALVED).replace("20]}", "20], survivors: 1}")
        path.write_text(text)
        return load_search_space(path)

    return asked


def level_of(candidate: Candidate) -> float:
    """Wide kernels are 3 dB better, and width is worth 1 dB a doubling."""
    level = math.log2(float(str(field_of(candidate.spec, "channels.start"))))
    return level + 3 * (field_of(candidate.spec, "kernel_size.0") == 8)


def climbing(qualities: Mapping[str, float]) -> Callable[[Candidate, TrialRecorder], None]:
    """Trials whose qualities are so many times the level, and rise or fall from rung to rung."""

    def evaluate(candidate: Candidate, log: TrialRecorder) -> None:
        level, seed = level_of(candidate), candidate.seed
        candidate.folder.mkdir(parents=True, exist_ok=True)
        done = candidate.folder / "done"
        before = int(done.read_text()) if done.exists() else 0
        for step in (10, 20):
            is_past = step < before
            done.write_text(str(max(step, before)))
            scores = {name: {seed: sign * (level + step / 10)} for name, sign in qualities.items()}
            log.rung(step, scores, is_past=is_past)
        log.scores(
            [
                Row(seed, SPLIT, "band", "A - B", source, "si_sdr_db", level * factor)
                for source, factor in (("vocals", 1.0), ("drums", -1.0))
            ]
        )
        log.record({name: sign * (level + 3) for name, sign in qualities.items()})

    return evaluate


def decisions(trials: list[FrozenTrial]) -> list[tuple[object, ...]]:
    """What a search did: what it drew, how each trial ended, and who went on with whom."""
    return [
        (
            trial.params,
            trial.state,
            trial.user_attrs.get("stopped_at"),
            trial.user_attrs.get("resumes"),
        )
        for trial in trials
    ]


def ran(search: Search, qualities: Mapping[str, float], place: str = "a") -> list[FrozenTrial]:
    run_study(search, climbing(qualities), storage=StudyLocation(directory=Path(place)))
    return optuna.load_study(study_name="toy", storage=f"sqlite:///{place}/toy.db").trials


@pytest.mark.parametrize("sampler", [SURROGATE, HALVED])
def test_sources_by_other_names_change_no_decision(ask: Ask, sampler: str) -> None:
    """Nor does a metric that is better low; the other source is worse where this one is better.

    Whatever read the mean over sources would decide otherwise.
    """
    made = [
        ran(
            ask(f"[{name}, macs_per_second]", sampler), {name: sign, other: -sign, "usdr_db": 0}, at
        )
        for at, name, other, sign in (
            ("a", "si_sdr_db/vocals", "si_sdr_db/drums", 1),
            ("b", "si_sdr_db/drums", "si_sdr_db/vocals", 1),
            ("c", "lsd_db/bass", "lsd_db/vocals", -1),
        )
    ]
    expected = decisions(made[0])
    assert {trial.state for trial in made[0]} == {TrialState.COMPLETE, TrialState.PRUNED}
    assert all(decisions(trials) == expected for trials in made[1:])


def test_a_surrogate_follows_the_first_of_several_qualities_and_says_so(ask: Ask) -> None:
    one = ran(ask("[usdr_db, macs_per_second]"), {"usdr_db": 1})
    search = ask("[usdr_db, lsd_db/vocals, macs_per_second]")
    several = ran(search, {"usdr_db": 1, "lsd_db/vocals": 1}, "several")
    assert decisions(several) == decisions(one)
    assert remark(search).startswith("surrogate proposes and stops trials by usdr_db, the first")
    assert "lsd_db/vocals is recorded and on the front" in remark(search)
    assert not remark(ask("[usdr_db, macs_per_second]"))
    assert not remark(ask("[usdr_db, lsd_db/vocals]", HALVED))


def test_rungs_rank_by_all_qualities_of_the_study(ask: Ask) -> None:
    """What one quality puts behind, another that falls where it rises keeps on the front."""
    alone = ran(ask("{usdr_db: maximize}", HALVED), {"usdr_db": 1})
    both = ran(
        ask("[usdr_db, si_sdr_db/drums]", HALVED), {"usdr_db": 1, "si_sdr_db/drums": -1}, "b"
    )
    stopped = [[t.user_attrs.get("stopped_at") for t in trials] for trials in (alone, both)]
    assert stopped[0] != stopped[1]
    reasons = [t.user_attrs["failure"] for t in both if t.state == TrialState.PRUNED]
    assert all("usdr_db" in reason and "si_sdr_db/drums" in reason for reason in reasons)


levels = st.lists(
    st.tuples(st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 5)), min_size=1, max_size=12
)


@given(levels, st.sampled_from([0.0, 1.0, 3.0]))
def test_who_is_better_in_no_quality_dominates_nobody(
    rung: list[tuple[int, int, int]], delta_db: float
) -> None:
    rule = Halving(delta_db=delta_db, n_qualities=2)
    points = sorted({RungScore((a, b), (2.0**c,)).point for a, b, c in rung})
    found = rule.dominated(points)
    for at, one in enumerate(points):
        for other_at, other in enumerate(points):
            gains = [theirs - mine for mine, theirs in zip(one, other, strict=True)]
            is_better = max(gains[:2]) >= delta_db and min(gains) >= 0 and at != other_at
            assert found[at, other_at] == is_better


@pytest.fixture
def record(ask: Ask) -> StudyRecord:
    name = "lsd_db/vocals"
    ran(ask(f"[{name}, macs_per_second]", HALVED), {name: -1, "usdr_db": 1})
    return load_study("toy", storage="a/toy.db")


def test_a_quality_that_is_better_low_is_picked_low(record: StudyRecord) -> None:
    name = "lsd_db/vocals"
    assert dict(record.directions) == {name: "minimize", "macs_per_second": "minimize"}
    assert record.qualities[name].metric is METRICS["lsd_db"]
    assert ranked_column(record) == name
    complete = record.trials[record.trials.state == "complete"]
    assert best_trials(record)[name].iloc[0] == complete[name].min()
    values = front(record)[[name, "macs_per_second"]]
    assert values[name].is_monotonic_increasing
    assert values.macs_per_second.is_monotonic_decreasing


def test_trials_are_picked_by_any_quality_that_their_scores_make(record: StudyRecord) -> None:
    by_vocals = best_trials(by_quality(record, "si_sdr_db/vocals"), top=99)
    by_drums = best_trials(by_quality(record, "si_sdr_db/drums"), top=99)
    assert by_vocals["lsd_db/vocals"].is_monotonic_increasing
    assert by_drums["si_sdr_db/drums"].is_monotonic_decreasing
    assert by_vocals.trial.tolist() == by_drums.trial.tolist()[::-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("si_sdr/vocals", "did you mean “si_sdr_db”"),
        ("si_sdr_db/vocal", "did you mean “vocals”"),
        ("csdr_db", "did not record csdr_db; it recorded si_sdr_db: study rescore"),
    ],
)
def test_what_was_not_recorded_is_named_with_the_nearest(
    record: StudyRecord, text: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        by_quality(record, text)


def test_rungs_are_trusted_by_the_studys_own_quality(record: StudyRecord) -> None:
    order = range(12)
    rungs = [
        [trial, 0, step, quality, value]
        for trial in order
        for step, sign in ((10, -1), (20, 1), (40, 1))
        for quality, value in (("lsd_db/vocals", sign * trial), ("usdr_db", trial))
    ]
    trials = pd.DataFrame({"trial": order, "macs_per_second": 1.0, "state": "complete"})
    trials = trials.assign(spec=None, spec_hash=None, duplicate_of=None, **{"lsd_db/vocals": 0.0})
    made = replace(record, trials=trials, rungs=pd.DataFrame(rungs, columns=record.rungs.columns))
    found = fidelity(made, top=3).table.set_index("step")
    assert found.tau.to_dict() == pytest.approx({10: -1, 20: 1})
    assert found.overlap.to_dict() == {10: 0, 20: 1}


@pytest.mark.parametrize(
    ("objectives", "field", "message", "hint"),
    [
        ("[si_sdr/vocals]", "objectives", "“si_sdr” is no metric", "si_sdr_db"),
        ("{lsd_db/vocals: maximize}", "objectives", "better low: minimize it", ""),
        ("[usdr_db, si_sdr_db/vocal/band]", "objectives.si_sdr_db/vocal/band", "“vocal”", "vocals"),
    ],
)
def test_a_fault_in_an_objective_is_told_at_its_line(
    ask: Ask, objectives: str, field: str, message: str, hint: str
) -> None:
    with pytest.raises(SpecError) as caught:
        ask(objectives)
    problem = caught.value.first
    assert (problem.field, problem.line) == (field, 8)
    assert message in problem.message
    assert hint in problem.message + problem.hint
