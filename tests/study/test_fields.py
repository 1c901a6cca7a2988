"""Fields of specs and recipes as search spaces name them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from msdemucs.errors import SpecError
from msdemucs.spec import Spec, expanded, load_spec
from msdemucs.spec.interchange import read_document
from msdemucs.study.search_space.fields import (
    changed_spec,
    expressed,
    field_of,
    recipe_fields,
    spec_fields,
)
from msdemucs.study.search_space.loading import load_search_space


def changed(fields: Mapping[str, object], base: str = "htdemucs") -> Spec:
    return changed_spec(read_document(base), fields)


@pytest.mark.parametrize("field", ["kernel_size.2", "kernel_size[2]"])
@pytest.mark.parametrize(
    "spelling", [8, [8, 8, 8, 8], {"start": 8, "times": 1}, {"start": 8, "at": {"3": 8}}]
)
def test_one_entry_of_a_schedule_changes_whatever_its_spelling(
    field: str, spelling: object
) -> None:
    spec = changed({"kernel_size": spelling, field: 12})
    assert spec.kernel_size == (8, 8, 12, 8)


def test_entries_of_every_schedule_can_be_given() -> None:
    fields = {"channels.0": 40, "residual.depth.3": 4, "norm.groups.1": 2, "waveform.stride.1": 2}
    spec = changed(fields)
    assert expanded(spec)["channels"] == [40, 96, 192, 384]
    assert spec.residual is not None
    assert spec.residual.depth == (2, 2, 2, 4)
    assert spec.waveform is not None
    assert spec.waveform.stride == (4, 2, 4, 4)  # it followed the spec's


def test_entries_follow_a_depth_that_varies_too() -> None:
    spec = changed({"depth": 5, "kernel_size.4": 4, "stride.4": 2})
    assert spec.kernel_size == (8, 8, 8, 8, 4)
    with pytest.raises(SpecError, match=r"kernel_size\.4: there is no level 4.* from 0 to 3"):
        changed({"kernel_size.4": 4})


def test_parameters_of_a_schedule_can_be_given_where_the_base_has_one_number() -> None:
    assert expanded(changed({"kernel_size.times": 0.5, "stride": 1}))["kernel_size"] == [8, 4, 2, 1]
    assert expanded(changed({"kernel_size.start": 16}))["kernel_size"] == [16] * 4
    assert expanded(changed({"channels.growth": 1.5, "attention": []}))["channels"] == [
        48,
        72,
        108,
        162,
    ]


def test_a_schedule_given_as_a_whole_replaces_the_one_that_is_there() -> None:
    spec = changed({"channels": {"start": 32, "at": {"2": 64}}})
    assert expanded(spec)["channels"] == [32, 32, 64, 64]


def test_outer_fields_are_set_before_those_inside_them() -> None:
    block = {"kind": "self", "layers": 2}
    spec = changed({"attention.0.heads": 4, "attention": [block]})
    assert (spec.attention[0].kind, spec.attention[0].heads) == ("self", 4)


def test_whole_branches_can_be_none() -> None:
    spec = changed({"attention": [], "residual": None, "waveform": None})
    assert (spec.attention, spec.residual, spec.waveform) == ((), None, None)


def test_a_schedule_of_a_section_that_is_not_there_is_refused() -> None:
    with pytest.raises(SpecError, match="the spec has no residual"):
        changed({"residual": None, "residual.depth.0": 1})


def test_nothing_changes_without_fields() -> None:
    for name in ("htdemucs_d", "htdemucs_n", "hdemucs"):
        assert changed({}, name) == load_spec(name)


def test_fields_of_recipe_and_spec_are_told_apart() -> None:
    fields = {"recipe.lr": 1e-3, "depth": 4, "recipe.ema.decay": 0.9}
    assert recipe_fields(fields) == {"lr": 1e-3, "ema.decay": 0.9}
    assert spec_fields(fields) == {"depth": 4}


def test_an_entry_of_a_schedule_is_read_however_it_is_spelled() -> None:
    spec = load_spec("htdemucs_d4")  # kernel_size {start: 8, at: {2: 16, 4: 32}}, stride 4
    assert [field_of(spec, f"kernel_size.{level}") for level in range(5)] == [8, 8, 16, 16, 32]
    assert field_of(spec, "stride[1]") == 4
    assert field_of(spec, "attention.0.heads") == 8
    for field in ("kernel_size.5", "norm.groups.0", "attention.1.heads"):
        with pytest.raises(KeyError):
            field_of(spec, field)


def test_a_baseline_is_told_to_the_sampler_by_the_levels_that_it_has() -> None:
    path = Path(__file__).parents[2] / "search_spaces" / "schedules.yaml"
    search = load_search_space(path)
    params = expressed(search.baselines["htdemucs_d4"], search.space.vary)
    assert {name: params[name] for name in params if name[0] in "ks"} == {
        **{f"stride.{level}": 4 for level in range(5)},
        **{f"kernel_size.{level}": (8, 8, 16, 16, 32)[level] for level in range(5)},
    }
    assert (params["channels.growth"], params["attention"]) == ("slow then doubling", "gated")
