"""How much memory a spec needs at most, from its plan alone."""

from msdemucs.cost.memory.walk import BYTES, inference_bytes, training_bytes

__all__ = ["BYTES", "inference_bytes", "training_bytes"]
