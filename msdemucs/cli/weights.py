"""`msdemucs weights`: turn official weights into ours, look at a file of weights."""

from pathlib import Path
from typing import Annotated

import typer

from msdemucs.cli.console import errors, out
from msdemucs.errors import UsageError
from msdemucs.spec import load_spec, spec_hash

app = typer.Typer(no_args_is_help=True, help="Import official weights, look at files of weights.")


@app.command("import")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC",
            help="A .th, .pt or .safetensors file of Demucs, Hybrid Demucs or Hybrid Transformer "
            "Demucs, or torchaudio:HDEMUCS_HIGH_MUSDB_PLUS.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", metavar="DST", help="Default: the weights folder, under the source's name."
        ),
    ] = None,
    spec: Annotated[
        str | None,
        typer.Option(help="A zoo name or YAML file; by default the checkpoint says what it is."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace DST.")] = False,
) -> None:
    """Write official weights as ours: one safetensors file with its spec inside."""
    from msdemucs.cost import cost_of
    from msdemucs.model import save_weights
    from msdemucs.model.importing import read_source, separator_from, spec_of

    given = None if spec is None else load_spec(spec)
    with errors.status("reading"):
        checkpoint = read_source(source)
        path = _destination(output, checkpoint.title, overwrite=overwrite)
        model = separator_from(checkpoint, given or spec_of(checkpoint))
        named = f" ({checkpoint.klass})" if checkpoint.klass else ""
        name = checkpoint.path.name if checkpoint.path else source
        save_weights(model, path, origin=f"{name}{named}", normalised=True)
    found = model.spec
    summary = f"{found.name}, {cost_of(found).parameters:,} parameters, {', '.join(found.sources)}"
    out.print(f"{path}: {summary}", markup=False, soft_wrap=True)


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="FILE", help="A file, or a name in the weights folder.")
    ],
) -> None:
    """Print what a file of weights holds."""
    from msdemucs.cost import cost_of
    from msdemucs.model.weights import find_weights, read_about

    path = find_weights(name)
    about = read_about(path)
    spec = about.spec
    level = "each track normalised" if about.normalised else "tracks as they are"
    rows = {
        "spec": f"{spec.name} ({spec_hash(spec)})",
        "parameters": f"{cost_of(spec).parameters:,}",
        "sources": ", ".join(spec.sources),
        "audio": f"{spec.sample_rate} Hz, {spec.audio_channels} channels",
        "segment": f"{spec.segment:g} s",
        "trained on": level,
        "origin": about.origin or "msdemucs",
    }
    for heading, value in {"file": str(path), **rows}.items():
        out.print(f"{heading:<11} {value}", markup=False, soft_wrap=True)


def _destination(output: Path | None, title: str, *, overwrite: bool) -> Path:
    """Where to write.

    Raises:
        UsageError: a name with another ending, or a file that is there already.
    """
    from msdemucs.model.weights import SUFFIX, weights_folder

    path = output or weights_folder() / f"{title}{SUFFIX}"
    if path.suffix != SUFFIX:
        raise UsageError(f"-o {path}: the name must end in {SUFFIX}")
    if path.exists() and not overwrite:
        raise UsageError(f"{path} is there already; allow replacing it by --overwrite")
    return path
