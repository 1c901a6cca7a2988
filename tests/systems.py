"""The published systems: their figures, and slim versions that run in a moment."""

from pathlib import Path
from typing import Any

import yaml

from msdemucs.spec import Spec, expanded, load_spec

FIGURES: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "systems.yaml").read_text()
)

STEMS = ("drums", "bass", "other", "vocals", "guitar", "piano")


def with_sources(name: str, count: int) -> Spec:
    """The system for one source (the accompaniment), four or six."""
    sources = ["accompaniment"] if count == 1 else list(STEMS[:count])
    return load_spec(name, overrides={"sources": sources})


def slim(name: str, *, segment: float = 1.0) -> Spec:
    """The system with 16 channels at its first level and the same growth, on short segments."""
    spec = load_spec(name)
    wide = expanded(spec)["channels"]
    assert isinstance(wide, list)
    overrides: dict[str, object] = {
        "segment": segment,
        "channels": [16 * max(1, round(channels / wide[0])) for channels in wide],
    }
    for index, block in enumerate(spec.attention):
        if block.width is not None:
            overrides[f"attention.{index}.width"] = 64
    if spec.fusion.output.kind == "time_unet_2d":
        overrides["fusion.output.channels"] = 4
    return load_spec(name, overrides=overrides)
