"""The gradients of a batch, which goes through the model in as many parts as it takes."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.optim import Optimizer

from msdemucs.cost import training_bytes
from msdemucs.data import Batch
from msdemucs.errors import TrainingError
from msdemucs.measure.inference import is_out_of_memory
from msdemucs.model import Separator
from msdemucs.spec import plan
from msdemucs.train.losses import Loss
from msdemucs.train.recipe import Recipe
from msdemucs.train.session import Session
from msdemucs.units import format_bytes

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from lightning_fabric.wrappers import _FabricModule


class Gradients:
    """Computes the loss of a batch and its gradients, over all parts and devices.

    Args:
        plain: the model.
        model: the same, as the Fabric trains it.
        optimiser: whose gradients they are.
        fabric: devices.
        recipe: the loss, and the parts of a batch.
        session: whether a batch that does not fit goes through in more parts.

    Attributes:
        parts: in which a batch goes through the model now.
    """

    def __init__(
        self,
        plain: Separator,
        model: "_FabricModule",
        optimiser: Optimizer,
        fabric: "Fabric",
        recipe: Recipe,
        session: Session,
    ) -> None:
        self.plain, self.model, self.optimiser, self.fabric = plain, model, optimiser, fabric
        self.recipe, self.session = recipe, session
        self.loss = Loss(recipe.loss, plain.spec.sources, recipe.source_weights)
        self.loss.to(fabric.device)
        self.parts = recipe.accumulate

    def of(self, batch: Batch, step: int) -> float:
        """Returns the loss of a batch, its gradients in place; in more parts where it does not fit.

        Raises:
            TrainingError: it does not fit.
            RuntimeError: another fault of torch's.
            MemoryError: never; it is told as a TrainingError.
        """
        while True:
            drawn = torch.get_rng_state()
            buffers = [buffer.clone() for buffer in self.plain.buffers()] if self.can_part else []
            try:
                return self._forward_and_back(batch)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0] if str(error) else "no more memory"
            self.optimiser.zero_grad(set_to_none=True)
            if not self.can_part:
                raise TrainingError(self._too_large(reason), step=step)
            torch.set_rng_state(drawn)
            for buffer, old in zip(self.plain.buffers(), buffers, strict=True):
                buffer.data.copy_(old)
            self.parts = self._next_parts()
            self.session.say(
                f"step {step}: out of memory; batches go through in {self.parts} parts now"
            )

    def _forward_and_back(self, batch: Batch) -> float:
        """The mean loss over all parts and devices; gradients are added up."""
        self.optimiser.zero_grad(set_to_none=True)
        mixture, references = self._share(batch.mixture), self._share(batch.references)
        level = float(batch.mixture.square().mean())  # of the whole batch: parts must not matter
        total = 0.0
        size = len(mixture) // self.parts
        for part in range(self.parts):
            items = slice(part * size, (part + 1) * size)
            with self.fabric.no_backward_sync(self.model, enabled=part + 1 < self.parts):
                estimates = self.model(mixture[items])
                loss = self.loss(estimates, references[items], level) / self.parts
                self.fabric.backward(loss)
            total += float(loss.detach())
        if self.fabric.world_size > 1:
            mean = self.fabric.all_reduce(torch.tensor(total), reduce_op="mean")
            assert isinstance(mean, Tensor)
            return mean.item()
        return total

    def _share(self, items: Tensor) -> Tensor:
        """This process's share of a batch, on its device."""
        share = len(items) // self.fabric.world_size
        first = self.fabric.global_rank * share
        return items[first : first + share].to(self.fabric.device)

    @property
    def can_part(self) -> bool:
        """Whether a batch may go through in more parts than now."""
        return self.session.auto_batch and self._next_parts() > self.parts

    def _next_parts(self) -> int:
        """The next larger number of parts that divides each device's batch; the same if none."""
        share = self.recipe.batch_size // self.fabric.world_size
        larger = range(self.parts + 1, share + 1)
        return next((parts for parts in larger if share % parts == 0), self.parts)

    def _too_large(self, reason: str) -> str:
        """What the cost model predicted of a batch that does not fit, and what would fit."""
        on_device = self.recipe.batch_size // self.fabric.world_size
        parts, segment = self._next_parts(), self.recipe.model_segment
        share, smaller = on_device // self.parts, on_device // parts
        planned = plan(self.plain.spec.model_copy(update={"segment": segment}))
        now = format_bytes(training_bytes(planned, batch=share))
        message = f"out of memory ({reason}); {share} × {segment:g} s need about {now}"
        if smaller == share:
            return f"{message}; shorten the recipe's segment, or narrow the model"
        less = format_bytes(training_bytes(planned, batch=smaller))
        return (
            f"{message}, {smaller} need {less}: write accumulate: {parts} in the recipe, "
            "or let --auto-batch find out"
        )
