"""Where do weights lie that are asked for by name?"""

import os
from pathlib import Path

from msdemucs.errors import UsageError
from msdemucs.model.separator import Separator
from msdemucs.model.weights import load_weights

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
