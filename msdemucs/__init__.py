"""Architecture search and ablation for Demucs-style music source separation.

from msdemucs import build, load_spec
model = build(load_spec("htdemucs_n"))
estimates = model(mixture)  # [batch, channels, samples] → [batch, sources, channels, samples]
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from msdemucs.cost import cost_of
from msdemucs.spec import Spec, load_spec, parse_spec

if TYPE_CHECKING:
    from msdemucs.evaluate import separate
    from msdemucs.model import Separator, load_pretrained, load_weights, save_weights
    from msdemucs.model.separator import build

__version__ = version("msdemucs")

__all__ = [
    "Separator",
    "Spec",
    "build",
    "cost_of",
    "load_pretrained",
    "load_spec",
    "load_weights",
    "parse_spec",
    "save_weights",
    "separate",
]

_NEEDS_TORCH = {
    "Separator": "model",
    "build": "model",
    "load_pretrained": "model",
    "load_weights": "model",
    "save_weights": "model",
    "separate": "evaluate",
}


def __getattr__(name: str) -> object:
    # What needs torch is loaded when it is first asked for: importing torch takes seconds.
    if name in _NEEDS_TORCH:
        return getattr(import_module(f"msdemucs.{_NEEDS_TORCH[name]}"), name)
    raise AttributeError(f"module “{__name__}” has no attribute “{name}”")
