"""Residual branches of dilated convolutions inside a level (DConv)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.model.norms import group_norm
from msdemucs.model.recurrent import SpannedLstm
from msdemucs.spec.levels import ResidualPlan
from msdemucs.spec.schema import ResidualAttention


class LayerScale(nn.Module):
    """A learned gain a channel, small at first, so that a residual branch begins as almost nothing.

    Source: Touvron et al. 2021 (Going deeper with image transformers), section 2.
    """

    def __init__(self, channels: int, init: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.full((channels,), init))

    def forward(
        self, x: Float[Tensor, "B C F T"], branch: Float[Tensor, "B C F T"]
    ) -> Float[Tensor, "B C F T"]:
        """Return x + gain · branch, made in one pass over memory."""
        return torch.addcmul(x, self.gain[:, None, None], branch)


class RowNorm(nn.Module):
    """Normalisation of each row over channels and frames, with a gain and bias a channel.

    A waveform branch has one row: there it is GroupNorm with one group.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C F T"]:
        """Zero mean and unit variance in each row, then the affine pair."""
        B, C, F_, T = x.shape
        # channels last, where a row lies in one piece, this is a view: rows as items, no copy
        rows = x.movedim(1, -1).reshape(B * F_, 1, T, C).movedim(-1, 1)  # [B · F, C, 1, T]
        normed = group_norm(rows, 1, self.weight, self.bias)
        return normed.movedim(1, -1).reshape(B, F_, T, C).movedim(-1, 1)


class LocalAttention(nn.Module):
    """Attention along frames whose scores fall with distance, at rates that each query learns.

    score(u, t) = q_u · k_t / √d − w_u |u − t| for t ≠ u and −100 for t = u, where w_u is the sum
    over rates f = 1 … D of f · sigmoid(decay_f,u) / (2 √D).
    Source: Défossez 2021 (arXiv:2111.03600), section 3.2.
    """

    def __init__(self, width: int, options: ResidualAttention) -> None:
        super().__init__()
        self.heads, self.decays = options.heads, options.decays
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.content, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.decay = nn.Linear(width, options.heads * options.decays)
        with torch.no_grad():  # few frames fade at first
            self.decay.weight.mul_(0.01)
            self.decay.bias.fill_(-2)

    def forward(self, x: Float[Tensor, "B C T"]) -> Float[Tensor, "B C T"]:
        """Same size as the input, which is added."""
        sequence = x.transpose(1, 2)  # [B, T, C]
        q, k = (
            linear(sequence).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, T, C / H]
            for linear in (self.query, self.key)
        )
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5  # [B, H, T of queries, T of keys]
        place = torch.arange(x.shape[-1], device=x.device)
        distance = (place[:, None] - place).abs()
        scores = scores - self._slopes(sequence)[..., None] * distance
        # finite, so that a lone frame attends to itself
        scores = scores.masked_fill(distance == 0, -100)
        content = self.content(sequence).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        attended = scores.softmax(-1) @ content
        return x + self.out(attended.transpose(1, 2).flatten(2)).transpose(1, 2)

    def _slopes(self, sequence: Float[Tensor, "B T C"]) -> Float[Tensor, "B H T"]:
        strength = self.decay(sequence).sigmoid().unflatten(-1, (self.heads, self.decays)) / 2
        rates = torch.arange(1, self.decays + 1, device=sequence.device, dtype=strength.dtype)
        return (strength @ rates).transpose(1, 2) / self.decays**0.5


class AlongFrames(nn.Module):
    """A module for sequences [B, C, T], applied to each row of a map by itself."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C F T"]:
        """Same size as the input."""
        rows = self.inner(x.transpose(1, 2).flatten(0, 1))  # [B · F, C, T]
        return rows.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)


class ResidualBranch(nn.Sequential):
    """Sub-layers dilated by 1, 2, 4 …, each added to what enters it."""

    def __init__(self, plan: ResidualPlan) -> None:
        super().__init__(*(SubLayer(plan, dilation) for dilation in plan.dilations))


class SubLayer(nn.Module):
    """x + gain · GLU(norm(expand(inside(GELU(norm(compress(x)))))), convolving along frames.

    Source: Défossez 2021 (arXiv:2111.03600), section 3.2.
    """

    def __init__(self, plan: ResidualPlan, dilation: int) -> None:
        super().__init__()
        c, h = plan.channels, plan.hidden
        self.compress = nn.Conv2d(c, h, (1, 3), dilation=(1, dilation), padding=(0, dilation))
        self.norm1 = RowNorm(h)
        self.inside = nn.Sequential(*_inside(plan))
        self.expand = nn.Conv2d(h, 2 * c, 1)
        self.norm2 = RowNorm(2 * c)
        self.scale = LayerScale(c, plan.init)

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C F T"]:
        """Same size as the input."""
        hidden = self.inside(F.gelu(self.norm1(self.compress(x))))
        return self.scale(x, glu(self.norm2(self.expand(hidden))))


def glu(x: Float[Tensor, "B C2 F T"]) -> Float[Tensor, "B C F T"]:
    """One half of the channels times the sigmoid of the other."""
    # channels as the last axis: only then does torch's gradient keep the layout in memory
    return F.glu(x.movedim(1, -1), dim=-1).movedim(-1, 1)


def _inside(plan: ResidualPlan) -> list[nn.Module]:
    modules: list[nn.Module] = []
    if plan.lstm:
        modules.append(AlongFrames(SpannedLstm(plan.hidden, plan.lstm.layers, plan.lstm.span)))
    if plan.attention:
        modules.append(AlongFrames(LocalAttention(plan.hidden, plan.attention)))
    return modules
