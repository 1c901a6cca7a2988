"""A moving average of a model's weights, kept beside it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """a ← d a + (1 − d) w after every step; buffers are taken as they are.

    With a warm-up the decay d is at most (1 + step) / (10 + step), so that the random first weights
    are forgotten.

    Args:
        model: whose weights are averaged; its parameters stay the same tensors.
        decay: d, in [0, 1).
        warmup: see above.

    Source: Polyak and Juditsky 1992; the warm-up is TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, model: nn.Module, *, decay: float, warmup: bool) -> None:
        self.model, self.decay, self.warmup = model, decay, warmup
        self.average = {name: one.detach().clone() for name, one in model.named_parameters()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After a step, counted from 1."""
        decay = min(self.decay, (1 + step) / (10 + step)) if self.warmup else self.decay
        for name, one in self.model.named_parameters():
            self.average[name].lerp_(one, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """A with-block in which the model has the averaged weights."""
        own = {name: one.detach().clone() for name, one in self.model.named_parameters()}
        self._write(self.average)
        try:
            yield
        finally:
            self._write(own)

    def apply(self) -> None:
        """Give the model the averaged weights for good."""
        self._write(self.average)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by their parameters' names."""
        return self.average

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from averages that were saved."""
        for name, one in state.items():
            self.average[name].copy_(one)

    @torch.no_grad()
    def _write(self, values: dict[str, Tensor]) -> None:
        for name, one in self.model.named_parameters():
            one.copy_(values[name])
