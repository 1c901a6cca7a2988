"""Options of every command that separates whole tracks, and the model on a device."""

import math
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from msdemucs.errors import UsageError

if TYPE_CHECKING:
    from msdemucs.model import Separator


class WeightingChoice(Enum):
    """How chunks are joined."""

    TRIANGLE = "triangle"
    FADE = "fade"


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
    WeightingChoice, typer.Option(help="triangle: as Demucs; fade: lines over the overlap.")
]
Shifts = Annotated[
    int, typer.Option(min=1, help="Separate so often, chunks begun elsewhere; averaged.")
]
Batch = Annotated[int, typer.Option(min=1, help="Chunks at a time.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")]


def on_device(model: "Separator", device: str) -> "Separator":
    """The model on a device.

    Raises:
        UsageError: there is no such device.
    """
    import torch

    try:
        return model.to(torch.device(device))
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"--device {device} cannot be used: {reason}") from None
