"""Published weights of Demucs → a separator of ours."""

from pathlib import Path

from msdemucs.model.importing.checkpoints import PREFIX, Checkpoint, read_bundle, read_checkpoint
from msdemucs.model.importing.names import separator_from
from msdemucs.model.importing.specs import spec_of
from msdemucs.model.separator import Separator
from msdemucs.spec import Spec

__all__ = ["Checkpoint", "import_weights", "read_source", "separator_from", "spec_of"]


def import_weights(source: str | Path, spec: Spec | None = None) -> Separator:
    """A separator with published weights, in evaluation mode.

    Args:
        source: a .th, .pt or .safetensors file, or "torchaudio:" and the name of a bundle.
        spec: what the weights are of; None asks the checkpoint.

    Raises:
        DataError: weights that cannot be read, or are not the spec's.
        UsageError: there is no such bundle.
    """
    checkpoint = read_source(source)
    return separator_from(checkpoint, spec or spec_of(checkpoint))


def read_source(source: str | Path) -> Checkpoint:
    """What a file or a bundle holds.

    Raises:
        DataError: it cannot be read.
        UsageError: there is no such bundle.
    """
    name = str(source)
    if name.startswith(PREFIX):
        return read_bundle(name.removeprefix(PREFIX))
    return read_checkpoint(Path(source))
