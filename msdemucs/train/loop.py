"""One training run: batches in, a trained model and its learning curve out."""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from msdemucs.data import Augmentation, Batch, Grid, SegmentSampler, Track
from msdemucs.errors import DivergedError, UsageError, diverged_at
from msdemucs.model import Separator
from msdemucs.spec import Spec
from msdemucs.train.devices import Interrupts, fabric_for, first_says, refuse_unlike
from msdemucs.train.gradients import Gradients
from msdemucs.train.optimisers import (
    averages_of,
    build_optimiser,
    moving_average,
    resume_average,
)
from msdemucs.train.recipe import Recipe, Validation, learning_rate
from msdemucs.train.session import Sampler, Session, State, StepReport, Training

SECONDS_BETWEEN_CHECKPOINTS = 600.0

MOST_SCALED_DOWN = 20
"""Steps in a row that fp16's gradients may overflow while their scale is being found."""


def sampler(
    recipe: Recipe, spec: Spec, tracks: Sequence[Track], *, seed: int, normalised: bool
) -> SegmentSampler:
    """Where the batches of a training come from.

    Args:
        recipe: its sizes, and what it does to examples.
        spec: its sources and sample rate.
        tracks: to train on.
        seed: of the examples.
        normalised: whether tracks are, for the recipe or for the weights that it begins with.

    Raises:
        DataError: no track, or one that is shorter than a segment.
    """
    gain = (recipe.gain.low, recipe.gain.high) if recipe.gain else None
    read, heard, stride = (
        round((seconds or 0) * spec.sample_rate)
        for seconds in (recipe.segment, recipe.model_segment, recipe.grid)
    )
    return SegmentSampler(
        tracks,
        sources=spec.sources,
        segment_samples=read,
        batch_size=recipe.batch_size,
        seed=seed,
        augmentation=Augmentation(read - heard, recipe.flip, gain, recipe.remix),
        normalised=normalised,
        joint=recipe.joint,
        grid=Grid(max(1, stride), recipe.steps_per_epoch) if recipe.grid else None,
    )


def train(
    model: Separator, sampler: Sampler, recipe: Recipe, session: Session | None = None
) -> Training:
    """Train a model in place, and leave it in training mode.

    On the CPU, equal weights, batches, recipe and torch threads give equal weights, bit for bit,
    however often the run was interrupted between its checkpoints. On a GPU kernels may add in
    another order from run to run; batches, schedules and dropout's draws are the same.

    With a moving average the model has its own weights in the end, and `Training.average` the
    averages. With `keep: best` both are those of the best validation so far.

    Args:
        model: [B, A, N] → [B, S, A, N].
        sampler: yields batches of the recipe's size; asked for steps 1, 2, ….
        recipe: what is minimised, how, and for how long.
        session: devices, checkpoints, listeners.

    Raises:
        TrainingError: a loss or a gradient that is not finite or explodes, or a batch that does not
            fit in memory; the parameters are then those before the step.
        DataError: a batch that cannot be read.
        CheckpointError: one that cannot be read or written.
        UsageError: `keep: best` without a validation, or without checkpoints.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after a checkpoint was saved.
    """
    return Run(model, sampler, recipe, session or Session()).go()


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        step: the last that was made.
        best: (step, value) of the best validation.
        overflows: steps in a row whose scaled gradients were not finite.
        loss: of that step.
    """

    step: int = 0
    best: tuple[int, float] | None = None
    overflows: int = 0
    loss: float = math.nan
    curve: list[tuple[int, float]] = field(default_factory=list)


class Run:
    """One call of `train`."""

    def __init__(
        self, model: Separator, sampler: Sampler, recipe: Recipe, session: Session
    ) -> None:
        if recipe.keep == "best" and not (session.validate and session.checkpoints):
            raise UsageError("keep: best needs a validation, and checkpoints that hold the best")
        self.plain, self.sampler, self.recipe, self.session = model, sampler, recipe, session
        self.fabric = session.fabric or fabric_for(session.device, precision=recipe.precision)
        model.train().to(self.fabric.device)
        optimiser = build_optimiser(recipe.optimiser, model, lr=recipe.lr)
        compiled: nn.Module = torch.compile(model) if recipe.compile else model  # type: ignore[assignment]
        self.model, self.optimiser = self.fabric.setup(compiled, optimiser)
        self.gradients = Gradients(model, self.model, self.optimiser, self.fabric, recipe, session)
        self.average = (
            moving_average(model, decay=recipe.ema.decay, warmup=recipe.ema.warmup)
            if recipe.ema
            else None
        )
        self.at = Progress()

    def go(self) -> Training:
        """From the last checkpoint, or the beginning, to the end.

        Raises:
            KeyboardInterrupt: a signal, after a checkpoint was saved.
        """
        self.resume()
        begin = saved = time.perf_counter()
        last = min(self.recipe.n_steps, self.session.until or self.recipe.n_steps)
        is_shared = self.fabric.world_size > 1
        with Interrupts() as interrupts, interrupts.held() if is_shared else nullcontext():
            try:
                for step in range(self.at.step + 1, last + 1):
                    with nullcontext() if is_shared else interrupts.held():
                        self.step(step, begin)
                        self.validate(step)
                        if step == last or self.is_due(step, time.perf_counter() - saved):
                            self.save()
                            saved = time.perf_counter()
                    if is_shared:
                        self.stop_together(interrupts)
            except KeyboardInterrupt:
                self.save()
                raise
        at = self.at
        seconds = time.perf_counter() - begin
        if self.recipe.keep == "best" and at.best and self.session.checkpoints:
            remedy = "it held the best weights; remove the checkpoints to train anew"
            state = self.session.checkpoints.read(at.best[0], self.plain, remedy=remedy)
            if self.average:
                resume_average(self.average, state["average"], at.best[0])
        parts = self.gradients.parts
        return Training(tuple(at.curve), seconds, at.step, at.loss, at.best, parts, self.average)

    def stop_together(self, interrupts: Interrupts) -> None:
        """Raise KeyboardInterrupt in all processes after the step in which one was asked to stop.

        Raises:
            KeyboardInterrupt: one was.
        """
        heard = torch.tensor(float(interrupts.number if interrupts.is_pending else 0))
        number = self.fabric.all_reduce(heard.to(self.fabric.device), reduce_op="max")
        assert isinstance(number, Tensor)
        if number:
            raise KeyboardInterrupt(int(number))

    def is_due(self, step: int, seconds: float) -> bool:
        """Whether a step's checkpoint is wanted."""
        if self.recipe.checkpoint_every:
            return step % self.recipe.checkpoint_every == 0
        return seconds >= SECONDS_BETWEEN_CHECKPOINTS

    def step(self, step: int, begin: float) -> None:
        """Change the weights once."""
        before = time.perf_counter()
        batch = self.sampler.batch(step)
        refuse_unlike(self.fabric, batch, step)
        for track, error in batch.left_out:
            self.session.on_left_out(step, track, error)
        lr = learning_rate(step, self.recipe)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        loss = self.gradients.of(batch, step)
        norm = self.clip()
        self.check(loss, norm, batch, step)
        self.optimiser.step()
        if self.average:
            self.average.update_parameters(self.plain)
        self.at.step = step
        self.at.curve.append((step, loss))
        self.at.loss = loss
        now = time.perf_counter()
        n_samples = batch.mixture.shape[0] * batch.mixture.shape[-1]
        speed = n_samples / (now - before)
        self.session.on_step(StepReport(step, loss, lr, norm, now - begin, speed))

    def clip(self) -> float:
        """The norm of all gradients, before they are scaled down to the norm allowed."""
        limit = self.recipe.clip_norm or math.inf
        norm = self.fabric.clip_gradients(
            self.model, self.optimiser, max_norm=limit, error_if_nonfinite=False
        )
        assert norm is not None
        return float(norm)

    def check(self, loss: float, norm: float, batch: Batch, step: int) -> None:
        """Raise DivergedError for a loss or a norm with which training cannot go on.

        Raises:
            DivergedError: a value is NaN, infinite or too large.
        """
        if not math.isfinite(loss):
            raise self.failure("loss", loss, batch, step)
        if self.recipe.precision == "fp16" and not math.isfinite(norm):
            self.at.overflows += 1  # the scaler leaves the step out and scales less
            if self.at.overflows <= MOST_SCALED_DOWN:
                return
        self.at.overflows = 0
        if not math.isfinite(norm) or norm > (self.recipe.stop_norm or math.inf):
            raise self.failure("norm of the gradients", norm, batch, step)

    def failure(self, what: str, value: float, batch: Batch, step: int) -> DivergedError:
        """Why the run stops: the batch's tracks, and what to go back to."""
        named = ", ".join(f"“{name}”" for name in dict.fromkeys(batch.tracks))
        shown = "NaN" if math.isnan(value) else "infinite" if math.isinf(value) else f"{value:.3g}"
        if math.isfinite(value):
            shown += f", beyond stop_norm {self.recipe.stop_norm:g}"
        good, checkpoints = "", self.session.checkpoints
        if checkpoints is not None and (saved := checkpoints.steps()):
            good = f"; the last good checkpoint is {checkpoints.path(saved[-1])}"
        reason = (
            f"the {what} is {shown}; the batch held {named}{good}. "
            "A lower lr, a longer warm-up or a smaller clip_norm may help"
        )
        return DivergedError(reason, step=step)

    def validate(self, step: int) -> None:
        """Score the model, as the recipe's validation says; what the first process finds counts.

        Raises:
            DivergedError: an estimate is not finite.
        """
        validation, score = self.recipe.validation, self.session.validate
        if validation is None or score is None:
            return
        if step % validation.every and step != self.recipe.n_steps:
            return
        drawn = torch.get_rng_state()
        with diverged_at(step):
            value = score(self.average.module if self.average else self.plain, step)
        torch.set_rng_state(drawn)
        self.plain.train()
        if value is None or math.isnan(value):
            reason = "no held-out track can be read" if value is None else "no held-out stem sounds"
            self.session.say(f"step {step}: {reason}; there is no score")
        else:
            self.session.on_validation(step, value)  # before it is saved: a kill must lose no line
            self.compare(step, value, validation)
        self.at.best = first_says(self.fabric, self.at.best)
        if self.at.best and self.at.best[0] == step:
            self.save()

    def compare(self, step: int, value: float, validation: Validation) -> None:
        """Take a validation for the best, where it is; scores of unlike tracks are not compared."""
        best = self.at.best
        if best and not self.session.is_comparable(best[0], step):
            self.session.say(
                f"step {step}: the best validation so far, of step {best[0]}, was of tracks that "
                "are no longer scored; from here on the best is looked for anew"
            )
            best = None
        if best is None or validation.is_better(value, best[1]):
            best = (step, value)
        self.at.best = best

    def save(self) -> None:
        """A checkpoint of the last step, by the first process."""
        if self.session.checkpoints is None or not self.at.step:
            return
        if self.fabric.is_global_zero:
            self.session.checkpoints.save(self.at.step, self.plain, self.state())
        self.fabric.barrier()

    def state(self) -> State:
        """Everything but the weights that the next step depends on."""
        at = self.at
        state: State = {
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "accumulate": self.gradients.parts,
            "normalised": self.session.normalised,
            "loss": at.loss,
            "overflows": at.overflows,
            "precision": self.fabric.strategy.precision.state_dict(),
        }
        if self.fabric.device.type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        if at.best:
            state |= {"best": at.best[0], "best_value": at.best[1]}
        if self.average:
            state["average"] = averages_of(self.average)
        return state

    def resume(self) -> None:
        """Go on from the newest checkpoint, if there is one."""
        newest = self.session.checkpoints.load(self.plain) if self.session.checkpoints else None
        if newest is None:
            return
        step, state = newest
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        if "random_cuda" in state and self.fabric.device.type == "cuda":
            torch.cuda.set_rng_state(state["random_cuda"], self.fabric.device)
        self.fabric.strategy.precision.load_state_dict(state["precision"])
        if self.average:
            resume_average(self.average, state["average"], step)
        # best_db: of a run that was begun before validations had metrics
        value = "best_value" if "best_value" in state else "best_db"
        best = (state["best"], state[value]) if "best" in state else None
        self.at = Progress(step, best, state["overflows"], state["loss"])
        self.gradients.parts = state["accumulate"]
