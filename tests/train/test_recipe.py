"""Are recipes found by name or path, and are mistakes in them told at their line?"""

from pathlib import Path

import pytest

from msdemucs.data import STEMS, find_tracks
from msdemucs.errors import SpecError, UsageError
from msdemucs.spec import load_spec
from msdemucs.train import Recipe, load_recipe, recipe_names, sampler
from msdemucs.train.recipe import RECIPES
from tests.data.conftest import write_noise

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
    """By the configuration that their originals were trained with, field by field."""
    recipe = load_recipe("field_notes")
    assert (recipe.epochs, recipe.steps_per_epoch, recipe.warmup_epochs) == (10, 400, 2)
    assert (recipe.lr, recipe.final_lr, recipe.schedule_by) == (1e-3, 0, "epoch")
    assert (recipe.batch_size, recipe.segment, recipe.shift, recipe.grid) == (2, 4, 1, 4)
    assert [loss.kind for loss in recipe.loss] == ["l1"]
    assert (recipe.optimiser.kind, recipe.schedule.kind) == ("adam", "cosine")
    assert (recipe.normalise, recipe.flip, recipe.joint) == (True, True, True)
    assert (recipe.gain, recipe.remix, recipe.ema, recipe.clip_norm) == (None, False, None, None)
    assert recipe.keep == "best"
    assert recipe.validation is not None
    assert (recipe.validation.every, recipe.validation.metric) == (400, "loss")
    assert recipe.validation.tracks is None


@pytest.mark.parametrize("sources", [["accompaniment"], list(STEMS)])
def test_three_of_the_notes_four_seconds_reach_the_model_in_units_of_the_track(
    sources: list[str], tmp_path: Path
) -> None:
    write_noise(tmp_path / "train" / "Ann - One", n_samples=5 * 44100, sample_rate=44100)
    spec = load_spec("htdemucs", overrides={"sources": sources})
    tracks = find_tracks(tmp_path, split="train", sources=sources)
    recipe = load_recipe("field_notes")
    batch = sampler(recipe, spec, tracks, seed=0, normalised=recipe.normalise).batch(1)
    assert batch.mixture.shape == (2, 2, 132_300)
    # the second window has 1 s of the track, and of it what the shift leaves
    assert float(batch.mixture.mean(1).std(1).max()) == pytest.approx(1, abs=0.02)


def test_their_second_phase_restarts_and_anneals_fast_over_13_epochs() -> None:
    recipe = load_recipe("field_notes_restart")
    assert recipe.n_steps == 13 * 400
    assert recipe.schedule.kind == "anneal"


def test_their_second_phase_marks_what_is_a_guess() -> None:
    lines = (RECIPES / "field_notes_restart.yaml").read_text().splitlines()
    for field in ("lr:", "final_lr:", "schedule:"):
        assert "a guess" in next(line for line in lines if line.startswith(field))
    first = load_recipe("field_notes")
    own = {"name", "epochs", "warmup_epochs", "schedule"}
    rest = load_recipe("field_notes_restart").model_dump(exclude=own)
    assert rest == first.model_dump(exclude=own)


def test_fields_that_came_later_are_not_written_where_they_change_nothing(
    recipe_file: Path,
) -> None:
    """Runs and studies that were begun before know nothing of them, and go on."""
    recipe_file.write_text(TOY + "validation: {every: 5}\n")
    written = load_recipe(recipe_file).model_dump(mode="json")
    assert not {"shift", "grid", "normalise", "joint", "schedule_by", "keep"} & set(written)
    assert written["validation"] == {"every": 5, "tracks": 1}
    recipe_file.write_text(TOY + "shift: 0.5\nvalidation: {every: 5, metric: loss}\n")
    recipe = load_recipe(recipe_file)
    assert recipe.model_dump(mode="json") == {
        **written,
        "shift": 0.5,
        "validation": {"every": 5, "tracks": 1, "metric": "loss"},
    }
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


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
        ("keep: worst", "keep"),
        ("validation: {every: 1, metric: sdr}", "validation.metric"),
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
        ("shift: 1\n", "shift must be shorter than segment; found 1.0 of 1.0"),
        ("keep: best\n", "keep: best needs a validation"),
        ("schedule_by: epoch\n", "epochs need steps_per_epoch"),
        (
            "schedule_by: epoch\nsteps_per_epoch: 4\nwarmup_steps: 3\n",
            "needs a warm-up of whole epochs; found 3 steps of 4 each",
        ),
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
