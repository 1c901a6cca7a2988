"""How gradients change weights: optimisers and what of a model they may decay."""

from functools import singledispatch
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

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
    decayed = [one for one in parameters if one.ndim >= 2]
    others = [one for one in parameters if one.ndim < 2]
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
