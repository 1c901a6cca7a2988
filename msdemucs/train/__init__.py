"""How a model is trained: a recipe, its schedule, the loop, and runs that can be killed."""

from msdemucs.train.checkpoints import Checkpoints
from msdemucs.train.devices import fabric_for
from msdemucs.train.loop import train
from msdemucs.train.losses import Loss
from msdemucs.train.recipe import Recipe, augmentation, load_recipe, recipe_names
from msdemucs.train.schedule import learning_rate
from msdemucs.train.session import Sampler, Session, StepReport, Training

__all__ = [
    "Checkpoints",
    "Loss",
    "Recipe",
    "Sampler",
    "Session",
    "StepReport",
    "Training",
    "augmentation",
    "fabric_for",
    "learning_rate",
    "load_recipe",
    "recipe_names",
    "train",
]
