"""Resampling block by block, as if the whole track had been resampled at once."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torchaudio.functional import resample

from msdemucs.errors import UsageError

ZEROS = 6
"""Zero crossings of torchaudio's filter on each side."""

ROLLOFF = 0.99
"""Of its cut-off frequency."""

MOST_PHASES = 4096
"""Filters of the resampler above which a pair of rates is refused: it would fill the memory."""


class BlockResampler:
    """Takes blocks of a waveform and gives blocks at another rate.

    What comes out, joined, equals `torchaudio.functional.resample` of what went in, joined; blocks
    keep as much of their neighbours as the filter reaches.

    Args:
        old: rate of what goes in, in Hz.
        new: rate of what comes out.

    Raises:
        UsageError: rates without a small ratio.
    """

    def __init__(self, old: int, new: int) -> None:
        common = math.gcd(old, new)
        self.old, self.new = old // common, new // common
        if self.new > MOST_PHASES:
            raise UsageError(f"{old} Hz has no small ratio to {new} Hz")
        reach = math.ceil(ZEROS * self.old / (min(self.old, self.new) * ROLLOFF))
        # whole periods, so that every block begins with the same phase
        self.margin = self.old * (-(-reach // self.old) + 1)
        self._held: Tensor | None = None
        self._came = self._gave = 0

    def push(self, block: Float[Tensor, "*A N"]) -> Float[Tensor, "*A M"]:
        """What can be given after one more block; perhaps nothing."""
        if self.old == self.new:
            return block
        if self._held is None:  # silence before the beginning
            self._held = block.new_zeros((*block.shape[:-1], self.margin))
        self._held = torch.cat([self._held, block], dim=-1)
        self._came += block.shape[-1]
        ready = (self._held.shape[-1] - 2 * self.margin) // self.old * self.old
        return self._give(max(0, ready))

    def finish(self) -> Float[Tensor, "*A M"] | None:
        """The rest, after the last block; None where nothing is held."""
        if self._held is None:
            return None
        wanted = math.ceil(self._came * self.new / self.old) - self._gave
        missing = 2 * self.margin + self.old * math.ceil(wanted / self.new)
        silence = self._held.new_zeros((*self._held.shape[:-1], missing))
        self._held = torch.cat([self._held, silence], dim=-1)
        rest = self._give((self._held.shape[-1] - 2 * self.margin) // self.old * self.old)
        self._held = None
        return rest[..., :wanted]

    def _give(self, count: int) -> Tensor:
        """The next `count` samples that came, resampled; they are forgotten but for a margin."""
        assert self._held is not None
        if count == 0:
            return self._held[..., :0]
        within = self._held[..., : count + 2 * self.margin].contiguous()
        found = resample(within, self.old, self.new, lowpass_filter_width=ZEROS, rolloff=ROLLOFF)
        before = self.margin // self.old * self.new
        found = found[..., before : before + count // self.old * self.new]
        self._held = self._held[..., count:].clone()
        self._gave += found.shape[-1]
        return found
