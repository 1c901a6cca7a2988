"""How weights change: optimisers, schedules of the learning rate, and moving averages."""

import math
from collections.abc import Mapping
from functools import singledispatch
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from msdemucs.spec.sections import Kind

Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimiserOptions(Kind):
    """What every optimiser has."""


class Adam(OptimiserOptions):
    """Adam.

    Source: Kingma and Ba 2015 (arXiv:1412.6980).
    """

    kind: Literal["adam"] = "adam"
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Decay rates of the averages of gradients and of their squares."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the root of the average square."""


class AdamW(OptimiserOptions):
    """Adam with decoupled weight decay.

    Biases, gains and all else with fewer than two axes are not decayed: decay would undo norms and
    LayerScales.
    Source: Loshchilov and Hutter 2019 (arXiv:1711.05101).
    """

    kind: Literal["adamw"] = "adamw"
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Decay rates of the averages of gradients and of their squares."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the root of the average square."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Share of a weight that each step takes away, times the learning rate."""


@singledispatch
def build_optimiser(options: object, model: nn.Module, *, lr: float) -> torch.optim.Optimizer:  # noqa: ARG001
    """The optimiser of a model's parameters.

    Raises:
        TypeError: a kind without an optimiser.
    """
    raise TypeError(f"no optimiser for {type(options).__name__}")


@build_optimiser.register
def _(options: Adam, model: nn.Module, *, lr: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=lr, betas=options.betas, eps=options.eps)


@build_optimiser.register
def _(options: AdamW, model: nn.Module, *, lr: float) -> torch.optim.Optimizer:
    parameters = list(model.parameters())
    decayed = [weights for weights in parameters if weights.ndim >= 2]
    others = [weights for weights in parameters if weights.ndim < 2]
    groups: list[dict[str, object]] = [{"params": decayed}] if decayed else []
    if others:
        groups.append({"params": others, "weight_decay": 0.0})
    return torch.optim.AdamW(
        groups,
        lr=lr,
        betas=options.betas,
        eps=options.eps,
        weight_decay=options.weight_decay,
    )


class ScheduleOptions(Kind):
    """How the rate goes from its highest to its last, after the warm-up."""

    def share(self, done: int, of: int) -> float:
        """Where the rate is between the last (0) and the highest (1).

        Args:
            done: steps since the highest rate.
            of: steps from there to the run's last; at least 1.

        Raises:
            NotImplementedError: a kind that does not say.
        """
        raise NotImplementedError


class Constant(ScheduleOptions):
    """The highest rate all along; the last one is not used."""

    kind: Literal["constant"] = "constant"

    def share(self, done: int, of: int) -> float:  # noqa: ARG002
        """Always the highest."""
        return 1.0


class Cosine(ScheduleOptions):
    """Half a cosine.

    Source: Loshchilov and Hutter 2017, SGDR (arXiv:1608.03983), equation 5, without restarts.
    """

    kind: Literal["cosine"] = "cosine"

    def share(self, done: int, of: int) -> float:
        """From 1 to 0."""
        return (1 + math.cos(math.pi * done / of)) / 2


class Restarts(ScheduleOptions):
    """Half cosines, each beginning at the highest rate again.

    Source: Loshchilov and Hutter 2017, SGDR (arXiv:1608.03983), section 3.
    """

    kind: Literal["restarts"] = "restarts"
    cycles: Annotated[int, Field(ge=1, le=100)] = 2
    """How many in all."""
    growth: Annotated[float, Field(ge=0.01, le=100)] = 2.0
    """How many times as long as the last each is."""

    def share(self, done: int, of: int) -> float:
        """From 1 to 0 in every cycle."""
        lengths = [self.growth**index for index in range(self.cycles)]
        unit, start = of / sum(lengths), 0.0
        for length in lengths[:-1]:
            if done < start + length * unit:
                return (1 + math.cos(math.pi * (done - start) / (length * unit))) / 2
            start += length * unit
        return (1 + math.cos(math.pi * min(1.0, (done - start) / (lengths[-1] * unit)))) / 2


class Anneal(ScheduleOptions):
    """A fast fall that slows down: (1 − t)^power at the share t of the steps.

    With a power of 3 the rate has lost seven eighths of its way by the middle of the run, where a
    cosine has lost half: after a warm restart most steps refine what is there.
    """

    kind: Literal["anneal"] = "anneal"
    power: Annotated[float, Field(ge=1)] = 3.0
    """1 falls along a line; more falls faster at first."""

    def share(self, done: int, of: int) -> float:
        """From 1 to 0."""
        return float((1 - done / of) ** self.power)


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


def resume_average(average: AveragedModel, saved: Mapping[str, Tensor], step: int) -> None:
    """Have an average go on after a step, from the averages of then."""
    for name, values in averages_of(average).items():
        values.copy_(saved[name])
    average.n_averaged.fill_(step + 1)


def take_average(average: AveragedModel, model: nn.Module) -> None:
    """Give a model the averaged weights for good."""
    averages = averages_of(average)
    for name, weights in model.named_parameters():
        weights.detach().copy_(averages[name])
