"""Weights in safetensors, with the spec in the file's metadata: one file is one model."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model

from msdemucs.errors import DataError, SpecError, UsageError
from msdemucs.files import stand_in, whole
from msdemucs.model.separator import Separator, build
from msdemucs.spec import Spec, dump_spec, parse_spec

FORMAT = "msdemucs-1"


@dataclass(frozen=True)
class About:
    """What a file of weights says of itself.

    Attributes:
        spec: of the model.
        origin: where the weights were imported from; "" for what msdemucs trained.
        normalised: whether training saw each track with its mono mixture at zero mean and unit
            deviation, as Demucs's own does, so that separation has to do the same.
    """

    spec: Spec
    origin: str = ""
    normalised: bool = False


def save_weights(
    model: Separator, path: Path, *, origin: str = "", normalised: bool = False
) -> None:
    """Write the model's weights and spec; an existing file is replaced in one step.

    Args:
        model: what to write.
        path: the file; its folder is made.
        origin: see About.
        normalised: see About.
    """
    about = {"spec": dump_spec(model.spec), "origin": origin, "normalised": normalised}
    metadata = {"format": FORMAT, **{key: json.dumps(value) for key, value in about.items()}}
    with whole(path) as unfinished:
        save_model(model, str(unfinished), metadata=metadata)  # what is shared is written once
        _settle(unfinished)


def _settle(path: Path) -> None:
    """Equal models in equal bytes, which all may read who may read other new files.

    The library writes the header's entries in an order of chance, and for the owner's eyes alone.
    """
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
        tensors = sorted(header.items(), key=lambda item: item[1].get("data_offsets", [0, 0]))
        ordered = json.dumps(dict(tensors), separators=(",", ":"), ensure_ascii=False).encode()
        if len(ordered) <= size:  # always, unless the library begins to write other JSON
            file.seek(8)
            file.write(ordered.ljust(size))
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def read_about(path: Path) -> About:
    """What a file of weights says of itself, without reading them.

    Raises:
        DataError: not a safetensors file, not one of ours, or without a spec that can be used.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        reason = stand_in(path) or (
            f"cannot be read as weights: {error}; if it is a checkpoint of PyTorch's, “msdemucs "
            "weights import” reads it"
        )
        raise DataError(reason, path=path) from None
    if metadata.get("format") != FORMAT:
        message = (
            "holds weights, but no msdemucs spec, which msdemucs saves in the metadata; official "
            "weights are turned into ours by “msdemucs weights import”"
        )
        raise DataError(message, path=path)
    try:
        return About(
            parse_spec(json.loads(metadata["spec"])),
            str(json.loads(metadata.get("origin", '""'))),
            bool(json.loads(metadata.get("normalised", "false"))),
        )
    except SpecError as error:
        problem = error.first
        reason = f"{problem.field}: {problem.message}" if problem.field else problem.message
    except (KeyError, ValueError) as error:
        reason = f"{'no field' if isinstance(error, KeyError) else 'no JSON:'} {error}"
    message = f"holds a spec that cannot be used ({reason}); get the file again"
    raise DataError(message, path=path)


def load_weights(path: Path) -> Separator:
    """The model that a file holds, in evaluation mode.

    Raises:
        DataError: not a safetensors file, or not one of ours, or of another version.
    """
    model = build(read_about(path).spec)
    try:
        load_model(model, path)
    except RuntimeError as error:  # which lists every name
        first = str(error).splitlines()[1:2] or [str(error)]
        message = (
            f"does not hold the weights of its spec, as files of another version of msdemucs may "
            f"not: {first[0].strip()[:160]} …"
        )
        raise DataError(message, path=path) from None
    return model.eval()


SUFFIX = ".safetensors"


def load_pretrained(name: str | Path) -> Separator:
    """The model of a file of weights, or of a name in the weights folder, in evaluation mode.

    Raises:
        UsageError: there is no such file.
        DataError: it is not one of ours.
    """
    return load_weights(find_weights(name))


def find_weights(name: str | Path) -> Path:
    """The file of a path, or of a name in the weights folder.

    Raises:
        UsageError: there is none; says how to get it.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.name != str(name) or path.suffix == SUFFIX:
        raise UsageError(f"there is no file {path}; {_how(path)}")
    kept = weights_folder() / f"{name}{SUFFIX}"
    if kept.is_file():
        return kept
    there = sorted(file.stem for file in weights_folder().glob(f"[!.]*{SUFFIX}"))
    others = f" (there is {', '.join(there)})" if there else ""
    raise UsageError(f"there are no weights “{name}” in {kept.parent}{others}; {_how(kept)}")


def weights_folder() -> Path:
    """Where imported weights are kept: in $MSDEMUCS_HOME, ~/.cache/msdemucs if that is not set."""
    home = os.environ.get("MSDEMUCS_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".cache" / "msdemucs") / "weights"


def _how(path: Path) -> str:
    return f"official weights get there by: msdemucs weights import SRC -o {path}"
