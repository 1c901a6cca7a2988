"""Stand-ins for what train, evaluate and measure are given, with known answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from msdemucs import load_spec
from msdemucs.data import Track
from msdemucs.errors import DataError
from msdemucs.model import Separator

SAMPLE_RATE = 44100


class Scale(Separator):
    """A separator that gives every source its own constant share of the mixture.

    Args:
        shares: one a source, or none to give all of it.
        segment: seconds, as a spec has it.
    """

    def __init__(self, *shares: float, segment: float = 0.02) -> None:
        nn.Module.__init__(self)
        sources = [f"source{index}" for index in range(max(1, len(shares)))]
        overrides = {"sources": sources, "segment": segment, "spectral": None}
        self.spec = load_spec("htdemucs", overrides={**overrides, "attention": []})
        self.shares = nn.Parameter(torch.tensor(shares or (1.0,)))
        self.inner = nn.Dropout(0.5)
        self.calls: list[tuple[tuple[int, ...], bool, bool]] = []

    def forward(self, mixture: Tensor) -> Tensor:
        """[B, A, N] → [B, S, A, N]; notes the shape, the mode and whether gradients are kept."""
        self.calls.append((tuple(mixture.shape), self.training, torch.is_inference_mode_enabled()))
        return self.shares[:, None, None] * mixture[:, None]


@dataclass(frozen=True)
class Memory:
    """A recording that lies in memory."""

    waveforms: dict[str, Float32[np.ndarray, "A N"]]
    path: Path = Path("memory")
    sample_rate: int = SAMPLE_RATE

    @property
    def stems(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(self.waveforms)

    @property
    def n_samples(self) -> int:
        """Of the first stem."""
        return next(iter(self.waveforms.values())).shape[-1]

    @property
    def audio_channels(self) -> int:
        """Of the first stem."""
        return next(iter(self.waveforms.values())).shape[0]

    def read(
        self, names: Sequence[str], *, start: int, n_samples: int
    ) -> Float32[np.ndarray, "S A N"]:
        """Stems; the mixture is their sum."""
        mixture = np.sum(list(self.waveforms.values()), axis=0)
        known = {**self.waveforms, "mixture": mixture}
        return np.stack([known[name][:, start : start + n_samples] for name in names])


class Broken(Memory):
    """A recording whose files cannot be read."""

    def read(
        self, names: Sequence[str], *, start: int, n_samples: int
    ) -> Float32[np.ndarray, "S A N"]:
        """Never.

        Raises:
            DataError: always.
        """
        raise DataError("is damaged", path=self.path, track="A - Broken")


def noise(*, n_samples: int = 3000, level: float = 0.1, seed: int = 0) -> np.ndarray:
    """Stereo noise."""
    generator = np.random.default_rng(seed)
    return (level * generator.standard_normal((2, n_samples))).astype(np.float32)


def track(
    stems: dict[str, Float32[np.ndarray, "A N"]], *, name: str = "A - Track", group: str = "toy"
) -> Track:
    """A test track that lies in memory."""
    return Track(name=name, group=group, split="test", recording=Memory(stems))
