"""`msdemucs separate`: audio files in, one file a source out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from msdemucs.cli.console import errors, out
from msdemucs.errors import UsageError

if TYPE_CHECKING:
    from msdemucs.model import Separator

OnChunks = Callable[[int, int], None]


class Format(Enum):
    """How samples are written."""

    FLOAT = "float"
    INT16 = "int16"


SUBTYPES: dict[Format, Literal["FLOAT", "PCM_16"]] = {
    Format.FLOAT: "FLOAT",
    Format.INT16: "PCM_16",
}


def separate(  # noqa: PLR0913 (one option a thing that a user may decide)
    audio: Annotated[list[Path], typer.Argument(metavar="AUDIO", help="WAV, FLAC, MP3, OGG …")],
    weights: Annotated[
        str,
        typer.Option(metavar="FILE", help="A safetensors file, or a name in the weights folder."),
    ],
    output: Annotated[Path, typer.Option("-o", metavar="DIR", help="Gets a folder a track.")],
    overlap: Annotated[
        float, typer.Option(min=0, max=0.95, help="Share of a chunk that the next one repeats.")
    ] = 0.25,
    as_: Annotated[
        Format, typer.Option("--as", help="float: 32 bits, nothing clips; int16 for players.")
    ] = Format.FLOAT,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace estimates that are there already.")
    ] = False,
) -> None:
    """Separate audio files into DIR/TRACK/SOURCE.wav, at the model's sample rate."""
    from msdemucs.evaluate.files import check_audio, output_folders
    from msdemucs.model.pretrained import find_weights
    from msdemucs.model.weights import load_weights, read_about

    path = find_weights(weights)
    about = read_about(path)
    sources = about.spec.sources
    folders = output_folders(audio, output, sources=sources, overwrite=overwrite)
    for file in audio:
        check_audio(file, audio_channels=about.spec.audio_channels)
    model = on_device(load_weights(path), device)
    for file, folder in zip(audio, folders, strict=True):
        with _progress(file.name) as on_chunks:
            job = Job(file, folder, about.normalised, overlap, SUBTYPES[as_])
            clipped = _separate(model, job, on_chunks)
        out.print(f"{folder}: {', '.join(sources)}", markup=False, soft_wrap=True)
        if clipped:
            message = f"{folder}: {clipped} samples were clipped; --as float keeps them"
            errors.print(message, markup=False, soft_wrap=True)


class Job(NamedTuple):
    """One file, where its estimates go, and how they are made."""

    file: Path
    folder: Path
    normalised: bool
    overlap: float
    subtype: Literal["FLOAT", "PCM_16"]


def _separate(model: "Separator", job: Job, on_chunks: OnChunks) -> int:
    """Separate one file; how many samples were clipped."""
    from msdemucs.evaluate.files import read_mixture, separate_mixture, write_estimates

    spec = model.spec
    mixture = read_mixture(
        job.file, sample_rate=spec.sample_rate, audio_channels=spec.audio_channels
    )
    estimates = separate_mixture(
        model, mixture, normalised=job.normalised, overlap=job.overlap, on_chunks=on_chunks
    )
    return write_estimates(
        estimates,
        job.folder,
        sources=spec.sources,
        sample_rate=spec.sample_rate,
        subtype=job.subtype,
    )


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


@contextmanager
def _progress(name: str) -> Iterator[OnChunks]:
    """A bar on a terminal, nothing in a log."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, of: bars.update(task, completed=done, total=of)
