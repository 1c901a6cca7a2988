"""Is every recorded column described once, and are the lists of columns made of that?"""

import math

import pytest

from msdemucs import load_spec
from msdemucs.analysis.noise import NUMBERS as AVERAGED
from msdemucs.columns import COLUMNS, FORMATS
from msdemucs.cost import COST_FORMULAS, cost_of
from msdemucs.study.records import COMPUTED, COSTS, MEASURED, SPENT, TRIAL_COLUMNS
from msdemucs.study.trial.result_cache import TAKEN


def test_columns_stand_under_their_own_names_with_a_meaning_and_a_known_unit() -> None:
    for name, column in COLUMNS.items():
        assert column.name == name
        assert column.meaning
        assert column.unit in FORMATS
        assert not column.unit or column.kind == "number"
    assert set(COLUMNS) < set(TRIAL_COLUMNS)


def test_what_is_computed_is_what_a_plan_costs() -> None:
    assert set(COST_FORMULAS) == set(COMPUTED)
    costs = cost_of(load_spec("htdemucs_n"))
    assert costs.figures == {name: getattr(costs, name) for name in COMPUTED}
    assert not {*COMPUTED} & {*MEASURED}


def test_an_objective_is_a_number_that_has_a_better_direction() -> None:
    for name in COSTS:
        assert COLUMNS[name].kind == "number"
        assert COLUMNS[name].direction == "minimize"
        assert COLUMNS[name].label
        assert COLUMNS[name].heading


def test_what_a_trial_spent_is_not_taken_over_with_its_result() -> None:
    assert set(SPENT) == {"seconds", "train_seconds", "cpu_seconds", "gpu_seconds", "steps"}
    assert not {*SPENT} & {*TAKEN}
    assert {*COSTS} - {*SPENT} < {*TAKEN}


def test_numbers_of_one_training_are_averaged_and_identities_are_not() -> None:
    assert {"macs", "latency_ms_p50", "seconds", "stopped_at"} < {*AVERAGED}
    assert not {"trial", "seed", "spec", "name"} & {*AVERAGED}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("latency_ms_p50", 12.5, "12.5 ms"),
        ("macs_per_second", 8e9, "8 GMAC/s"),
        ("parameters", math.nan, "–"),
        ("rtf", 0.25, "0.25"),
    ],
)
def test_a_value_is_written_with_its_unit(name: str, value: float, text: str) -> None:
    assert COLUMNS[name].text(value) == text
