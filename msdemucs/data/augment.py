"""Training examples made new: stems shifted, turned, made louder or softer, and dealt anew."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

Stems = Float32[np.ndarray, "B S A N"]


@dataclass(frozen=True)
class Augmentation:
    """What is done to the stems of a batch; their sums are the mixtures.

    Attributes:
        shift: samples by which each stem is shortened, at random at its beginning or its end.
        flip: each stem's channels are reversed, and its sign turned, at random.
        gain: the range from which each stem's gain is drawn; None leaves them.
        remix: each stem is dealt to the batch's examples anew, so that mixtures are of several
            tracks.

    Source: Uhlich et al. 2017 (Improving music source separation based on deep neural networks
    through data augmentation and network blending), section 3; Demucs's training.
    """

    shift: int = 0
    flip: bool = False
    gain: tuple[float, float] | None = None
    remix: bool = False

    def apply(
        self, stems: Stems, rng: np.random.Generator, groups: Sequence[int] | None = None
    ) -> Stems:
        """The augmented batch.

        Args:
            stems: of every example, in one order.
            rng: decides everything.
            groups: a number a stem, from 0 on; what is drawn is the same for stems of one number.
                None draws for each stem alone.
        """
        B, S, _, N = stems.shape
        groups = range(S) if groups is None else groups
        G, each = max(groups) + 1, list(groups)
        if self.shift:
            starts = rng.integers(self.shift + 1, size=(B, G))[:, each, None, None]
            stems = np.take_along_axis(stems, starts + np.arange(N - self.shift), axis=3)
        if self.flip:
            drawn = rng.integers(2, size=(2, B, G, 1, 1)).astype(bool)
            reverse, negate = drawn[:, :, each]
            stems = np.where(reverse, stems[:, :, ::-1], stems)
            stems = np.where(negate, -stems, stems)
        if self.gain:
            gains = rng.uniform(*self.gain, size=(B, G, 1, 1)).astype(np.float32)
            stems = stems * gains[:, each]
        if self.remix:
            orders = [rng.permutation(B) for _ in range(G)]
            dealt = [stems[orders[group], index] for index, group in enumerate(groups)]
            stems = np.stack(dealt, axis=1)
        return stems
