"""Are recipes found by name or path, and are mistakes in them told at their line?"""

from pathlib import Path

import pytest

from msdemucs.errors import SpecError, UsageError
from msdemucs.train import load_recipe, recipe_names

TOY = "name: toy\nsteps: 10\nbatch_size: 2\nsegment: 1\n"


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(TOY)
    return path


def mistake(path: Path, text: str) -> SpecError:
    """What is said about a recipe with this text at its end."""
    path.write_text(TOY + text)
    with pytest.raises(SpecError) as caught:
        load_recipe(path)
    return caught.value


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads_and_is_called_as_its_file(name: str) -> None:
    assert load_recipe(name).name == name


def test_the_field_notes_recipe_is_theirs() -> None:
    recipe = load_recipe("field_notes")
    assert (recipe.lr, recipe.final_lr) == (1e-3, 1e-5)
    assert recipe.n_steps == 10 * 400
    assert recipe.n_warmup == 2 * 400
    assert (recipe.batch_size, recipe.segment) == (2, 4)
    assert [loss.kind for loss in recipe.loss] == ["l1"]
    assert (recipe.optimiser.kind, recipe.schedule.kind, recipe.flip) == ("adam", "cosine", True)


def test_their_second_phase_restarts_and_anneals_fast_over_13_epochs() -> None:
    recipe = load_recipe("field_notes_restart")
    assert recipe.n_steps == 13 * 400
    assert recipe.schedule.kind == "anneal"


def test_the_demonstration_is_shipped() -> None:
    assert recipe_names() == ["demo", "demucs_v4", "field_notes", "field_notes_restart"]


def test_a_recipe_may_be_a_file(recipe_file: Path) -> None:
    assert load_recipe(recipe_file).steps == 10
    assert load_recipe(str(recipe_file)) == load_recipe(recipe_file)


def test_a_misspelt_recipe_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="there is no recipe “dmo”; did you mean “demo”"):
        load_recipe("dmo")


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.yaml: there is no such file"):
        load_recipe(tmp_path / "absent.yaml")


def test_an_unknown_field_names_file_line_and_the_nearest_field(recipe_file: Path) -> None:
    problem = mistake(recipe_file, "warmup_step: 3\n").first
    assert (problem.path, problem.line, problem.column) == (str(recipe_file), 5, 1)
    assert problem.field == "warmup_step"
    assert "warmup_steps" in problem.hint


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("lr: fast", "lr"),
        ("lr: 0", "lr"),
        ("lr: 1e999", "lr"),
        ("clip_norm: -1", "clip_norm"),
        ("loss: l3", "loss.kind"),
        ("loss: [l1, {kind: mrstft, n_ffts: [100]}]", "loss.1.n_ffts"),
        ("optimiser: adamm", "optimiser.kind"),
        ("schedule: {kind: restarts, cycle: 3}", "schedule.cycle"),
        ("ema: {decay: 1.5}", "ema.decay"),
        ("validation: {every: 0}", "validation.every"),
        ("flip: 1", "flip"),
        ("warmup_steps: 1.5", "warmup_steps"),
    ],
)
def test_a_wrong_value_is_told_at_its_line(recipe_file: Path, line: str, field: str) -> None:
    problem = mistake(recipe_file, f"{line}\n").first
    assert (problem.line, problem.field) == (5, field)


@pytest.mark.parametrize("field", ["name", "batch_size", "segment"])
def test_what_every_recipe_must_say_is_asked_for(recipe_file: Path, field: str) -> None:
    text = "\n".join(line for line in TOY.splitlines() if not line.startswith(field))
    recipe_file.write_text(text)
    with pytest.raises(SpecError, match=f"{field}: is required"):
        load_recipe(recipe_file)


def test_a_warm_up_as_long_as_the_run_is_refused(recipe_file: Path) -> None:
    error = mistake(recipe_file, "warmup_steps: 10\n")
    assert "warmup_steps must be fewer than steps; found 10 of 10" in str(error)
    assert str(recipe_file) in str(error)


def test_a_learning_rate_that_would_rise_at_the_end_is_refused(recipe_file: Path) -> None:
    error = mistake(recipe_file, "lr: 1e-4\nfinal_lr: 1e-3\n")
    assert "final_lr must not exceed lr; found 0.001 and 0.0001" in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 3\n", "steps or epochs is required, and one of them alone; found both"),
        ("warmup_epochs: 1\n", "epochs need steps_per_epoch"),
        ("accumulate: 3\n", "accumulate must divide batch_size; found 3 parts of 2 examples"),
        ("gain: {low: 2, high: 1}\n", "low must not exceed high; found 2.0 and 1.0"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(
    recipe_file: Path, text: str, message: str
) -> None:
    assert message in str(mistake(recipe_file, text))


def test_one_kind_or_several_may_be_named_alone_or_with_options(recipe_file: Path) -> None:
    recipe_file.write_text(TOY + "loss: [l1, {kind: sdr, weight: 0.1}]\nschedule: restarts\n")
    recipe = load_recipe(recipe_file)
    assert [(loss.kind, loss.weight) for loss in recipe.loss] == [("l1", 1), ("sdr", 0.1)]
    assert recipe.schedule.kind == "restarts"
