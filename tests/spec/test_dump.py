"""Canonical data: it reads back, hashes the architecture, and says what differs."""

import pytest
from hypothesis import given

from msdemucs.spec import (
    diff_specs,
    dump_spec,
    get_field,
    load_spec,
    parse_spec,
    spec_hash,
    zoo_names,
)
from tests.specs import build_or_none, spec_data


@given(spec_data())
def test_a_dumped_spec_reads_back_equal(data: dict[str, object]) -> None:
    spec = build_or_none(data)
    if spec is not None:
        assert parse_spec(dump_spec(spec)) == spec
        assert spec_hash(parse_spec(dump_spec(spec))) == spec_hash(spec)


def test_the_hash_does_not_depend_on_name_or_spelling() -> None:
    spelled = load_spec("htdemucs", overrides={"channels": [48, 96, 192, 384], "name": "other"})
    assert spec_hash(spelled) == spec_hash(load_spec("htdemucs"))


def test_the_hash_leaves_out_what_has_no_effect() -> None:
    bottleneck = {"kind": "weighted", "smoothing": None}
    other = load_spec("htdemucs", overrides={"fusion.bottleneck": bottleneck})
    assert spec_hash(other) == spec_hash(load_spec("htdemucs"))
    several = load_spec("htdemucs_n", overrides={"fusion.bottleneck.smoothing": None})
    assert spec_hash(several) != spec_hash(load_spec("htdemucs_n"))


def test_the_zoos_hashes_differ() -> None:
    hashes = {spec_hash(load_spec(name)) for name in zoo_names()}
    assert len(hashes) == len(zoo_names()) == 22


def test_differences_name_only_the_fields_that_differ() -> None:
    other = load_spec("htdemucs_n", overrides={"attention.0.heads": 4, "segment": 4})
    assert diff_specs(load_spec("htdemucs_n"), other) == {
        "segment": (10.0, 4.0),
        "attention.0.heads": (8, 4),
    }


def test_another_kind_is_one_difference() -> None:
    differences = diff_specs(load_spec("htdemucs_n"), load_spec("htdemucs_nn"))
    assert list(differences) == ["fusion.output"]
    assert differences["fusion.output"][1] == {"kind": "per_source", "smoothing": 0.9}


def test_a_field_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError, match=r"attention\.3\.heads"):
        get_field(load_spec("htdemucs"), "attention.3.heads")


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("htdemucs", {"kernel_size": [8, 8, 8, 8], "stride": {"start": 4}}),
        ("htdemucs", {"kernel_size": {"start": 8, "at": {}}, "channels": {"start": 48}}),
        ("htdemucs", {"waveform.kernel_size": 8, "waveform.stride": [4, 4, 4, 4]}),
        ("htdemucs", {"attention.0.width": 384, "spectral.share": True}),
        ("htdemucs", {"norm": None}),  # it starts at level 4 of 4
        ("htdemucs", {"norm.starts": 9, "residual.lstm": {"starts": 4}}),
        ("htdemucs_p", {"attention.0.at": ["decoder 0", "encoder 4"]}),
        ("htdemucs_nf", {"residual": {"encoder": False, "depth": 7}}),
    ],
)
def test_two_spellings_of_a_model_have_one_hash(name: str, fields: dict[str, object]) -> None:
    respelled = load_spec(name, overrides=fields)
    assert diff_specs(load_spec(name), respelled)
    assert spec_hash(respelled) == spec_hash(load_spec(name))


@pytest.mark.parametrize(
    "fields",
    [
        {"waveform.kernel_size": 6},
        {"norm.starts": 3},
        {"attention.0.width": 192},
        {"residual.lstm": {"starts": 3}},
        {"spectral.resolutions": [2048]},
    ],
)
def test_another_model_has_another_hash(fields: dict[str, object]) -> None:
    assert spec_hash(load_spec("htdemucs", overrides=fields)) != spec_hash(load_spec("htdemucs"))
