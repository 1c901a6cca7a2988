"""A trial's spec as a file that a person would write."""

import pytest
import yaml

from msdemucs.report.spec_difference import difference_yaml
from msdemucs.spec import dump_spec, load_spec, parse_spec, spec_hash


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("htdemucs_n", {"attention.0.mechanism": "softmax", "channels.start": 8}),
        ("htdemucs_nn", {}),
        ("hdemucs", {}),
        ("demucs", {}),
        ("htdemucs", {"spectral.resolutions": [512, 1024], "segment": 2}),
    ],
)
def test_a_delta_loads_as_the_spec(name: str, overrides: dict[str, object]) -> None:
    spec = load_spec(name, overrides=overrides)
    text = difference_yaml(dump_spec(spec), base="htdemucs_n", name="mine")
    read = parse_spec(yaml.safe_load(text))
    assert spec_hash(read) == spec_hash(spec)
    assert read.name == "mine"
    assert text.startswith("extends: htdemucs_n\nname: mine\n")


def test_a_delta_says_what_differs_and_nothing_else() -> None:
    spec = load_spec("htdemucs_n", overrides={"attention.0.heads": 4, "channels.start": 8})
    text = difference_yaml(dump_spec(spec), base="htdemucs_n", name="narrow")
    assert yaml.safe_load(text) == {
        "extends": "htdemucs_n",
        "name": "narrow",
        "channels": {"start": 8},
        "attention": [{"kind": "alternating", "mechanism": "linear", "heads": 4}],
    }


@pytest.mark.parametrize("base", [None, "a base that is no zoo's"])
def test_without_a_base_of_the_zoo_the_whole_spec_is_given(base: str | None) -> None:
    spec = load_spec("htdemucs")
    read = yaml.safe_load(difference_yaml(dump_spec(spec), base=base, name="whole"))
    assert "extends" not in read
    assert spec_hash(parse_spec(read)) == spec_hash(spec)


def test_a_spec_of_another_version_is_given_whole() -> None:
    text = difference_yaml({"name": "old", "strides": 4}, base="htdemucs_n", name="old")
    assert yaml.safe_load(text) == {"name": "old", "strides": 4}
