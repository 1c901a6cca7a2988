"""Specs as YAML that a person would write."""

import pytest
from hypothesis import given, settings

from msdemucs.spec import (
    Spec,
    extending_yaml,
    load_spec,
    parse_spec,
    spec_hash,
    whole_yaml,
    yaml_text,
    zoo_names,
)
from msdemucs.spec.source import read_yaml
from msdemucs.spec.written import WIDTH
from tests.specs import Data, build_or_none, spec_data


def read(text: str) -> Spec:
    plain = read_yaml(text, "shown.yaml").plain()
    assert isinstance(plain, dict)
    return parse_spec(plain)


@pytest.mark.parametrize("name", zoo_names())
def test_a_system_of_the_zoo_differs_from_itself_by_its_name(name: str) -> None:
    spec = load_spec(name, overrides={"name": "mine"})
    assert extending_yaml(spec) == f"extends: {name}\nname: mine\n"
    assert read(whole_yaml(spec)) == spec


@settings(max_examples=20, deadline=None)
@given(data=spec_data())
def test_every_spec_is_read_back_with_its_hash(data: Data) -> None:
    spec = build_or_none(data)
    if spec is None:
        return
    for text in (extending_yaml(spec), whole_yaml(spec)):
        assert spec_hash(read(text)) == spec_hash(spec)
        assert read(text).name == spec.name
        assert max(map(len, text.splitlines())) <= WIDTH


def test_the_system_with_the_fewest_lines_of_difference_is_extended() -> None:
    overrides = {"channels.start": 8, "fusion.output": {"kind": "per_source"}}
    spec = load_spec("htdemucs_n", overrides=overrides)
    text = extending_yaml(spec, rather="htdemucs_n")
    assert text == "extends: htdemucs_nn\nname: htdemucs_n\nchannels: {start: 8}\n"


@pytest.mark.parametrize("near", ["hdemucs", "hdemucs_high"])
def test_of_systems_as_near_the_one_that_is_asked_for_is_extended(near: str) -> None:
    spec = load_spec("hdemucs", overrides={"init.unused": 7})
    text = extending_yaml(spec, rather=near)
    assert text == f"extends: {near}\nname: hdemucs\ninit: {{unused: 7}}\n"


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("spectral.resolutions", [2048, 4096], "spectral: {resolutions: [2048, 4096]}"),
        (
            "spectral.resolutions",
            [{"n_fft": 2048, "hop_length": 256}, 4096],
            "spectral: {resolutions: [{n_fft: 2048, hop_length: 256}, 4096]}",
        ),
        (
            "attention.0.mechanism",
            "softmax",
            "attention: [{kind: alternating, mechanism: softmax}]",
        ),
        ("attention.0.ffn", 2.0, "attention: [{kind: alternating, mechanism: linear, ffn: 2}]"),
        ("fusion.output", {"kind": "weighted"}, "fusion: {output: {kind: weighted}}"),
        ("channels", [8, 16, 32, 64], "channels: [8, 16, 32, 64]"),
        ("norm", None, "norm: null"),
    ],
)
def test_a_difference_is_as_short_as_a_person_writes_it(
    field: str, value: object, line: str
) -> None:
    spec = load_spec("htdemucs_n", overrides={field: value, "name": "mine"})
    assert extending_yaml(spec) == f"extends: htdemucs_n\nname: mine\n{line}\n"


def test_a_schedule_that_cannot_be_laid_over_the_systems_is_a_list() -> None:
    spec = load_spec("htdemucs", overrides={"name": "mine"})
    stepped = parse_spec({**spec.model_dump(mode="json"), "channels": {"start": 4, "at": {2: 8}}})
    text = extending_yaml(stepped)
    assert text == "extends: htdemucs\nname: mine\nchannels: [4, 4, 8, 8]\n"
    assert spec_hash(read(text)) == spec_hash(stepped)


@pytest.mark.parametrize("name", ["1e5", "08", "no", "null", "2048+4096", "- a: [b, c]", "x" * 90])
def test_a_name_is_read_as_the_text_that_it_is(name: str) -> None:
    spec = load_spec("htdemucs", overrides={"name": name})
    assert read(extending_yaml(spec)).name == name
    assert read(whole_yaml(spec)).name == name


def test_a_long_section_has_lines_of_its_own_and_a_long_line_breaks_at_a_comma() -> None:
    data = {"a": {"b": {"c": "x" * 60}, "d": [1, 2]}, "e": list(range(100, 140))}
    text = yaml_text(data)
    lines = text.splitlines()
    assert lines[0] == "a:"
    assert lines[2] == "  d: [1, 2]"
    assert lines[3].startswith("e: [100, 101")
    assert lines[3].endswith(",")
    assert read_yaml(text, "x").plain() == data
