"""The best trial under each budget."""

from dataclasses import replace

import pytest
import yaml

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.trades import MOST_STEPS
from msdemucs.report.page import page_data, recommended_specs
from msdemucs.spec import dump_spec, load_spec, parse_spec, spec_hash
from msdemucs.study.records import StudyRecord
from tests.records import amend, make_large_record, make_record, with_seeds


def step_texts(record: StudyRecord) -> list[list[str]]:
    """The first budget's steps as the page has them, with common blanks."""
    budgets = page_data(Findings(record))["budgets"]
    blank = "\N{NO-BREAK SPACE}"
    return [[str(cell).replace(blank, " ") for cell in step] for step in budgets[0]["steps"]]  # type: ignore[index]


def test_each_step_is_better_and_dearer_than_the_one_before(record: StudyRecord) -> None:
    budget = Findings(record).budgets[0]
    assert (budget.cost.column, budget.low, budget.high) == ("macs_per_second", 0.88e9, 5.2e9)
    # by hand from the toys: below 1.93 GMAC/s trial 3 is best, below 2.70 htdemucs, then trial 4
    assert [(point.name, point.x) for point in budget.steps] == [
        ("trial 3", 0.88e9), ("htdemucs, 8 channels", 1.93e9), ("trial 4", 2.70e9)
    ]  # fmt: skip
    *_, cost, quality = step_texts(record)[2]
    assert (cost, quality) == ("2.7 GMAC/s", "2.31 dB")


def test_costs_parameters_latency_and_memory_have_a_budget(record: StudyRecord) -> None:
    assert [budget.cost.column for budget in Findings(record).budgets] == [
        "macs_per_second", "parameters", "latency_ms_p50", "peak_memory_bytes"
    ]  # fmt: skip
    assert Findings(make_record([])).budgets == ()


def test_intervals_stand_behind_the_score(record: StudyRecord) -> None:
    assert "±" in step_texts(with_seeds(record, [-0.1, 0.1]))[0][-1]


def test_recommended_trials_have_a_spec_that_loads(record: StudyRecord) -> None:
    spec = load_spec("htdemucs_n", overrides={"channels.start": 8, "segment": 2})
    marked = amend(record, 4, spec=dump_spec(spec))
    recipes = recommended_specs(Findings(marked))
    assert set(recipes) == {3, 0, 4}
    assert spec_hash(parse_spec(yaml.safe_load(recipes[4]))) == spec_hash(spec)


def test_a_crowded_front_is_thinned_and_keeps_its_ends() -> None:
    crowded = make_large_record(300)
    trials = crowded.trials.assign(usdr_db=crowded.trials["trial"] / 100)
    budget = Findings(replace(crowded, trials=trials)).budgets[0]
    assert len(budget.steps) == MOST_STEPS
    assert [budget.steps[0].trial, budget.steps[-1].trial] == [0, 299]


@pytest.mark.parametrize("column", ["macs_per_second"])
def test_a_trial_without_a_spec_has_none_to_copy(record: StudyRecord, column: str) -> None:
    bare = amend(record, 4, spec=None)
    assert recommended_specs(Findings(bare))[4] == ""
