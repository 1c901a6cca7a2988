"""A moving average of a model's weights, kept beside it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

Tensors = tuple[Tensor, ...] | list[Tensor]


def moving_average(model: nn.Module, *, decay: float, warmup: bool) -> AveragedModel:
    """Return a model that follows another: a ← d a + (1 − d) w at each `update_parameters`.

    With a warm-up the decay d is at most (1 + step) / (10 + step), so that the random first weights
    are forgotten. Buffers are taken as they are.

    Args:
        model: whose weights are averaged.
        decay: d, in [0, 1).
        warmup: see above.

    Source: Polyak and Juditsky 1992; the warm-up is TensorFlow's ExponentialMovingAverage.
    """

    def follow(averages: Tensors, weights: Tensors, step: Tensor | int) -> None:
        done = int(step) if warmup else 0  # once for all weights: on a GPU it waits
        kept = min(decay, (1 + done) / (10 + done)) if warmup else decay
        torch._foreach_lerp_(averages, weights, 1 - kept)

    average = AveragedModel(model, multi_avg_fn=follow)
    average.n_averaged.fill_(1)  # at 0 torch would take the weights of the first step as they are
    return average


def averages_of(average: AveragedModel) -> dict[str, Tensor]:
    """Return the averages by their parameters' names, as checkpoints hold them."""
    return {name: values.detach() for name, values in average.module.named_parameters()}


def go_on(average: AveragedModel, saved: Mapping[str, Tensor], step: int) -> None:
    """Have an average go on after a step, from the averages of then."""
    for name, values in averages_of(average).items():
        values.copy_(saved[name])
    average.n_averaged.fill_(step + 1)


def take(average: AveragedModel, model: nn.Module) -> None:
    """Give a model the averaged weights for good."""
    averages = averages_of(average)
    for name, weights in model.named_parameters():
        weights.detach().copy_(averages[name])
