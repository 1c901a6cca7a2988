"""Weights that torchaudio publishes, fetched by torchaudio."""

from pathlib import Path

import torch

from msdemucs.errors import DataError, UsageError
from msdemucs.model.importing.checkpoints import Checkpoint

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
