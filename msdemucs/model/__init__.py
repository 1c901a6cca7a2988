"""The plan made of modules."""

from msdemucs.model.build import build
from msdemucs.model.pretrained import load_pretrained
from msdemucs.model.separator import Separator
from msdemucs.model.weights import load_weights, save_weights

__all__ = ["Separator", "build", "load_pretrained", "load_weights", "save_weights"]
