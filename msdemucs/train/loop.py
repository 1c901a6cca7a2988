"""One training run: batches in, a trained model and its learning curve out."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msdemucs.data import Batch
from msdemucs.errors import TrainingError
from msdemucs.train.recipe import Recipe
from msdemucs.train.schedule import learning_rate


class Sampler(Protocol):
    """Where batches come from."""

    def batch(self, step: int) -> Batch:
        """The batch of a step, the same whenever it is asked for."""


@dataclass(frozen=True)
class StepReport:
    """What a step did.

    Attributes:
        step: counted from 1.
        loss: of its batch, before the weights changed.
        lr: its learning rate.
        gradient_norm: before clipping.
        seconds: since the run began.
        samples_per_second: samples of audio (one a channel counts once) a second of this step,
            reading included.
    """

    step: int
    loss: float
    lr: float
    gradient_norm: float
    seconds: float
    samples_per_second: float


@dataclass(frozen=True)
class Training:
    """What a run leaves beside the model.

    Attributes:
        curve: (step, loss) of every step.
        seconds: wall time.
    """

    curve: tuple[tuple[int, float], ...]
    seconds: float


def train(
    model: nn.Module,
    sampler: Sampler,
    recipe: Recipe,
    *,
    device: str = "cpu",
    on_step: Callable[[StepReport], None] | None = None,
) -> Training:
    """Train a model in place, and leave it in training mode.

    On the CPU, equal weights, batches, recipe and torch threads give equal weights, bit for bit.

    Args:
        model: [B, A, N] → [B, S, A, N]; lies on the device.
        sampler: yields batches of the recipe's size; asked for steps 1, 2, ….
        recipe: steps, learning rates, clipping.
        device: where the model lies.
        on_step: is told of each step.

    Raises:
        TrainingError: a loss or a gradient that is not finite; the parameters are then those
            before the step.
        DataError: a batch that cannot be read.
    """
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.lr)
    curve: list[tuple[int, float]] = []
    begin = time.perf_counter()
    for step in range(1, recipe.steps + 1):
        before = time.perf_counter()
        batch = sampler.batch(step)
        lr = _set_learning_rate(optimiser, step, recipe)
        loss, norm = _step(model, optimiser, batch, recipe, step=step, device=device)
        curve.append((step, loss))
        if on_step is not None:
            now = time.perf_counter()
            n_samples = batch.mixture.shape[0] * batch.mixture.shape[-1]
            speed = n_samples / (now - before)
            on_step(StepReport(step, loss, lr, norm, now - begin, speed))
    return Training(tuple(curve), time.perf_counter() - begin)


def _set_learning_rate(optimiser: torch.optim.Optimizer, step: int, recipe: Recipe) -> float:
    """The recipe's rate for the step, now the optimiser's."""
    lr = learning_rate(
        step,
        steps=recipe.steps,
        lr=recipe.lr,
        final_lr=recipe.final_lr,
        warmup_steps=recipe.warmup_steps,
    )
    for group in optimiser.param_groups:
        group["lr"] = lr
    return lr


def _step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    recipe: Recipe,
    *,
    step: int,
    device: str,
) -> tuple[float, float]:
    """Change the weights once; the loss and the norm of its gradients.

    Raises:
        TrainingError: either is not finite.
    """
    optimiser.zero_grad(set_to_none=True)
    loss = F.l1_loss(model(batch.mixture.to(device)), batch.references.to(device))
    value = loss.item()
    _check_finite("loss", value, batch, step=step)
    torch.autograd.backward(loss)
    norm = _clip(list(model.parameters()), recipe.clip_norm)
    _check_finite("norm of the gradients", norm, batch, step=step)
    optimiser.step()
    return value, norm


def _clip(parameters: list[Tensor], clip_norm: float | None) -> float:
    """The norm of all gradients, before they are scaled down to the norm allowed."""
    limit = math.inf if clip_norm is None else clip_norm
    return float(nn.utils.clip_grad_norm_(parameters, limit))


def _check_finite(what: str, value: float, batch: Batch, *, step: int) -> None:
    """Nothing, while training can go on.

    Raises:
        TrainingError: the value is NaN or infinite.
    """
    if math.isfinite(value):
        return
    tracks = ", ".join(f"“{name}”" for name in dict.fromkeys(batch.tracks))
    found = "NaN" if math.isnan(value) else "infinite"
    raise TrainingError(
        f"the {what} is {found}; the batch held {tracks}. "
        "A lower lr, a longer warm-up or a smaller clip_norm may help",
        step=step,
    )
