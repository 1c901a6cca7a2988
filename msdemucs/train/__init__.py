"""How a model is trained: a recipe, its schedule and the loop."""

from msdemucs.train.loop import Sampler, StepReport, Training, train
from msdemucs.train.recipe import Recipe, load_recipe, recipe_names
from msdemucs.train.schedule import learning_rate

__all__ = [
    "Recipe",
    "Sampler",
    "StepReport",
    "Training",
    "learning_rate",
    "load_recipe",
    "recipe_names",
    "train",
]
