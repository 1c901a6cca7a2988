"""`msdemucs separate`: audio files in, one file a stem out."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from msdemucs.cli.console import bar, errors, out, say
from msdemucs.cli.options import (
    Batch,
    Device,
    Overlap,
    Segment,
    Shifts,
    Weighting,
    choose_device,
)
from msdemucs.errors import DataError, MsdemucsError
from msdemucs.units import format_seconds

if TYPE_CHECKING:
    from msdemucs.evaluate.files import Output, Written
    from msdemucs.evaluate.separation import Separation
    from msdemucs.model import Separator

OnChunks = Callable[[int, int], None]


def separate(  # noqa: PLR0913 (one option a thing that a user may decide)
    weights: Annotated[
        str,
        typer.Argument(metavar="WEIGHTS", help="A safetensors file, or a name of its folder."),
    ],
    audio: Annotated[list[Path], typer.Argument(metavar="AUDIO…", help="WAV, FLAC, MP3, OGG …")],
    output: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Gets a folder a file.")
    ],
    stems: Annotated[
        str | None, typer.Option(help="drums,vocals,accompaniment …; all sources otherwise.")
    ] = None,
    segment: Segment = None,
    overlap: Overlap = 0.25,
    weighting: Weighting = "triangle",
    shifts: Shifts = 1,
    batch: Batch = 1,
    precision: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="bfloat16: torch's autocast.")
    ] = "float32",
    format_: Annotated[
        Literal["wav", "flac"], typer.Option("--format", help="Of the files.")
    ] = "wav",
    as_: Annotated[
        Literal["same", "int16", "int24", "float"],
        typer.Option("--as", help="same: as the file; float: nothing clips."),
    ] = "same",
    device: Device = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace estimates that are there already.")
    ] = False,
) -> None:
    """Separate audio files into DIR/FILE/STEM.wav, at their own rate and depth.

    Files of any length need little memory. One that cannot be read is named, and the others are
    separated.
    """
    from msdemucs.evaluate.files import Output, outputs
    from msdemucs.evaluate.separation import Separation, check_stems, chunking_for
    from msdemucs.model.weights import find_weights, load_weights, read_about

    path = find_weights(weights)
    about = read_about(path)
    spec = about.spec
    stem_names = tuple(name.strip() for name in stems.split(",")) if stems else spec.sources
    check_stems(stem_names, spec.sources)
    places = outputs(audio, Output(output, stem_names, format_, as_), overwrite=overwrite)
    chunking = chunking_for(
        spec, segment, overlap=overlap, batch_size=batch, weighting=weighting, shifts=shifts
    )
    model = load_weights(path).to(choose_device(device))
    how = Separation(chunking, about.normalised, precision)
    faults = [_separate(model, file, place, how) for file, place in zip(audio, places, strict=True)]
    _sum_up(faults)


def _sum_up(faults: list[bool]) -> None:
    """Raise DataError where files were at fault.

    Raises:
        DataError: files were at fault; each was named.
    """
    if any(faults):
        raise DataError(f"{sum(faults)} of {len(faults)} files could not be separated as a whole")


def _separate(model: "Separator", file: Path, place: "Output", how: "Separation") -> bool:
    """Separate one file and say so; whether it was at fault."""
    from msdemucs.evaluate.files import separate_file

    began = time.monotonic()
    try:
        with _progress(place.folder.name) as on_chunks:
            written = separate_file(model, file, place, how, on_chunks=on_chunks)
    except MsdemucsError as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return True
    _tell(file, place, written, time.monotonic() - began)
    return bool(written.shortfall)


def _tell(file: Path, place: "Output", written: "Written", seconds: float) -> None:
    """What was written, how fast, and what a user should know of it."""
    out.print(f"{place.folder}: {', '.join(place.stems)}", markup=False, soft_wrap=True)

    speed = f"{written.seconds / seconds:.1f} times real time"
    say(f"{place.folder.name}: {format_seconds(seconds)}, {speed}")
    if written.clipped:
        say(f"{place.folder}: {written.clipped} samples were clipped; --as float keeps them")
    if written.shortfall:
        say(f"warning: {file} {written.shortfall}")


@contextmanager
def _progress(name: str) -> Iterator[OnChunks]:
    """A bar on a terminal, a line now and then in a log."""
    with bar(errors, name) as shown:

        def advanced(done: int, of: int) -> None:
            shown.total = of
            shown.move(done)
            if shown.is_line_due:
                shown.log(f"{name}: {done} of {of} chunks, {shown.time_left(done)} left")

        yield advanced
