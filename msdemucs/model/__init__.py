"""The plan made of modules."""

from msdemucs.model.separator import Separator, build
from msdemucs.model.weights import load_pretrained, load_weights, save_weights

__all__ = ["Separator", "build", "load_pretrained", "load_weights", "save_weights"]
