"""Training examples made new: stems turned, made louder or softer, and dealt to other mixtures."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

Stems = Float32[np.ndarray, "B S A N"]


@dataclass(frozen=True)
class Augmentation:
    """What is done to the stems of a batch; their sums are the mixtures.

    Attributes:
        flip: each stem's channels are reversed, and its sign turned, at random.
        gain: the range from which each stem's gain is drawn; None leaves them.
        remix: each stem is dealt to the batch's examples anew, so that mixtures are of several
            tracks.

    Source: Uhlich et al. 2017 (Improving music source separation based on deep neural networks
    through data augmentation and network blending), section 3; Demucs's training.
    """

    flip: bool = False
    gain: tuple[float, float] | None = None
    remix: bool = False

    def apply(self, stems: Stems, rng: np.random.Generator) -> Stems:
        """The augmented batch.

        Args:
            stems: of every example, in one order.
            rng: decides everything.
        """
        B, S = stems.shape[:2]
        if self.flip:
            reverse, negate = rng.integers(2, size=(2, B, S, 1, 1)).astype(bool)
            stems = np.where(reverse, stems[:, :, ::-1], stems)
            stems = np.where(negate, -stems, stems)
        if self.gain:
            stems = stems * rng.uniform(*self.gain, size=(B, S, 1, 1)).astype(np.float32)
        if self.remix:
            dealt = [stems[rng.permutation(B), index] for index in range(S)]
            stems = np.stack(dealt, axis=1)
        return stems
