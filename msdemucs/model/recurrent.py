"""Bidirectional LSTMs along frames, at the bottleneck and inside residual branches."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class BidirectionalLstm(nn.Module):
    """An LSTM in both directions, and a matrix that brings them back to one width.

    Source: Défossez et al. 2019 (arXiv:1911.13254), section 4.1.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, layers, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * width, width)

    def forward(self, x: Float[Tensor, "B C T"]) -> Float[Tensor, "B C T"]:
        """Same size as the input."""
        steps, _ = self.lstm(x.transpose(1, 2))  # [B, T, 2 C]
        return self.linear(steps).transpose(1, 2)


class BottleneckLstm(nn.Module):
    """A bidirectional LSTM over the one deepest map."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.lstm = BidirectionalLstm(width, layers)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The one map [B, C, 1, T]."""
        return [self.lstm(maps[0][:, :, 0])[:, :, None]]


class SpannedLstm(nn.Module):
    """A bidirectional LSTM added to what enters; long sequences go through it span by span.

    Spans overlap by half, and of each the middle half is kept, and what lies beyond at both ends.
    Source: Défossez 2021 (arXiv:2111.03600), section 3.2.
    """

    def __init__(self, width: int, layers: int, span: int | None) -> None:
        super().__init__()
        self.span = span
        self.lstm = BidirectionalLstm(width, layers)

    def forward(self, x: Float[Tensor, "B C T"]) -> Float[Tensor, "B C T"]:
        """Same size as the input."""
        if self.span is None or x.shape[-1] <= self.span:
            return x + self.lstm(x)
        return x + self._by_spans(x, self.span)

    def _by_spans(self, x: Float[Tensor, "B C T"], span: int) -> Float[Tensor, "B C T"]:
        B, C, T = x.shape
        hop, edge = span // 2, span // 4
        count = -(-T // hop)
        filled = F.pad(x, (0, (count + 1) * hop - T))
        spans = filled.unfold(-1, span, hop).transpose(1, 2)  # [B, count, C, span]
        done = self.lstm(spans.reshape(B * count, C, span)).view(B, count, C, span)
        middles = done[..., edge : edge + hop].transpose(1, 2).reshape(B, C, count * hop)
        first, last = done[:, 0, :, :edge], done[:, -1, :, edge + hop :]
        return torch.cat([first, middles, last], dim=-1)[..., :T]
