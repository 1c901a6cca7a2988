"""How a model is trained: a recipe, its schedule, the loop, and runs that can be killed."""

from msdemucs.train.devices import fabric_for
from msdemucs.train.loop import sampler, train
from msdemucs.train.losses import Loss
from msdemucs.train.recipe import Recipe, learning_rate, load_recipe, recipe_names
from msdemucs.train.session import Checkpoints, Sampler, Session, StepReport, Training

__all__ = [
    "Checkpoints",
    "Loss",
    "Recipe",
    "Sampler",
    "Session",
    "StepReport",
    "Training",
    "fabric_for",
    "learning_rate",
    "load_recipe",
    "recipe_names",
    "sampler",
    "train",
]
