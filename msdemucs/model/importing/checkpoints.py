"""What is in foreign weights? Read without running anything that a file asks for."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from msdemucs.errors import DataError, UsageError
from msdemucs.files import stand_in
from msdemucs.model.weights import FORMAT

State = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, and what the file says of the model that they belong to.

    Attributes:
        title: what to call it: the file's stem or the bundle's name.
        path: None for what came from no file.
        klass: the class, "demucs.htdemucs.HTDemucs"; "" where the file does not say.
        arguments: of the class's constructor, plain values.
    """

    state: State
    title: str
    path: Path | None = None
    klass: str = ""
    arguments: Mapping[str, object] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Checkpoint:
    """The contents of a .th, .pt or .safetensors file.

    Raises:
        DataError: a file that is not there, not readable, or holds no weights that can be used.
    """
    if not path.is_file():
        raise DataError("there is no such file", path=path)
    if said := stand_in(path):
        raise DataError(said, path=path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _from_package(_unpickled(path), path)


# Pickled files


class Inert:
    """Stands for an object of a class that the file names; it keeps what it was made of.

    Nothing of the class is imported or called, so that reading stays as safe as reading tensors.
    """

    name = ""
    arguments: tuple[object, ...] = ()

    def __init__(self, *arguments: object) -> None:
        self.arguments = arguments


def _unpickled(path: Path) -> object:
    """What the file holds, read by torch's restricted unpickler.

    Raises:
        DataError: it cannot be read so.
    """
    try:
        names = get_unsafe_globals_in_checkpoint(str(path))
        stand_ins: list[Any] = [(type("Inert", (Inert,), {"name": name}), name) for name in names]
        with safe_globals(stand_ins):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "weights_only" not in str(error):
            raise DataError(f"cannot be read as a PyTorch checkpoint: {error}", path=path) from None
        message = (
            "cannot be read as a PyTorch checkpoint: it asks for code to be run, which may be any "
            "and never is; get the weights as safetensors, or a checkpoint that holds tensors alone"
        )
        raise DataError(message, path=path) from None
    except _UNREADABLE as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"cannot be read as a PyTorch checkpoint: {reason}", path=path) from None


_UNREADABLE = (
    *(OSError, RuntimeError, ValueError, TypeError, AttributeError, LookupError, EOFError),
    AssertionError,
)
"""What torch raises on files that are damaged, of another kind, or ask for more than data."""


def _from_package(package: object, path: Path) -> Checkpoint:
    """A checkpoint from what was pickled: a package of Demucs, or tensors by name.

    Raises:
        DataError: neither.
    """
    if not isinstance(package, dict):
        raise DataError(f"holds no weights but a {type(package).__name__}", path=path)
    if "klass" not in package:
        state = package.get("state", package.get("state_dict", package))
        return Checkpoint(_floats(state, path), path.stem, path)
    klass = getattr(package["klass"], "name", str(package["klass"]))
    arguments = _named(package.get("args", ()), package.get("kwargs", {}), path)
    return Checkpoint(_floats(package.get("state"), path), path.stem, path, klass, arguments)


def _named(args: Any, kwargs: Any, path: Path) -> dict[str, object]:
    """Arguments of a constructor by name; the one that comes first may lack its own.

    Raises:
        DataError: what was found are not arguments.
    """
    try:
        named = {name: _plain(value) for name, value in kwargs.items()}
        first = [_plain(value) for value in args]
    except (ArithmeticError, AttributeError, TypeError, ValueError, LookupError) as error:
        message = f"has a model's arguments that cannot be read: {error}"
        raise DataError(message, path=path) from None
    if len(first) > 1:
        raise DataError(f"has {len(first)} arguments without names; one can be told", path=path)
    return {**named, **({"sources": first[0]} if first else {})}


def _plain(value: object) -> object:
    """Fractions, as pickled or as JSON, as numbers; lists for tuples; the rest as it is."""
    if isinstance(value, Inert) and value.name == "fractions.Fraction":
        return float(Fraction(*(int(n) for a in value.arguments for n in str(a).split("/"))))
    if isinstance(value, dict) and value.get("_type") == "fraction":
        return float(Fraction(int(value["numerator"]), int(value["denominator"])))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


# safetensors, as demucs 4.1 writes them: class and arguments as JSON in the metadata


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(f"cannot be read as safetensors: {error}", path=path) from None
    if metadata.get("format") == FORMAT:
        raise DataError("is msdemucs's own already; there is nothing to import", path=path)
    if "structure" in metadata:
        raise DataError(_QUANTISED, path=path)
    if "klass" not in metadata:
        return Checkpoint(_floats(state, path), path.stem, path)
    try:
        args, kwargs = json.loads(metadata["args"]), json.loads(metadata["kwargs"])
    except (KeyError, ValueError) as error:
        raise DataError(f"has metadata that cannot be read: {error}", path=path) from None
    arguments = _named(args, kwargs, path)
    return Checkpoint(_floats(state, path), path.stem, path, metadata["klass"], arguments)


# Tensors


_QUANTISED = (
    "holds weights that DiffQ compressed, which only demucs with diffq reads; "
    "import the model's twin without “_q” instead"
)


def _floats(state: object, path: Path) -> State:
    """The state dict in float32; published ones are in float16.

    Raises:
        DataError: it is no state dict.
    """
    if isinstance(state, dict) and state.get("__quantized"):
        raise DataError(_QUANTISED, path=path)
    if not isinstance(state, dict) or not state:
        raise DataError("holds no weights", path=path)
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor):
            raise DataError(
                f"holds no state dict: “{name}” is a {type(tensor).__name__}, not a tensor",
                path=path,
            )
    return {name: tensor.detach().float() for name, tensor in state.items()}


PREFIX = "torchaudio:"

ASSETS = {
    "HDEMUCS_HIGH_MUSDB_PLUS": "models/hdemucs_high_trained.pt",
    "HDEMUCS_HIGH_MUSDB": "models/hdemucs_high_musdbhq_only.pt",
}
"""Bundles of Hybrid Demucs → their files."""


def read_bundle(name: str) -> Checkpoint:
    """The weights of one of torchaudio's bundles, downloaded if they are not there yet.

    Raises:
        UsageError: there is no such bundle.
        DataError: it cannot be fetched or read; says which file to put where.
    """
    if name not in ASSETS:
        raise UsageError(f"torchaudio has no bundle {name} of Demucs; it has {', '.join(ASSETS)}")
    from torchaudio import pipelines

    try:
        model = getattr(pipelines, name).get_model()
    except (OSError, RuntimeError) as error:  # no network, or half a file
        place = Path(torch.hub.get_dir()) / "torchaudio" / ASSETS[name]
        raise DataError(
            f"torchaudio could not fetch {name}: {error}. On a machine with a network, get "
            f"“torchaudio/{ASSETS[name]}” from PyTorch's download server and put it there",
            path=place,
        ) from None
    return Checkpoint(model.state_dict(), name)
