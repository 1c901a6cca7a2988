"""Kinds that each break one promise, for `tests/test_kinds.py` to find; loading it defines them."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from msdemucs.model.fusion import AverageFusion, SumFusion, fusion
from msdemucs.spec import Plan
from msdemucs.spec.fusion import Estimates, OutputOptions
from msdemucs.spec.operators import Mix, Operator
from msdemucs.train.losses import LossOptions, by_source
from msdemucs.train.optimisers import OptimiserOptions, ScheduleOptions, build_optimiser


class Sum(OutputOptions):
    """What the broken ones have in common."""

    kind: str

    def operators(self, estimates: Estimates) -> tuple[Operator, ...]:
        return (Mix(0, estimates.elements),)


class WithoutModule(Sum):
    """Nothing computes it."""

    kind: Literal["broken_without_module"] = "broken_without_module"


class Miscounted(Sum):
    """Its weights are not counted."""

    kind: Literal["broken_count"] = "broken_count"


class Cut(Sum):
    """No gradient passes."""

    kind: Literal["broken_gradient"] = "broken_gradient"


class Longer(Sum):
    """Its estimates are a sample too long."""

    kind: Literal["broken_size"] = "broken_size"


class Unwritten(Sum):
    """One of its options gets lost."""

    kind: Literal["broken_writing"] = "broken_writing"
    lost: Annotated[int, Field(ge=1, exclude=True)] = 1
    """Not written."""


class CutSum(SumFusion):
    def forward(self, waveforms: Tensor) -> Tensor:
        return super().forward(waveforms.detach())


class LongerSum(SumFusion):
    def forward(self, waveforms: Tensor) -> Tensor:
        return nn.functional.pad(super().forward(waveforms), (0, 1))


@fusion.register
def _(options: Miscounted, plan: Plan) -> nn.Module:
    return AverageFusion(1, len(plan.spectral), None)


@fusion.register
def _(options: Cut, plan: Plan) -> nn.Module:
    return CutSum()


@fusion.register
def _(options: Longer, plan: Plan) -> nn.Module:
    return LongerSum()


@fusion.register
def _(options: Unwritten, plan: Plan) -> nn.Module:
    return SumFusion()


class WithoutFormula(LossOptions):
    """Nothing computes it."""

    kind: Literal["broken_without_formula"] = "broken_without_formula"


class Flat(LossOptions):
    """It has no slope."""

    kind: Literal["broken_loss"] = "broken_loss"


@by_source.register
def _(options: Flat, estimates: Tensor, references: Tensor, level: float) -> Tensor:
    return 0 * (estimates - references).abs().mean((2, 3))


class Partial(OptimiserOptions):
    """It leaves most parameters alone."""

    kind: Literal["broken_optimiser"] = "broken_optimiser"


@build_optimiser.register
def _(options: Partial, model: nn.Module, *, lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(list(model.parameters())[:1], lr=lr)


class Endless(ScheduleOptions):
    """It does not say its share."""

    kind: Literal["broken_schedule"] = "broken_schedule"
