"""`msdemucs train`: one training run in a folder, which the same command continues."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from msdemucs.cli.chunks import AutoBatch, Device, choose_device
from msdemucs.cli.console import errors, out
from msdemucs.cli.spec import Set, Source, Sources, overrides
from msdemucs.spec import load_spec
from msdemucs.units import format_seconds

if TYPE_CHECKING:
    from msdemucs.train import Recipe, StepReport

SECONDS_BETWEEN_LINES = 10.0
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
                    say=shown.said,
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
    """Bars on a terminal, dated lines in a log: step, loss, validation, speed, time left."""

    def __init__(self, bars: Progress, total: int, *, is_loss: bool) -> None:
        self.bars, self.total, self.is_loss = bars, total, is_loss
        self.task = bars.add_task("training", total=total, note="")
        self.validated = ""
        self.said_at = self.began = time.monotonic()
        self.first: int | None = None

    def said(self, message: str) -> None:
        """A line."""
        self.bars.console.print(message, markup=False, highlight=False, soft_wrap=True)

    def validation(self, step: int, value: float) -> None:
        """A line, and a note that stays."""
        measured = f"loss {value:.4f}" if self.is_loss else f"{value:.2f} dB"
        self.validated = f"  {measured} at {step}"
        self.said(f"step {step}: validation {measured}{'' if self.is_loss else ' uSDR'}")

    def step(self, report: "StepReport") -> None:
        """The bar, or a line now and then."""
        note = f"loss {report.loss:.4f}{self.validated}  {report.samples_per_second:,.0f} samples/s"
        self.bars.update(self.task, completed=report.step, note=note)
        if self.first is None:
            self.first = report.step - 1
        if report.step == self.first + STEPS_TIMED < self.total:
            more = f"{self.total - report.step} more steps"
            self.said(f"about {format_seconds(self.seconds_left(report.step))} for {more}")
        is_due = time.monotonic() - self.said_at >= SECONDS_BETWEEN_LINES
        if not self.bars.console.is_terminal and (is_due or report.step == self.total):
            self.said_at = time.monotonic()
            left = format_seconds(self.seconds_left(report.step))
            self.said(f"step {report.step}/{self.total}  {note}  {left} left")

    def seconds_left(self, step: int) -> float:
        """Return how long the steps after this one will take, by those that were made."""
        assert self.first is not None
        return (time.monotonic() - self.began) / (step - self.first) * (self.total - step)


@contextmanager
def _progress(recipe: "Recipe") -> Iterator[Shown]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        is_loss = recipe.validation is not None and recipe.validation.metric == "loss"
        yield Shown(bars, recipe.n_steps, is_loss=is_loss)
