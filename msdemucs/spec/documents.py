"""Which kind of file is this? Said where one was given in another's place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Document:
    """A kind of YAML file.

    Attributes:
        name: what people call it.
        marks: top-level fields that no other kind has.
        command: what takes it.
    """

    name: str
    marks: frozenset[str]
    command: str


DOCUMENTS = {
    "Spec": Document(
        "a spec",
        frozenset({"extends", "channels", "depth", "kernel_size", "stride", "spectral"})
        | {"waveform", "fusion", "attention", "sources", "norm", "merge", "lstm", "residual"},
        "msdemucs spec build FILE shows it, msdemucs train FILE trains it",
    ),
    "Recipe": Document(
        "a recipe",
        frozenset({"steps", "epochs", "batch_size", "lr", "optimiser", "schedule", "loss"})
        | {"ema", "clip_norm", "precision", "remix", "gain", "flip", "warmup_steps", "validation"},
        "msdemucs train SPEC --recipe FILE trains by it",
    ),
    "SearchSpace": Document(
        "a search space",
        frozenset({"base", "vary", "factors", "design", "baselines", "objectives", "trials"})
        | {"constraints", "fidelity", "sampler", "recipe", "data", "mode", "repeats", "title"},
        "msdemucs study run FILE runs it",
    ),
}
"""The kinds by the names of their models."""

MAGIC = {
    b"SQLite format 3\0": "an SQLite database; msdemucs study show FILE shows a study's",
    b"PK\3\4": "a ZIP archive, as PyTorch's checkpoints are; msdemucs weights import takes some",
    b"\x80\2": "a pickle, as PyTorch's older checkpoints are; msdemucs weights import takes some",
    b"RIFF": "audio; msdemucs separate takes it",
    b"fLaC": "audio; msdemucs separate takes it",
    b"OggS": "audio; msdemucs separate takes it",
    b"ID3": "audio; msdemucs separate takes it",
    b"PAR1": "a Parquet table; pandas reads it",
    b"\x89PNG": "a picture",
}
"""What files that hold no text begin with, and what they are."""


def other_document(fields: Mapping[str, Any], model: str) -> tuple[str, str] | None:
    """(what a document is, what takes it) where it is of another kind than asked for.

    Args:
        fields: its top-level fields.
        model: the name of the model that is asked for.
    """
    asked = DOCUMENTS.get(model)
    if asked is None:
        return None
    best = max(DOCUMENTS.values(), key=lambda kind: len(kind.marks & fields.keys()))
    if len(best.marks & fields.keys()) <= len(asked.marks & fields.keys()):
        return None
    return f"is {best.name}, and no {asked.name.removeprefix('a ')}", best.command


def kind_of(data: bytes) -> str | None:
    """What a file is that begins with these bytes, if it is known and no text."""
    for start, kind in MAGIC.items():
        if data.startswith(start):
            return kind
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < 1 << 32:
        return "a file of weights (safetensors); msdemucs weights show FILE shows the spec in it"
    return None
