"""Weights in safetensors, with the spec in the file's metadata: one file is one model."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model

from msdemucs.errors import DataError
from msdemucs.model.build import build
from msdemucs.model.separator import Separator
from msdemucs.spec import dump_spec, parse_spec

FORMAT = "msdemucs-1"


def save_weights(model: Separator, path: Path) -> None:
    """Write the model's weights and spec; an existing file is replaced in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"format": FORMAT, "spec": json.dumps(dump_spec(model.spec))}
    partial = path.with_suffix(".partial")
    save_model(model, str(partial), metadata=metadata)  # what is shared is written once
    partial.replace(path)


def load_weights(path: Path) -> Separator:
    """The model that a file holds, in evaluation mode.

    Raises:
        DataError: not a safetensors file, or not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise DataError(f"cannot be read as weights: {error}", path=path) from None
    if metadata.get("format") != FORMAT:
        message = "holds weights, but no msdemucs spec; msdemucs saves it in the metadata"
        raise DataError(message, path=path)
    model = build(parse_spec(json.loads(metadata["spec"])))
    load_model(model, path)
    return model.eval()
