"""What a varied field may become, as Optuna stores it and as a spec reads it."""

import optuna
import pytest

from msdemucs.study.variations import Variation


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
