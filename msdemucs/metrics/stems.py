"""One track as metrics see it: references, estimates and mixture, whole or cut into frames."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

import numpy as np
from jaxtyping import Float

Engine = Literal["msdemucs", "museval"]
FrameKind = Literal["chunk", "window"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Stems:
    """The true stems of a track beside what a model made of its mixture.

    Attributes:
        sources: names, in the order of both arrays.
        references: the true stems, float32 or float64; metrics add up in float64.
        estimates: the model's, of the same shape.
        mixture: what was separated.
        sample_rate: in Hz.
        chunk: seconds of a frame of metrics whose frames are chunks.
        window: seconds of a frame of those that follow BSSEval.
        engine: computes BSSEval: this package, or museval itself.
    """

    sources: tuple[str, ...]
    references: Float[np.ndarray, "S A N"]
    estimates: Float[np.ndarray, "S A N"]
    mixture: Float[np.ndarray, "A N"]
    sample_rate: int = 44100
    chunk: float = 1.0
    window: float = 1.0
    engine: Engine = "msdemucs"
    _shared: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def with_mixture(self) -> "Stems":
        """Take the mixture as the estimate of every source: what doing nothing scores."""
        return replace(self, estimates=np.stack([self.mixture] * len(self.references)))

    def with_silence(self) -> "Stems":
        """Take silence as the estimate of every source."""
        return replace(self, estimates=np.zeros_like(self.references))

    def once(self, compute: Callable[["Stems"], T]) -> T:
        """What a function makes of these stems, computed once for all metrics that read it."""
        if compute not in self._shared:
            self._shared[compute] = compute(self)
        result: T = self._shared[compute]
        return result

    def samples_of(self, kind: FrameKind) -> int:
        """Samples of a frame."""
        seconds = self.chunk if kind == "chunk" else self.window
        return max(1, round(seconds * self.sample_rate))

    def frames(self, kind: FrameKind) -> Iterator[slice]:
        """Where each frame lies; what does not fill one is left out, but a short track is one."""
        n_samples = self.references.shape[-1]
        size = min(self.samples_of(kind), max(1, n_samples))
        return (slice(start, start + size) for start in range(0, n_samples - size + 1, size))
