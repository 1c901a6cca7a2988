"""How is a model trained? Recipes in YAML, shipped by name or given as a file."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from msdemucs.errors import UsageError
from msdemucs.spec import Section, nearest
from msdemucs.spec.sections import OneOf, validate
from msdemucs.spec.source import override, read_yaml_file
from msdemucs.train.losses import L1, LossOptions
from msdemucs.train.optimisers import Adam, Cosine, OptimiserOptions, ScheduleOptions

RECIPES = Path(__file__).parent.parent / "recipes"

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Metric = Literal["usdr", "loss"]


def _kind(value: object) -> object:
    """A name alone stands for the kind with its defaults."""
    return {"kind": value} if isinstance(value, str) else value


def _kinds(value: object) -> object:
    """One kind stands for a list of one."""
    values = [value] if isinstance(value, str | Mapping) else value
    return tuple(map(_kind, values)) if isinstance(values, list | tuple) else values


class Grown(Section):
    """A section that has gained fields since studies and runs recorded it.

    Where such a field has its default it is not written, so that what was recorded before it came
    compares equal, and equal trainings keep one key.
    """

    GAINED: ClassVar[tuple[str, ...]]

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        defaults = {name: type(self).model_fields[name].default for name in self.GAINED}
        return {
            name: value
            for name, value in write(self).items()
            if name not in defaults or getattr(self, name) != defaults[name]
        }


class Ema(Section):
    """An exponential moving average of the weights, which is what is judged and saved."""

    decay: Share = 0.999
    """Share of the old average at each step."""

    warmup: bool = True
    """Whether early steps count more: the decay is at most (1 + step) / (10 + step)."""


class Validation(Grown):
    """Scores on tracks that are not trained on, while training goes on."""

    GAINED = ("metric",)

    every: Count
    """Optimiser steps from one validation to the next; the last step has one too."""

    tracks: Count | None = 1
    """How many of the training tracks are held out for it, whole songs; null holds out MUSDB's
    official ones, or 15 in 100 and at least two. Where there is a validation/ folder beside train/,
    its tracks are taken instead; in a study, the study's."""

    metric: Metric = "usdr"
    """The uSDR in dB, the higher the better; or the recipe's loss of whole tracks, the lower."""

    def is_better(self, value: float, than: float) -> bool:
        """Whether one value of the metric is better than another."""
        return value > than if self.metric == "usdr" else value < than


class Gain(Section):
    """The range from which each stem's gain is drawn."""

    low: Positive = 0.25
    """The smallest."""

    high: Positive = 1.25
    """The largest."""


class Recipe(Grown):
    """What a training run does, whatever the architecture; the seed belongs to the run."""

    GAINED = ("shift", "grid", "normalise", "joint", "schedule_by", "keep")

    name: str
    """What records and reports call it."""

    steps: Count | None = None
    """Optimiser steps in all; or give epochs."""

    epochs: Count | None = None
    """Epochs in all, of steps_per_epoch each."""

    steps_per_epoch: Count | None = None
    """Optimiser steps of an epoch, a convention where segments are drawn without a grid."""

    batch_size: Count
    """Examples an optimiser step, over all devices and parts."""

    accumulate: Count = 1
    """Parts in which a batch goes through the model, to save memory; gradients add up."""

    segment: Positive
    """Seconds of an example, as it is read."""

    shift: Positive | None = None
    """Of which so many do not reach the model: each stem is cut at random at both ends."""

    grid: Positive | None = None
    """Seconds from one example's start to the next, each once before any comes again in an epoch;
    nothing lets examples begin anywhere, again where nothing sounds."""

    normalise: bool = False
    """Whether each track is brought to zero mean and unit deviation of its mono mixture, stems
    alike. The loss is in those units, and the weights say so to who separates with them."""

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

    schedule_by: Literal["step", "epoch"] = "step"
    """What has one learning rate: every step another, or a staircase of epochs."""

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

    joint: bool = False
    """Whether shift, flip, gain and remix take the stems of a source together, and with one source
    all stems: mixture and target alike."""

    validation: Validation | None = None
    """Scores while training goes on; nothing trains on all tracks."""

    keep: Literal["best", "last"] = "last"
    """Which weights are judged and saved: those of the best validation, or of the last step."""

    checkpoint_every: Count | None = None
    """Optimiser steps from one checkpoint to the next; nothing: one every ten minutes or so."""

    @property
    def n_steps(self) -> int:
        """Optimiser steps in all."""
        return self.steps or (self.epochs or 0) * (self.steps_per_epoch or 0)

    @property
    def model_segment(self) -> float:
        """Seconds of an example that reach the model."""
        return self.segment - (self.shift or 0)

    @property
    def n_warmup(self) -> int:
        """Steps of the warm-up."""
        return self.warmup_steps or (self.warmup_epochs or 0) * (self.steps_per_epoch or 0)

    # ValueError is what pydantic takes; the reader sees a SpecError with the file.

    @model_validator(mode="after")
    def _has_a_length(self) -> "Recipe":
        if (self.steps is None) == (self.epochs is None):
            which = "neither" if self.steps is None else "both"
            raise ValueError(f"steps or epochs is required, and one of them alone; found {which}")
        if self.warmup_steps is not None and self.warmup_epochs is not None:
            raise ValueError("warmup_steps or warmup_epochs, not both")
        is_staircase = self.schedule_by == "epoch"
        in_epochs = self.epochs is not None or bool(self.warmup_epochs) or is_staircase
        if in_epochs and self.steps_per_epoch is None:
            raise ValueError("epochs need steps_per_epoch")
        if is_staircase and self.n_warmup % (self.steps_per_epoch or 1):
            raise ValueError(
                f"schedule_by: epoch needs a warm-up of whole epochs; found {self.n_warmup} steps "
                f"of {self.steps_per_epoch} each"
            )
        return self

    @model_validator(mode="after")
    def _agree(self) -> "Recipe":
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
        if self.model_segment <= 0:
            raise ValueError(
                f"shift must be shorter than segment; found {self.shift} of {self.segment}"
            )
        if self.keep == "best" and self.validation is None:
            raise ValueError("keep: best needs a validation, as in validation: {every: 400}")
        return self


def learning_rate(step: int, recipe: Recipe) -> float:
    """Return the rate of a step: a linear rise to `lr`, then the schedule's way to `final_lr`.

    It depends on the step alone, so that runs can resume. By step, `lr` is reached at the warm-up's
    last step, and the schedule's end at the run's. By epoch, an epoch has one rate: the warm-up's
    at its end, the schedule's at its beginning, so that `lr` comes twice after a warm-up and
    `final_lr`, towards which the last epoch leads, never.

    Args:
        step: counted from 1.
        recipe: its rates, its schedule, and the steps of each.
    """
    lr, steps, warmup = recipe.lr, recipe.n_steps, recipe.n_warmup
    if recipe.schedule_by == "epoch":
        of_epoch = recipe.steps_per_epoch or 1
        epoch, warmup = (step - 1) // of_epoch, warmup // of_epoch
        if epoch < warmup:
            return lr * (epoch + 1) / warmup
        share = recipe.schedule.share(epoch - warmup, math.ceil(steps / of_epoch) - warmup)
    elif step <= warmup:
        return lr * step / warmup
    else:
        first = max(1, warmup)  # without a warm-up the first has the highest, as one's last would
        share = recipe.schedule.share(step - first, max(1, steps - first))
    return recipe.final_lr + (lr - recipe.final_lr) * share


def recipe_names() -> list[str]:
    """The names of the shipped recipes, sorted."""
    return sorted(path.stem for path in RECIPES.glob("[!.]*.yaml"))


def load_recipe(source: str | Path, *, overrides: Mapping[str, object] | None = None) -> Recipe:
    """A recipe by its shipped name or from a YAML file.

    Args:
        source: the name or the path.
        overrides: dotted field → value, applied last: {"lr": 3e-4, "ema.decay": 0.99}.

    Raises:
        UsageError: neither a shipped name nor a file.
        SpecError: every fault with file, line, column and field.
    """
    path = Path(source)
    if isinstance(source, str) and source in recipe_names():
        path = RECIPES / f"{source}.yaml"
    elif not path.is_file():
        if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
            raise UsageError(f"{path}: there is no such file")
        raise UsageError(f"there is no recipe “{source}”; {nearest(str(source), recipe_names())}")
    return validate(override(read_yaml_file(path), overrides or {}), Recipe)
