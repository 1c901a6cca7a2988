"""Does every registered kind keep its word? A new kind is tried without a new test.

Metrics are not kinds; `tests/metrics/test_registry.py` does the same for them.
"""

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import pytest
import torch
import yaml
from hypothesis import Phase, find, settings

from msdemucs import build
from msdemucs.cost import cost_of
from msdemucs.data import Batch
from msdemucs.spec import Spec, dump_spec, load_spec, spec_hash
from msdemucs.spec.sections import Kind, kinds_of
from msdemucs.train import Recipe, load_recipe, train
from tests.kinds import PLACES, Options, Place, small_options
from tests.specs import DEVICES, Data, Run, run_once, small, spec_data

ROOT = Path(__file__).parent.parent
GUIDES = {Spec: "docs/spec.md", Recipe: "docs/recipes.md"}


def every_kind(*documents: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for each kind that a field of the documents takes."""
    cases = {
        f"{place.field}-{name}": (place, kind)
        for place in PLACES
        if place.document in documents
        for name, kind in kinds_of(place.base).items()
    }
    return pytest.mark.parametrize(("place", "kind"), list(cases.values()), ids=list(cases))


def spec_of(place: Place, options: Options) -> Spec:
    """Of two resolutions and both branches."""
    # two hidden channels at least: the norm of a lone one takes the bias before it away
    return small("htdemucs_n", {"residual.compress": 2, place.field: place.value(options)})


def recipe_of(place: Place, options: Options) -> Recipe:
    """Of three steps."""
    data = {"name": "toy", "steps": 3, "batch_size": 1, "segment": 0.1, "stop_norm": None}
    return Recipe.model_validate_json(json.dumps({**data, place.field: place.value(options)}))


def plain(document: Spec | Recipe) -> dict[str, object]:
    return dump_spec(document) if isinstance(document, Spec) else document.model_dump(mode="json")


def at(field: str, data: Any) -> Any:
    """The value of a dotted field."""
    return reduce(lambda inner, name: inner[name], field.split("."), data)


def test_every_sort_of_kinds_is_that_of_a_field() -> None:
    sorts = {base for base in Kind.__subclasses__() if kinds_of(base)}
    assert sorts == {place.base for place in PLACES}


# Of specs and recipes


@every_kind(Spec, Recipe)
def test_it_is_written_as_it_was_read(place: Place, kind: type[Kind], tmp_path: Path) -> None:
    path = tmp_path / "document.yaml"
    for options in small_options(kind):
        if place.document is Spec:
            document: Spec | Recipe = spec_of(place, options)
        else:
            document = recipe_of(place, options)
        assert at(place.field, plain(document)) == place.value(options)
        path.write_text(yaml.safe_dump(plain(document)))
        assert (load_spec if place.document is Spec else load_recipe)(path) == document


@every_kind(Spec, Recipe)
def test_it_is_documented(place: Place, kind: type[Kind]) -> None:
    name = kind.model_fields["kind"].default
    assert kind.__doc__
    undescribed = [
        field
        for field, info in kind.model_fields.items()
        if field != "kind" and not info.description
    ]
    assert undescribed == []
    assert f"'{name}'" in str(place.document.model_json_schema())
    guide = (ROOT / GUIDES[place.document]).read_text()
    entries = re.split(r"\n\n|\n(?=[|-])", guide)  # paragraphs, rows, items
    assert any(f"`{place.field}`" in entry and f"`{name}`" in entry for entry in entries), (
        f"no paragraph or row of {GUIDES[place.document]} names `{place.field}` and `{name}`"
    )


# Of specs


@every_kind(Spec)
def test_it_holds_the_parameters_that_are_counted(place: Place, kind: type[Kind]) -> None:
    for options in small_options(kind):
        spec = spec_of(place, options)
        built = sum(parameter.numel() for parameter in build(spec).parameters())
        assert cost_of(spec).parameters == built, options


@every_kind(Spec)
@pytest.mark.parametrize("training", [True, False])
def test_estimates_have_their_size_and_every_parameter_a_gradient(
    place: Place, kind: type[Kind], training: bool
) -> None:
    for options in small_options(kind):
        model = build(spec_of(place, options)).train(training)
        estimates = model(torch.randn(1, 2, 1501))
        assert estimates.shape == (1, 4, 2, 1501)
        (estimates - torch.randn_like(estimates)).square().mean().backward()
        dead = [
            name
            for name, parameter in model.named_parameters()
            if parameter.grad is None or not parameter.grad.any()
        ]
        assert dead == [], options


@every_kind(Spec)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_it_takes_what_autocast_gives_it(
    place: Place, kind: type[Kind], dtype: torch.dtype, device: str
) -> None:
    for options in small_options(kind):
        for n_samples, training in ((1, False), (1501, True)):
            run = Run(n_samples, training, dtype=dtype, device=device)
            run_once(spec_of(place, options), run)


@every_kind(Spec)
def test_another_value_is_another_architecture(place: Place, kind: type[Kind]) -> None:
    specs = [spec_of(place, options) for options in small_options(kind)]
    assert len({spec_hash(spec) for spec in specs}) == len(specs)


@every_kind(Spec)
def test_random_specs_have_it(place: Place, kind: type[Kind]) -> None:
    name = kind.model_fields["kind"].default

    def has_it(data: Data) -> bool:
        value = at(place.field, {"attention": [], **data})
        options = value if isinstance(value, list) else [value]
        return any(each["kind"] == name for each in options)

    quick = settings(max_examples=1000, database=None, phases=[Phase.generate])
    assert find(spec_data(), has_it, settings=quick)


# Of recipes


class Halves:
    """Batches of noise in which each source is half of the mixture."""

    def batch(self, step: int) -> Batch:
        mixture = torch.randn((1, 2, 800), generator=torch.Generator().manual_seed(step))
        return Batch(mixture, 0.5 * mixture[:, None].expand(-1, 4, -1, -1), ("A - Noise",))


@every_kind(Recipe)
def test_every_parameter_is_trained_with_it(place: Place, kind: type[Kind]) -> None:
    for options in small_options(kind):
        torch.manual_seed(0)
        model = build(small("htdemucs", {"residual.compress": 2}))
        before = {name: tensor.clone() for name, tensor in model.named_parameters()}
        done = train(model, Halves(), recipe_of(place, options))
        assert len(done.curve) == 3
        assert all(math.isfinite(loss) for _, loss in done.curve)
        parameters = dict(model.named_parameters())
        assert all(tensor.isfinite().all() for tensor in parameters.values())
        idle = [name for name, tensor in parameters.items() if torch.equal(tensor, before[name])]
        assert idle == [], options


# The walk itself


def test_a_field_whose_small_values_are_unknown_says_what_to_add() -> None:
    class Boundless(Kind):
        kind: Literal["boundless"] = "boundless"
        taps: int

    with pytest.raises(AssertionError, match=r"Boundless\.taps: .* give the field a bound"):
        small_options(Boundless)


@pytest.mark.slow
def test_the_walk_finds_new_kinds_and_what_they_lack(tmp_path: Path) -> None:
    """Kinds of a user's own files: that of CONTRIBUTING.md, and `tests/broken_kinds.py`."""
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    (tmp_path / "contributed.py").write_text("\n".join(blocks[:2]))
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-n", "0", "-p", "tests.broken_kinds"),
            *("-p", "contributed", "-p", "no:cacheprovider", "-m", "", "-k", "broken or gains"),
            *("--junit-xml", str(tmp_path / "results.xml"), "tests/test_kinds.py"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
    )
    failed: dict[str, set[str]] = {}
    for case in ElementTree.parse(tmp_path / "results.xml").iter("testcase"):
        test, kind = re.findall(r"test_(\w+)\[.*\b(gains|broken_\w+)", case.attrib["name"])[0]
        failed.setdefault(kind, set()).update({test} if case.find("failure") is not None else ())
    undocumented, counts = "it_is_documented", "it_holds_the_parameters_that_are_counted"
    learns = "estimates_have_their_size_and_every_parameter_a_gradient"
    runs, trains = "it_takes_what_autocast_gives_it", "every_parameter_is_trained_with_it"
    assert {kind: tests - {undocumented} for kind, tests in failed.items()} == {
        "gains": set(),
        "broken_without_module": {counts, learns, runs},
        "broken_count": {counts},
        "broken_gradient": {learns},
        "broken_size": {learns, runs},
        "broken_writing": {"it_is_written_as_it_was_read", "another_value_is_another_architecture"},
        "broken_without_formula": {trains},
        "broken_loss": {trains},
        "broken_optimiser": {trains},
        "broken_schedule": {trains},
    }
    assert all(undocumented in tests for tests in failed.values())
