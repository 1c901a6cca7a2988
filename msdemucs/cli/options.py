"""Options that several of `msdemucs study`'s commands share."""

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from msdemucs.cli.console import errors
from msdemucs.errors import UsageError
from msdemucs.study import STORAGE_VARIABLE

Name = Annotated[str, typer.Argument(metavar="STUDY", help="A study's name, or its database.")]


Storage = Annotated[
    str | None,
    typer.Option(
        envvar=STORAGE_VARIABLE,
        help="URL of the database, or a journal file's path; "
        "an SQLite file under studies/ when not given.",
    ),
]


Data = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder with train/, test/ and maybe validation/; may be given several times."
    ),
]


DataHere = Annotated[
    list[Path] | None,
    typer.Option(help="Where the study's tracks lie here, if not where it was begun."),
]


StudyName = Annotated[str | None, typer.Option("--name", help="Call the study something else.")]


Seed = Annotated[int | None, typer.Option(min=0, help="Seed of proposals and trainings.")]


Folder = Annotated[
    str | None,
    typer.Option(
        metavar="PATH|URL",
        help="For the trials' folders: a path that all hosts share, or a URL of fsspec "
        "(s3://bucket/multires) for hosts that share none.",
    ),
]


Top = Annotated[
    int | None, typer.Option(min=1, help="How many, best first; the front when not given.")
]


AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


Workers = Annotated[
    int, typer.Option(min=1, help="Processes on this machine that share its cores and its GPUs.")
]


GpuFraction = Annotated[
    float, typer.Option(min=0.01, max=1.0, help="Of a GPU for each worker: 0.5 puts two on each.")
]


Ray = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Run trials as tasks of the Ray cluster whose head is here, or auto.",
    ),
]


TrialCpus = Annotated[float, typer.Option(min=0.01, help="Cores of a Ray task.")]


TrialGpus = Annotated[float, typer.Option(min=0.0, help="GPUs of a Ray task, or a fraction.")]


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
