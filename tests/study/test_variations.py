"""What a varied field may become, as Optuna stores it and as a spec reads it."""

import optuna
import pytest
from pydantic import JsonValue, ValidationError

from msdemucs.study.search_space.variations import Variation


def read(text: str) -> Variation:
    return Variation.model_validate_json(text)


def test_scalars_stand_for_themselves_and_lists_for_their_text() -> None:
    variation = read('{"choice": [8, null, true, "sum", [2048, 4096]]}')
    assert variation.distribution == optuna.distributions.CategoricalDistribution(
        [8, None, True, "sum", "[2048, 4096]"]
    )
    assert variation.value_of("[2048, 4096]") == [2048, 4096]
    assert variation.value_of(8) == 8


def test_named_choices_are_stored_by_name() -> None:
    variation = read('{"choice": {"none": null, "wide": {"start": 64}}}')
    study = optuna.create_study()
    study.enqueue_trial({"channels": "wide"})
    trial = study.ask()
    assert variation.suggest(trial, "channels") == {"start": 64}
    assert trial.params == {"channels": "wide"}


def test_one_and_true_are_two_choices() -> None:
    variation = read('{"choice": {"one": 1, "true": true}}')
    assert variation.value_of("true") is True
    assert variation.value_of("one") == 1


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ('{"int": [4, 16], "step": 4}', optuna.distributions.IntDistribution(4, 16, step=4)),
        ('{"int": [1, 64], "log": true}', optuna.distributions.IntDistribution(1, 64, log=True)),
        ('{"float": [0, 1]}', optuna.distributions.FloatDistribution(0, 1)),
        (
            '{"float": [0.1, 1], "log": true}',
            optuna.distributions.FloatDistribution(0.1, 1, log=True),
        ),
    ],
)
def test_ranges_are_optunas(text: str, distribution: optuna.distributions.BaseDistribution) -> None:
    assert read(text).distribution == distribution


def test_a_range_contains_what_it_can_draw() -> None:
    variation = read('{"int": [4, 16], "step": 4}')
    assert [n for n in range(20) if variation.contains(n)] == [4, 8, 12, 16]
    assert not variation.contains(4.5)
    assert not variation.contains(True)
    assert not variation.contains("8")


def test_a_subset_is_a_choice_of_every_selection_in_order() -> None:
    variation = read('{"subset": [1024, 2048, 4096], "least": 1, "most": 2}')
    labels = ["1024", "2048", "4096", "1024+2048", "1024+4096", "2048+4096"]
    assert variation.distribution == optuna.distributions.CategoricalDistribution(labels)
    assert variation.value_of("1024+4096") == [1024, 4096]
    assert variation.values == labels


def test_members_of_a_subset_may_have_names_and_be_none_at_all() -> None:
    variation = read('{"subset": {"a": {"kind": "self"}, "b": {"kind": "cross"}}, "least": 0}')
    assert variation.values == ["none", "a", "b", "a+b"]
    assert variation.value_of("none") == []
    assert variation.value_of("a+b") == [{"kind": "self"}, {"kind": "cross"}]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"int": [4, 16], "step": 4}', [4, 8, 12, 16]),
        ('{"float": [0.1, 0.5], "step": 0.1}', [0.1, 0.2, 0.3, 0.4, 0.5]),
        ('{"float": [0, 1]}', None),
        ('{"choice": {"x": 1, "y": 2}}', ["x", "y"]),
    ],
)
def test_a_finite_variation_knows_all_that_may_be_stored(
    text: str, values: list[object] | None
) -> None:
    assert read(text).values == (pytest.approx(values) if "float" in text and values else values)


@pytest.mark.parametrize(
    ("text", "condition", "value", "holds"),
    [
        ('{"choice": {"x": [], "y": [1]}}', "y", [1], True),
        ('{"choice": {"x": [], "y": [1]}}', ["x", "y"], [], True),
        ('{"choice": {"x": [], "y": [1]}}', "x", [1], False),
        ('{"choice": [true, false]}', 1, True, False),
        ('{"choice": [null, 3]}', None, None, True),
        ('{"int": [1, 9]}', [3, 4], 4, True),
        ('{"subset": [1024, 2048]}', 2048, [1024, 2048], True),
        ('{"subset": [1024, 2048]}', 2048, [1024], False),
        ('{"subset": [1024, 2048]}', "1024+2048", [1024, 2048], True),
        ('{"subset": {"a": 1, "b": 2}}', "b", [1, 2], True),
    ],
)
def test_a_condition_holds_by_name_value_or_member(
    text: str, condition: JsonValue, value: JsonValue, holds: bool
) -> None:
    assert read(text).holds(condition, value) == holds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"subset": [1, 2], "least": 3}', "least ≤ most"),
        ('{"subset": [1, 2], "most": 3}', "number of members, 2"),
        ('{"subset": [1, 2, 3, 4, 5, 6, 7]}', "found 127: lower most"),
        ('{"choice": [1], "least": 1}', "belong to subset"),
        ('{"choice": [1], "subset": [1]}', "choice and subset"),
        ('{"subset": [1, 2], "log": true}', "belong to int and float"),
        ('{"subset": []}', "at least one"),
        ('{"subset": 3}', "list"),
    ],
)
def test_a_subset_that_makes_no_sense_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        read(text)
