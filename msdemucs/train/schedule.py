"""Which learning rate does a step have? A function of the step alone, so that runs can resume."""

import math
from typing import Annotated, Literal

from pydantic import Field

from msdemucs.spec.sections import Kind


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


def learning_rate(  # noqa: PLR0913 (one argument a field of the recipe)
    step: int,
    *,
    steps: int,
    lr: float,
    final_lr: float,
    warmup_steps: int = 0,
    schedule: ScheduleOptions | None = None,
    epoch_steps: int | None = None,
) -> float:
    """Return the rate of a step: a linear rise to `lr`, then the schedule's way to `final_lr`.

    By step, `lr` is reached at step `warmup_steps`, and the schedule's end at the last step. By
    epoch, an epoch has one rate: the warm-up's at its end, the schedule's at its beginning, so that
    `lr` comes twice after a warm-up and `final_lr`, towards which the last epoch leads, never.

    Args:
        step: counted from 1.
        steps: of the whole run.
        lr: the highest rate.
        final_lr: the rate of the last step.
        warmup_steps: fewer than `steps`.
        schedule: the way down; None is half a cosine.
        epoch_steps: of an epoch, a divisor of `warmup_steps`; None goes by step.
    """
    if epoch_steps:
        epoch, warmup = (step - 1) // epoch_steps, warmup_steps // epoch_steps
        if epoch < warmup:
            return lr * (epoch + 1) / warmup
        epochs = math.ceil(steps / epoch_steps)
        share = (schedule or Cosine()).share(epoch - warmup, epochs - warmup)
        return final_lr + (lr - final_lr) * share
    if step <= warmup_steps:
        return lr * step / warmup_steps
    # Without a warm-up the first step has the highest rate, as the last of a warm-up would.
    first = max(1, warmup_steps)
    share = (schedule or Cosine()).share(step - first, max(1, steps - first))
    return final_lr + (lr - final_lr) * share
