"""A model as it is used rather than trained: evaluation mode, no gradients, a known device."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def inference(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; every submodule's own mode is restored after."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, is_training in modes:
            module.training = is_training


def device_of(model: nn.Module) -> torch.device:
    """Where the model's parameters lie; the CPU for a model without any."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def wait_for(device: torch.device) -> None:
    """Return once all that was asked of a GPU is done; at once on the CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
