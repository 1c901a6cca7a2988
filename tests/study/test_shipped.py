"""The shipped search spaces: valid by their JSON Schema too, cheap to load, mostly feasible."""

import copy
import json
import random
import re
import time
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import optuna
import pytest

from msdemucs.cost import cost_of
from msdemucs.errors import SpecError
from msdemucs.spec import zoo_names
from msdemucs.spec.source import read_yaml, read_yaml_file
from msdemucs.study.samplers.study_sampler import make_sampler
from msdemucs.study.search_space.fields import propose
from msdemucs.study.search_space.json_schema import search_space_schema
from msdemucs.study.search_space.loading import load_search_space, parse_search_space
from msdemucs.study.search_space.space import Search
from tests.study.conftest import SPACE
from tests.study.test_arms import ABLATION

SPACES = Path(__file__).parents[2] / "search_spaces"
DOCS = SPACES.parent / "docs" / "studies.md"
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
        ("[htdemucs, htdemucs_nn]", "[htdemucs, htdemucs]"),
        ("name: toy", "name: my toy"),
        ("int: [4, 16]", "int: [4]"),
        ("int: [4, 16]", "int: [4, 16]\n    choice: [4]"),
        ("step: 4", "step: 0"),
        ("step: 4", "most: 4"),
        ("[sum, weighted]", "[]"),
        ("[sum, weighted]", "[sum]\n    log: true"),
        ("trials: 5", "objectives: [usdr]"),
        ("trials: 5", "objectives: {usdr_db: minimize}"),
        ("trials: 5", "objectives: [usdr_db, macs, rtf, seconds, parameters]"),
        ("trials: 5", "constraints: {gmacs: 8}"),
        ("trials: 5", "design: full"),
        ("trials: 5", "mode: ablation"),
        ("trials: 5", "data: {train: []}"),
    ],
)
def test_the_json_schema_refuses_what_is_no_field(old: str, new: str) -> None:
    jsonschema.validate(read_yaml(SPACE, "toy").plain(), SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(read_yaml(SPACE.replace(old, new), "toy").plain(), SCHEMA)


def test_what_the_json_schema_refuses_is_refused(in_tmp: Path) -> None:
    texts = [SPACE + more for more in ("fidelity: {rungs: [3, 5]}\n", "constraints: {macs: 8}\n")]
    documents = [read_yaml(text, "toy").plain() for text in (*texts, ABLATION)]
    valid = jsonschema.Draft202012Validator(SCHEMA).is_valid
    drawn = random.Random(0)
    refused = 0
    for _ in range(300):
        document = mutated(drawn.choice(documents), drawn)
        if valid(document):
            continue
        refused += 1
        with pytest.raises(SpecError):
            parse_search_space(json.dumps(document), in_tmp / "toy.yaml")
    assert refused > 100


def mutated(document: Any, drawn: random.Random) -> Any:
    """A document with one value, somewhere, replaced, doubled or gone."""
    document = copy.deepcopy(document)
    place = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = drawn.choice(keys)
        if not (isinstance(place[key], dict | list) and place[key] and drawn.random() < 0.7):
            break
        place = place[key]
    odd = [None, True, 0, 1, -3, 2.5, "x", "", [], {}, [1], ["x", "x"], {"x": 1}, {"kind": "x"}]
    how = drawn.choice(("replace", "replace", "delete", "add"))
    if how == "replace":
        place[key] = drawn.choice(odd)
    elif how == "delete":
        del place[key]
    elif isinstance(place, dict):
        place[drawn.choice(["x", "log", "step", "choice", "factors", "when"])] = drawn.choice(odd)
    else:
        place.append(place[key])
    return document


def test_the_json_schema_describes_every_field() -> None:
    fields = SCHEMA["properties"]
    assert [name for name, field in fields.items() if "description" not in field] == []
    assert set(fields["small"]["properties"]) == set(fields) - {"small"}


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(name:.*?)```", DOCS.read_text(), re.DOTALL))
def test_the_examples_of_the_docs_are_valid(text: str, in_tmp: Path) -> None:
    jsonschema.validate(read_yaml(text, "docs").plain(), SCHEMA)
    assert parse_search_space(text, in_tmp / "docs.yaml").space.name in ("mine", "ablate-mine")


@pytest.mark.parametrize(("path", "small"), SEARCHES)
def test_most_of_what_a_shipped_space_draws_can_be_trained(path: Path, small: bool) -> None:
    search = load_search_space(path, small=small)
    sampler = search.space.sampler.model_copy(update={"kind": "random", "options": {}})
    space = search.space.model_copy(update={"sampler": sampler})
    count = len(space.objectives)
    study = optuna.create_study(
        directions=["maximize"] * count, sampler=make_sampler(search.as_asked(space), drawn=0)
    )
    feasible = sum(is_feasible(search, study.ask()) for _ in range(30))
    assert feasible >= 15


def is_feasible(search: Search, trial: optuna.Trial) -> bool:
    try:
        known = cost_of(search.spec(propose(trial, search.space.vary)))
    except SpecError:
        return False
    limits = search.space.constraints.items()
    return all(getattr(known, name, 0) <= most for name, most in limits)


def test_a_spec_that_is_refused_costs_milliseconds() -> None:
    search = load_search_space(SPACES / "schedules.yaml")
    refused = {"stride.0": 8, "kernel_size.0": 4}
    with pytest.raises(SpecError):
        search.spec(refused)
    begun = time.thread_time()
    for _ in range(10):
        with pytest.raises(SpecError):
            search.spec(refused)
    assert (time.thread_time() - begun) / 10 < 0.05  # about 1 ms


def test_the_demonstration_is_small() -> None:
    search = load_search_space(SPACES / "demo.yaml")
    assert search.space.trials == 6
    assert search.space.recipe == "demo"
    assert cost_of(search.spec({"channels.start": 8})).macs_per_second < 1e9


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
            found = cost_of(spec).macs_per_second
            assert (1 - at_cost.unused) * at_cost.macs_per_second <= found
            assert found <= at_cost.macs_per_second
