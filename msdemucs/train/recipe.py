"""How is a model trained? Recipes in YAML, shipped by name or given as a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from msdemucs.data import Augmentation
from msdemucs.errors import UsageError
from msdemucs.spec import Section, nearest
from msdemucs.spec.kinds import OneOf
from msdemucs.spec.merge import override
from msdemucs.spec.source import read_yaml_file
from msdemucs.spec.validate import validate
from msdemucs.train.losses import L1, LossOptions
from msdemucs.train.optimisers import Adam, OptimiserOptions
from msdemucs.train.schedule import Cosine, ScheduleOptions

RECIPES = Path(__file__).parent.parent / "recipes"

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]


def _kind(value: object) -> object:
    """A name alone stands for the kind with its defaults."""
    return {"kind": value} if isinstance(value, str) else value


def _kinds(value: object) -> object:
    """One kind stands for a list of one."""
    values = [value] if isinstance(value, str | Mapping) else value
    return tuple(_kind(one) for one in values) if isinstance(values, list | tuple) else values


class Ema(Section):
    """An exponential moving average of the weights, which is what is judged and saved."""

    decay: Share = 0.999
    """Share of the old average at each step."""

    warmup: bool = True
    """Whether early steps count more: the decay is at most (1 + step) / (10 + step)."""


class Validation(Section):
    """Scores on tracks that are not trained on, while training goes on."""

    every: Count
    """Optimiser steps from one validation to the next; the last step has one too."""

    tracks: Count = 1
    """How many of the training tracks are held out for it: the last by name."""


class Gain(Section):
    """The range from which each stem's gain is drawn."""

    low: Positive = 0.25
    """The smallest."""

    high: Positive = 1.25
    """The largest."""


class Recipe(Section):
    """What a training run does, whatever the architecture; the seed belongs to the run."""

    name: str
    """What records and reports call it."""

    steps: Count | None = None
    """Optimiser steps in all; or give epochs."""

    epochs: Count | None = None
    """Epochs in all, of steps_per_epoch each."""

    steps_per_epoch: Count | None = None
    """Optimiser steps of an epoch: segments are drawn at random, so that it is a convention."""

    batch_size: Count
    """Examples an optimiser step, over all devices and parts."""

    accumulate: Count = 1
    """Parts in which a batch goes through the model, to save memory; gradients add up."""

    segment: Positive
    """Seconds of an example."""

    loss: Annotated[
        tuple[Annotated[LossOptions, OneOf(LossOptions)], ...],
        BeforeValidator(_kinds),
        Field(min_length=1),
    ] = (L1(),)
    """One kind, or several that are added with their weights."""

    source_weights: dict[str, Positive] | None = None
    """The weight of each source's loss, by its name; those not named have 1."""

    optimiser: Annotated[OptimiserOptions, OneOf(OptimiserOptions), BeforeValidator(_kind)] = Adam()
    """How gradients change weights."""

    lr: Positive = 1e-3
    """The highest learning rate."""

    final_lr: Annotated[float, Field(ge=0)] = 0.0
    """The learning rate of the last step."""

    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    """Steps in which the learning rate rises from almost nothing to its highest; or give epochs."""

    warmup_epochs: Annotated[int, Field(ge=0)] | None = None
    """The same in epochs."""

    schedule: Annotated[ScheduleOptions, OneOf(ScheduleOptions), BeforeValidator(_kind)] = Cosine()
    """How the learning rate goes from its highest to its last."""

    clip_norm: Positive | None = None
    """Gradients of a larger norm are scaled down to it; nothing leaves them as they are."""

    stop_norm: Positive | None = 1e6
    """A larger norm of the gradients ends the run as a failure; nothing lets it go on."""

    ema: Ema | None = None
    """A moving average of the weights; nothing keeps them as they are."""

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of the forward pass: bf16 and fp16 are mixed precision, fp16 with scaled gradients."""

    compile: bool = False
    """Whether the model goes through torch.compile."""

    flip: bool = False
    """Whether each stem's channels and sign are flipped at random."""

    gain: Gain | None = None
    """Each stem louder or softer at random; nothing leaves them as they are."""

    remix: bool = False
    """Whether the stems of a batch are dealt anew, so that mixtures are of several tracks."""

    validation: Validation | None = None
    """Scores while training goes on; nothing trains on all tracks."""

    checkpoint_every: Count | None = None
    """Optimiser steps from one checkpoint to the next; nothing: one every ten minutes or so."""

    @property
    def n_steps(self) -> int:
        """Optimiser steps in all."""
        return self.steps or (self.epochs or 0) * (self.steps_per_epoch or 0)

    @property
    def n_warmup(self) -> int:
        """Steps of the warm-up."""
        return self.warmup_steps or (self.warmup_epochs or 0) * (self.steps_per_epoch or 0)

    @model_validator(mode="after")
    def _agree(self) -> "Recipe":
        # ValueError is what pydantic takes; the reader sees a SpecError with the file.
        _check_length(self)
        if self.n_warmup >= self.n_steps:
            raise ValueError(
                f"warmup_steps must be fewer than steps; found {self.n_warmup} of {self.n_steps}"
            )
        if self.final_lr > self.lr:
            raise ValueError(f"final_lr must not exceed lr; found {self.final_lr} and {self.lr}")
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"accumulate must divide batch_size; found {self.accumulate} parts of "
                f"{self.batch_size} examples"
            )
        if self.gain and self.gain.low > self.gain.high:
            raise ValueError(
                f"gain: low must not exceed high; found {self.gain.low} and {self.gain.high}"
            )
        return self


def _check_length(recipe: Recipe) -> None:
    """Nothing, for a recipe that says its length once.

    Raises:
        ValueError: it does not, or says it twice.
    """
    if (recipe.steps is None) == (recipe.epochs is None):
        found = "neither" if recipe.steps is None else "both"
        raise ValueError(f"steps or epochs is required, and one of them alone; found {found}")
    if recipe.warmup_steps is not None and recipe.warmup_epochs is not None:
        raise ValueError("warmup_steps or warmup_epochs, not both")
    in_epochs = recipe.epochs is not None or bool(recipe.warmup_epochs)
    if in_epochs and recipe.steps_per_epoch is None:
        raise ValueError("epochs need steps_per_epoch")


def augmentation(recipe: Recipe) -> Augmentation:
    """What a recipe does to the stems of a batch."""
    gain = (recipe.gain.low, recipe.gain.high) if recipe.gain else None
    return Augmentation(recipe.flip, gain, recipe.remix)


def recipe_names() -> list[str]:
    """The names of the shipped recipes, sorted."""
    return sorted(path.stem for path in RECIPES.glob("[!.]*.yaml"))


def find_recipe(source: str | Path) -> Path:
    """The file of a shipped recipe's name, or of a path.

    Raises:
        UsageError: neither a shipped name nor a file.
    """
    if isinstance(source, str) and source in recipe_names():
        return RECIPES / f"{source}.yaml"
    path = Path(source)
    if path.is_file():
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise UsageError(f"{path}: there is no such file")
    raise UsageError(f"there is no recipe “{source}”; {nearest(str(source), recipe_names())}")


def load_recipe(source: str | Path, *, overrides: Mapping[str, object] | None = None) -> Recipe:
    """A recipe by its shipped name or from a YAML file.

    Args:
        source: the name or the path.
        overrides: dotted field → value, applied last: {"lr": 3e-4, "ema.decay": 0.99}.

    Raises:
        UsageError: neither a shipped name nor a file.
        SpecError: every fault with file, line, column and field.
    """
    document = read_yaml_file(find_recipe(source))
    return validate(override(document, overrides or {}), Recipe)
