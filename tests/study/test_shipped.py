"""The shipped search spaces: valid by their JSON Schema too, cheap to load, mostly feasible."""

import time
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import optuna
import pytest

from msdemucs.cost import cost
from msdemucs.errors import SpecError
from msdemucs.spec import zoo_names
from msdemucs.spec.source import read_yaml, read_yaml_file
from msdemucs.study.space.document import search_space_schema
from msdemucs.study.space.reading import load_search_space
from msdemucs.study.space.samplers import make_sampler
from msdemucs.study.space.sampling import propose
from msdemucs.study.space.space import Search
from tests.study.conftest import SPACE

SPACES = Path(__file__).parents[2] / "search_spaces"
SHIPPED = sorted(SPACES.glob("*.yaml"))
SCHEMA = search_space_schema()
SEARCHES = [
    (path, small)
    for path in SHIPPED
    for small in (False, True)
    if "vary" in read_yaml_file(path).plain()  # type: ignore[operator]
]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_json_schema_knows_every_shipped_search_space(path: Path) -> None:
    jsonschema.validate(read_yaml_file(path).plain(), SCHEMA)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("trials: 5", "trails: 5"),
        ("trials: 5", "trials: many"),
        ("trials: 5", "small: {trails: 5}"),
        ("trials: 5", "sampler: {kind: cmaes}"),
        ("int: [4, 16]", "ints: [4, 16]"),
        ("[htdemucs, htdemucs_nn]", "[1, 2]"),
    ],
)
def test_the_json_schema_refuses_what_is_no_field(old: str, new: str) -> None:
    jsonschema.validate(read_yaml(SPACE, "toy").plain(), SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(read_yaml(SPACE.replace(old, new), "toy").plain(), SCHEMA)


def test_the_json_schema_describes_every_field() -> None:
    fields = SCHEMA["properties"]
    assert [name for name, field in fields.items() if "description" not in field] == []
    assert set(fields["small"]["properties"]) == set(fields) - {"small"}


@pytest.mark.parametrize(("path", "small"), SEARCHES)
def test_most_of_what_a_shipped_space_draws_can_be_trained(path: Path, small: bool) -> None:
    search = load_search_space(path, small=small)
    sampler = search.space.sampler.model_copy(update={"kind": "random", "options": {}})
    space = search.space.model_copy(update={"sampler": sampler})
    count = len(space.objectives)
    study = optuna.create_study(
        directions=["maximize"] * count, sampler=make_sampler(space, drawn=0)
    )
    feasible = sum(is_feasible(search, study.ask()) for _ in range(30))
    assert feasible >= 15


def is_feasible(search: Search, trial: optuna.Trial) -> bool:
    try:
        known = cost(search.spec(propose(trial, search.space.vary)))
    except SpecError:
        return False
    limits = search.space.constraints.items()
    return all(getattr(known, name, 0) <= most for name, most in limits)


def test_a_spec_that_is_refused_costs_milliseconds() -> None:
    search = load_search_space(SPACES / "schedules.yaml")
    refused = {"stride.0": 8, "kernel_size.0": 4}
    with pytest.raises(SpecError):
        search.spec(refused)
    begun = time.perf_counter()
    for _ in range(10):
        with pytest.raises(SpecError):
            search.spec(refused)
    assert (time.perf_counter() - begun) / 10 < 0.05  # 1 ms where nothing else runs


def test_the_demonstration_is_small() -> None:
    search = load_search_space(SPACES / "demo.yaml")
    assert search.space.trials == 6
    assert search.space.recipe == "demo"
    assert cost(search.spec({"channels.start": 8})).macs_per_second < 1e9


def test_the_zoo_study_has_every_variant_of_the_notes() -> None:
    for small in (False, True):
        search = load_search_space(SPACES / "zoo.yaml", small=small)
        others = ("htdemucs_released", "htdemucs_6s", "hdemucs", "demucs")
        variants = [name for name in zoo_names() if not name.startswith(others)]
        assert sorted(search.baselines) == variants
        assert search.space.trials == len(variants)
        assert not search.space.vary


def test_studies_at_equal_cost_have_baselines_of_that_cost() -> None:
    for name in ("schedules", "attention"):
        search = load_search_space(SPACES / f"{name}.yaml")
        at_cost = search.space.at_cost
        assert at_cost is not None
        for spec in (search.base, *search.baselines.values()):
            found = cost(spec).macs_per_second
            assert (1 - at_cost.unused) * at_cost.macs_per_second <= found
            assert found <= at_cost.macs_per_second
