"""What surrounds a training run: where batches come from, who listens, what it leaves."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from torch import nn
from torch.optim.swa_utils import AveragedModel

from msdemucs.data import Batch, Track
from msdemucs.errors import DataError
from msdemucs.train.checkpoints import Checkpoints

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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
        seconds: since the run began, or went on.
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
        curve: (step, loss) of every step that this call made.
        seconds: wall time of this call.
        step: the last that was made.
        loss: of that step.
        best: (step, value) of the best validation, if there was one.
        accumulate: parts in which batches went through the model at the end.
        average: the moving average of the weights, where the recipe wants one.
    """

    curve: tuple[tuple[int, float], ...]
    seconds: float
    step: int
    loss: float = math.nan
    best: tuple[int, float] | None = None
    accumulate: int = 1
    average: AveragedModel | None = None


def _nothing(*_: object) -> None:
    return


@dataclass(frozen=True)
class Session:
    """What surrounds a run and does not change what it learns, but for auto_batch; see `Means`.

    Attributes:
        device: where the model is trained.
        fabric: for several devices, launched already; None makes one for the device.
        checkpoints: where the run saves and goes on from; None does neither.
        validate: measures the model after a step by the recipe's metric, called as its validation
            says: NaN where nothing sounds, None where no track can be read.
        is_comparable: whether the validations of two steps, the earlier first, are of equal tracks.
        until: the step after which to stop for now; None for the recipe's last.
        auto_batch: whether a batch that does not fit goes through in more parts.
        normalised: whether the sampler's tracks are normalised, which checkpoints then say.
        on_step: is told of each step.
        on_validation: is told of each validation: its step and value.
        on_left_out: is told of each track that a step found damaged: the step, the track and how.
        say: is told what else a user should know, a line at a time.
    """

    device: str = "cpu"
    fabric: "Fabric | None" = None
    checkpoints: Checkpoints | None = None
    validate: Callable[[nn.Module, int], float | None] | None = None
    is_comparable: Callable[[int, int], bool] = lambda *_: True
    until: int | None = None
    auto_batch: bool = False
    normalised: bool = False
    on_step: Callable[[StepReport], None] = _nothing
    on_validation: Callable[[int, float], None] = _nothing
    on_left_out: Callable[[int, Track, DataError], None] = _nothing
    say: Callable[[str], None] = _nothing
