"""A model as it is used rather than trained: evaluation mode, no gradients, a known device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from msdemucs.errors import MsdemucsError


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


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python's, the CPU's or the GPU's allocator had no more."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)


@contextmanager
def memory_explained(
    advice: str, kind: Callable[[str], MsdemucsError] = MsdemucsError
) -> Iterator[None]:
    """Turn an allocator's refusal in the block into an error that says what to do.

    Args:
        advice: what needs less.
        kind: makes the error of its message.

    Raises:
        MsdemucsError: there is not enough memory.
        RuntimeError: another fault of torch's.
        MemoryError: never; it is told as the error above.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0] or "no more memory"
        raise kind(f"out of memory ({reason}); {advice}") from None
