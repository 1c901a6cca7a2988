"""The best trial under each budget."""

from dataclasses import replace

import pytest
import yaml

from msdemucs.report.budgets import MOST_STEPS, ladders_of, recipes_of
from msdemucs.spec import dump_spec, load_spec, parse_spec, spec_hash
from msdemucs.study.records import StudyRecord
from tests.report.conftest import amend, make_large_record, make_record, with_seeds


def test_each_step_is_better_and_dearer_than_the_one_before(record: StudyRecord) -> None:
    ladder = ladders_of(record)[0]
    assert (ladder.column, ladder.low, ladder.high) == ("macs_per_second", 0.88e9, 5.2e9)
    # by hand from the toys: below 1.93 GMAC/s trial 3 is best, below 2.70 htdemucs, then trial 4
    assert [(step.name, step.cost) for step in ladder.steps] == [
        ("trial 3", 0.88e9), ("htdemucs", 1.93e9), ("trial 4", 2.70e9)
    ]  # fmt: skip
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text in ladder.steps[2].texts] == [
        "2.7 GMAC/s", "2.31 dB"
    ]  # fmt: skip


def test_costs_parameters_latency_and_memory_have_a_ladder(record: StudyRecord) -> None:
    assert [ladder.column for ladder in ladders_of(record)] == [
        "macs_per_second", "parameters", "latency_ms_p50", "peak_memory_bytes"
    ]  # fmt: skip
    assert ladders_of(make_record([])) == ()


def test_intervals_stand_behind_the_score(record: StudyRecord) -> None:
    step = ladders_of(with_seeds(record, [-0.1, 0.1]))[0].steps[0]
    assert "±" in step.texts[1]


def test_recommended_trials_have_a_spec_that_loads(record: StudyRecord) -> None:
    spec = load_spec("htdemucs_n", overrides={"channels.start": 8, "segment": 2})
    marked = amend(record, 4, spec=dump_spec(spec))
    recipes = recipes_of(marked, ladders_of(marked))
    assert set(recipes) == {3, 0, 4}
    assert spec_hash(parse_spec(yaml.safe_load(recipes[4]))) == spec_hash(spec)


def test_a_crowded_front_is_thinned_and_keeps_its_ends() -> None:
    crowded = make_large_record(300)
    trials = crowded.trials.assign(usdr_db=crowded.trials["trial"] / 100)
    ladder = ladders_of(replace(crowded, trials=trials))[0]
    assert len(ladder.steps) == MOST_STEPS
    assert [ladder.steps[0].trial, ladder.steps[-1].trial] == [0, 299]


@pytest.mark.parametrize("column", ["macs_per_second"])
def test_a_trial_without_a_spec_has_none_to_copy(record: StudyRecord, column: str) -> None:
    bare = amend(record, 4, spec=None)
    assert recipes_of(bare, ladders_of(bare))[4] == ""
