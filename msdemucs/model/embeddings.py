"""What tells the network where it is: frequency embeddings and position tables."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.spec.plan import EmbeddingPlan

MAX_PERIOD = 10000.0


class FrequencyEmbedding(nn.Module):
    """A learned offset a row and channel: x + weight · scale · table.

    The table is stored divided by `scale`, so that an optimiser's equal steps move it faster.

    Source: Défossez 2021 (arXiv:2111.03600), section 3.1.
    """

    def __init__(self, plan: EmbeddingPlan) -> None:
        super().__init__()
        self.options = plan.options
        self.table = nn.Parameter(torch.empty(plan.rows, plan.channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Standard normal rows, or their running sums scaled to unit variance if smooth."""
        with torch.no_grad():
            self.table.normal_()
            if self.options.smooth:
                rows = torch.arange(1, len(self.table) + 1, dtype=self.table.dtype)
                self.table.copy_(self.table.cumsum(0) / rows.sqrt()[:, None])
            self.table.div_(self.options.scale)

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C F T"]:
        """Every frame gets the same offset."""
        return x + self.options.weight * self.options.scale * self.table.T[:, :, None]


def sinusoids_1d(frames: int, width: int, device: torch.device) -> Float[Tensor, "T D"]:
    """Positions on a line: the cosines of all rates, then the sines.

    Source: Vaswani et al. 2017, section 3.5, in the arrangement of Demucs.
    """
    half = width // 2
    exponent = torch.arange(half, device=device) / max(1, half - 1)
    phase = torch.arange(frames, device=device)[:, None] / MAX_PERIOD**exponent
    return torch.cat([phase.cos(), phase.sin()], dim=1)


def sinusoids_2d(rows: int, frames: int, width: int, device: torch.device) -> Float[Tensor, "N D"]:
    """Positions on a plane, frequency fastest: half of the width codes the frame, half the row.

    Source: Wang and Liu 2019 (Translating math formula images), section 3.2.
    """
    frame = _interleaved(frames, width // 2, device)[:, None].expand(-1, rows, -1)  # [T, F, D / 2]
    row = _interleaved(rows, width // 2, device)[None].expand(frames, -1, -1)
    return torch.cat([frame, row], dim=2).flatten(0, 1)


def _interleaved(count: int, width: int, device: torch.device) -> Tensor:
    """Sine and cosine of each rate side by side, [count, width]."""
    rate = MAX_PERIOD ** (-2 * torch.arange(width // 2, device=device) / width)
    phase = torch.arange(count, device=device)[:, None] * rate
    return torch.stack([phase.sin(), phase.cos()], dim=2).flatten(1)
