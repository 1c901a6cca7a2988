"""Options of every command that separates whole tracks, and which device that is."""

import math
from typing import Annotated, Literal

import typer

from msdemucs.cli.console import errors
from msdemucs.errors import UsageError


def finite(value: float | None) -> float | None:
    """Return a length that was given at the command line.

    Raises:
        UsageError: infinitely many seconds.
    """
    if value is not None and not math.isfinite(value):
        raise UsageError(f"lengths are seconds; found {value}, which is none")
    return value


Segment = Annotated[
    float | None,
    typer.Option(min=0.01, callback=finite, help="Seconds of a chunk; the spec's otherwise."),
]
Overlap = Annotated[
    float, typer.Option(min=0, max=0.95, help="Share of a chunk that the next one repeats.")
]
Weighting = Annotated[
    Literal["triangle", "fade"],
    typer.Option(help="triangle: as Demucs; fade: lines over the overlap."),
]
Shifts = Annotated[
    int, typer.Option(min=1, help="Separate so often, chunks begun elsewhere; averaged.")
]
Batch = Annotated[int, typer.Option(min=1, help="Chunks at a time.")]
Device = Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu, cuda or cuda:1.")]
AutoBatch = Annotated[
    bool, typer.Option("--auto-batch", help="Halve batches that do not fit, and accumulate.")
]


def choose_device(device: str) -> str:
    """Returns the device that --device means here, after a line that names it where it is auto.

    Raises:
        UsageError: there is no such device.
    """
    from msdemucs import measure

    chosen = measure.choose_device(device)
    if device == "auto":
        errors.print(f"on {measure.device_name(chosen)}", markup=False, soft_wrap=True)
    return chosen
