"""How is a model trained? Recipes in YAML, shipped by name or given as a file."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from msdemucs.errors import UsageError
from msdemucs.spec import Section, load_validated, nearest

RECIPES = Path(__file__).parent.parent / "recipes"

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Recipe(Section):
    """What a training run does, whatever the architecture; the seed belongs to the run."""

    name: str
    """What records and reports call it."""

    steps: Count
    """Batches in all."""

    batch_size: Count
    """Examples a step."""

    segment: Positive
    """Seconds of an example."""

    loss: Literal["l1"] = "l1"
    """The mean absolute difference of estimates and references."""

    optimiser: Literal["adam"] = "adam"
    """Adam, with the betas of its paper."""

    lr: Positive = 1e-3
    """The highest learning rate."""

    final_lr: Annotated[float, Field(ge=0)] = 0.0
    """The learning rate of the last step; a cosine leads there."""

    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps in which the learning rate rises from almost nothing to its highest."""

    clip_norm: Positive | None = None
    """Gradients of a larger norm are scaled down to it; nothing leaves them as they are."""

    flip: bool = False
    """Whether each stem's channels and sign are flipped at random."""

    @model_validator(mode="after")
    def _agree(self) -> "Recipe":
        # ValueError is what pydantic takes; the reader sees a SpecError with the file.
        if self.warmup_steps >= self.steps:
            raise ValueError(
                f"warmup_steps must be fewer than steps; found {self.warmup_steps} of {self.steps}"
            )
        if self.final_lr > self.lr:
            raise ValueError(f"final_lr must not exceed lr; found {self.final_lr} and {self.lr}")
        return self


def recipe_names() -> list[str]:
    """The names of the shipped recipes, sorted."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def load_recipe(source: str | Path) -> Recipe:
    """A recipe by its shipped name or from a YAML file.

    Raises:
        UsageError: neither a shipped name nor a file.
        SpecError: every fault with file, line, column and field.
    """
    shipped = RECIPES / f"{source}.yaml"
    if isinstance(source, str) and source in recipe_names():
        return load_validated(shipped, Recipe)
    path = Path(source)
    if path.is_file():
        return load_validated(path, Recipe)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise UsageError(f"{path}: there is no such file")
    raise UsageError(f"there is no recipe “{source}”; {nearest(str(source), recipe_names())}")
