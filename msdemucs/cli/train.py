"""`msdemucs train`: one training run in a folder, which the same command continues."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from msdemucs.cli.console import Bar, bar, errors, out
from msdemucs.cli.options import AutoBatch, Device, choose_device
from msdemucs.cli.spec import Set, Source, Sources, overrides
from msdemucs.spec import load_spec

if TYPE_CHECKING:
    from msdemucs.train import Recipe, StepReport

STEPS_TIMED = 3
"""By which a user is told how long a run will take."""


def train(  # noqa: PLR0913 (one option a thing that a user may decide)
    source: Source,
    data: Annotated[
        list[Path], typer.Option(metavar="DIR", help="Tracks in train/, as in MUSDB18-HQ.")
    ],
    recipe: Annotated[str, typer.Option(help="A shipped name (demo) or a YAML file.")],
    output: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The run's folder.")],
    set_: Set = None,
    sources: Sources = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, dropout and examples.")] = 0,
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights to begin with; none: drawn.")
    ] = None,
    device: Device = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes that share each batch.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Of torch on the CPU.")] = None,
    precision: Annotated[
        Literal["fp32", "bf16", "fp16"] | None, typer.Option(help="Instead of the recipe's.")
    ] = None,
    compile_: Annotated[
        bool, typer.Option("--compile", help="torch.compile, whatever the recipe says.")
    ] = False,
    auto_batch: AutoBatch = False,
    logger: Annotated[
        Literal["csv", "tensorboard"], typer.Option(help="Beside CSV files.")
    ] = "csv",
) -> None:
    """Train a spec; after any interruption the same command goes on."""
    spec = load_spec(source, overrides=overrides(set_, sources))
    import torch

    from msdemucs.train import load_recipe
    from msdemucs.train.devices import is_first_process
    from msdemucs.train.run import run
    from msdemucs.train.training import Asked, Means

    changes: dict[str, object] = {"compile": True} if compile_ else {}
    if precision is not None:
        changes["precision"] = precision
    asked_recipe = load_recipe(recipe).model_copy(update=changes)
    if threads is not None:
        torch.set_num_threads(threads)
    asked = Asked(spec, asked_recipe, tuple(data), seed, weights)
    device = choose_device(device) if is_first_process() else device
    try:
        with _progress(asked_recipe) as shown:
            done = run(
                asked,
                output,
                Means(
                    device=device,
                    devices=devices,
                    auto_batch=auto_batch,
                    logger=logger,
                    on_step=shown.step,
                    on_validation=shown.validation,
                    say=shown.bar.say,
                ),
            )
    except KeyboardInterrupt as stopped:
        errors.print(f"stopped; the same command goes on ({output})", soft_wrap=True)
        sys.exit(128 + (stopped.args[0] if stopped.args else signal.SIGINT))
    if not done.is_main:
        return
    if done.was_done:
        errors.print(f"{output}: this run is finished; nothing was changed", soft_wrap=True)
    out.print(str(done.weights), markup=False, soft_wrap=True)


class Shown:
    """How far a training is: step, loss, validation, speed, time left."""

    def __init__(self, shown: Bar, n_steps: int, *, is_loss: bool) -> None:
        self.bar, self.n_steps, self.is_loss = shown, n_steps, is_loss
        self.validated = ""
        self.first: int | None = None

    def validation(self, step: int, value: float) -> None:
        """Print a line, and keep a note beside the steps that follow."""
        measured = f"loss {value:.4f}" if self.is_loss else f"{value:.2f} dB"
        self.validated = f"  {measured} at {step}"
        self.bar.say(f"step {step}: validation {measured}{'' if self.is_loss else ' uSDR'}")

    def step(self, report: "StepReport") -> None:
        """Move the bar, or print a line now and then."""
        step, n_steps = report.step, self.n_steps
        note = f"loss {report.loss:.4f}{self.validated}  {report.samples_per_second:,.0f} samples/s"
        self.bar.move(step, note=note)
        if self.first is None:
            self.first = self.bar.done_before = step - 1
        if step == self.first + STEPS_TIMED < n_steps:
            self.bar.say(f"about {self.bar.time_left(step)} for {n_steps - step} more steps")
        if self.bar.is_line_due or step == n_steps:
            self.bar.log(f"step {step}/{n_steps}  {note}  {self.bar.time_left(step)} left")


@contextmanager
def _progress(recipe: "Recipe") -> Iterator[Shown]:
    with bar(errors, "training", recipe.n_steps) as shown:
        is_loss = recipe.validation is not None and recipe.validation.metric == "loss"
        yield Shown(shown, recipe.n_steps, is_loss=is_loss)
