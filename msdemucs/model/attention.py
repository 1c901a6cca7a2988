"""Attention blocks over streams of tokens, mirrored from `spec.attention`, and their positions."""

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.model.fusion import mixed
from msdemucs.model.norms import group_norm
from msdemucs.spec.attention import AttentionOptions, BlockPlan, Mechanism
from msdemucs.spec.plan import EmbeddingPlan

Heads = Float[Tensor, "B H N D"]
Tokens = Float[Tensor, "B N D"]
Positions = Callable[[int, int, int, torch.device], Float[Tensor, "N D"]]


def softmax_products(queries: Heads, keys: Heads, values: Heads, dropout: float = 0.0) -> Heads:
    """softmax(q kᵀ / √d) v.

    Source: Vaswani et al. 2017, section 3.2.
    """
    return F.scaled_dot_product_attention(queries, keys, values, dropout_p=dropout)


def linear_products(queries: Heads, keys: Heads, values: Heads, dropout: float = 0.0) -> Heads:
    """φ(q) (φ(k)ᵀ v) / (φ(q) Σ φ(k)) with φ = ELU + 1: linear in the number of tokens.

    Source: Katharopoulos et al. 2020 (Transformers are RNNs), section 3.2.
    """
    q, k = F.elu(queries) + 1, F.elu(keys) + 1
    memory = k.transpose(-1, -2) @ values  # [B, H, D, D]
    normaliser = q @ k.sum(-2)[..., None]  # [B, H, N, 1]
    return F.dropout(q @ memory / (normaliser + 1e-6), dropout, training=dropout > 0)


PRODUCTS: dict[Mechanism, Callable[[Heads, Heads, Heads, float], Heads]] = {
    "softmax": softmax_products,
    "linear": linear_products,
}


class TokenLinear(nn.Linear):
    """A matrix and a bias for every token."""

    def forward(self, tokens: Tokens) -> Float[Tensor, "B N E"]:
        """Each token by itself; E features leave."""
        if tokens.device.type != "cpu":
            return F.linear(tokens, self.weight, self.bias)
        # oneDNN's 1 × 1 convolution takes half the time of MKL's matrix product (measured on AMD)
        features = tokens.transpose(1, 2)[:, :, None]  # [B, D, 1, N]
        mapped = F.conv2d(features, self.weight[:, :, None, None], self.bias)
        return mapped.squeeze(2).transpose(1, 2)


class MultiHeadAttention(nn.Module):
    """Queries of one sequence attend to keys and values of another, head by head."""

    def __init__(self, width: int, options: AttentionOptions) -> None:
        super().__init__()
        self.heads, self.products = options.heads, PRODUCTS[options.mechanism]
        self.query, self.key = TokenLinear(width, width), TokenLinear(width, width)
        self.value, self.out = TokenLinear(width, width), TokenLinear(width, width)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, queries: Tokens, context: Float[Tensor, "B M D"]) -> Tokens:
        """As long as the queries."""
        q = self.query(queries).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, H, N, d]
        k = self.key(context).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        v = self.value(context).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        dropout = self.dropout.p if self.training else 0.0
        attended = self.products(q, k, v, dropout).transpose(1, 2).flatten(2)
        return self.dropout(self.out(attended))


class SequenceNorm(nn.Module):
    """Normalisation over all tokens and features of an item, with an affine pair a feature."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tokens) -> Tokens:
        """Zero mean and unit variance of the whole sequence, then the affine pair."""
        # one kernel for statistics and affine pair, and parallel for a lone item too
        features = x.transpose(1, 2)[:, :, None]  # [B, D, 1, N], a view that is channels last
        return group_norm(features, 1, self.weight, self.bias).squeeze(2).transpose(1, 2)


class FeedForward(nn.Module):
    """x + gain · W₂ GELU(W₁ norm(x)), then a norm over the whole sequence."""

    def __init__(self, width: int, options: AttentionOptions) -> None:
        super().__init__()
        hidden = int(width * options.ffn)
        self.norm = nn.LayerNorm(width)
        self.linear1, self.linear2 = TokenLinear(width, hidden), TokenLinear(hidden, width)
        self.gain = nn.Parameter(torch.full((width,), options.layer_scale))
        self.dropout = nn.Dropout(options.dropout)
        self.norm_out = SequenceNorm(width)

    def forward(self, x: Tokens) -> Tokens:
        """Same size as the input."""
        hidden = self.dropout(F.gelu(self.linear1(self.norm(x))))
        return self.norm_out(torch.addcmul(x, self.gain, self.dropout(self.linear2(hidden))))


class SelfLayer(nn.Module):
    """A stream attends to itself; the other stream is not looked at."""

    def __init__(self, width: int, options: AttentionOptions) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, options)
        self.gain = nn.Parameter(torch.full((width,), options.layer_scale))
        self.feed_forward = FeedForward(width, options)

    def forward(self, x: Tokens, other: Float[Tensor, "B M D"]) -> Tokens:  # noqa: ARG002
        """Same size as the input."""
        normed = self.norm(x)
        return self.feed_forward(torch.addcmul(x, self.gain, self.attention(normed, normed)))


class CrossLayer(nn.Module):
    """A stream attends to the other stream."""

    def __init__(self, width: int, options: AttentionOptions) -> None:
        super().__init__()
        self.norm_query, self.norm_key = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, options)
        self.gain = nn.Parameter(torch.full((width,), options.layer_scale))
        self.feed_forward = FeedForward(width, options)

    def forward(self, x: Tokens, other: Float[Tensor, "B M D"]) -> Tokens:
        """Same size as the input."""
        attended = self.attention(self.norm_query(x), self.norm_key(other))
        return self.feed_forward(torch.addcmul(x, self.gain, attended))


class Replace(nn.Module):
    """The block's result goes on."""

    def forward(self, old: Tensor, new: Tensor) -> Tensor:  # noqa: ARG002
        """The new map."""
        return new


class Gate(nn.Module):
    """σ(w) of the block's result and 1 − σ(w) of what entered; one half each at first."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, old: Tensor, new: Tensor) -> Tensor:
        """The mixed map."""
        return mixed(old, new, self.weight.sigmoid())


class Stream(nn.Module):
    """One stream's side of a block: from map to tokens, its layers, and back."""

    def __init__(self, plan: BlockPlan, *, is_plane: bool) -> None:
        super().__init__()
        options, width = plan.options, plan.width
        self.widen: nn.Module = nn.Identity()
        self.narrow: nn.Module = nn.Identity()
        if plan.width != plan.channels:  # 1 × 1 convolutions to the block's width and back
            self.widen = nn.Conv2d(plan.channels, width, 1)
            self.narrow = nn.Conv2d(width, plan.channels, 1)
        self.norm_in = nn.LayerNorm(width)
        self.is_plane = is_plane
        kinds = [CrossLayer if options.is_cross(i) else SelfLayer for i in range(options.layers)]
        self.layers = nn.ModuleList(kind(width, options) for kind in kinds)
        self.mix = Gate() if options.mix == "gate" else Replace()

    def tokens(self, x: Float[Tensor, "B D F T"]) -> Tokens:
        """The wide map as a sequence with positions added, N = T · F with frequency fastest."""
        rows, frames = x.shape[2:]
        sequence = self.norm_in(x.permute(0, 3, 2, 1).flatten(1, 2))
        width = sequence.shape[-1]
        if self.is_plane:
            return sequence + sinusoids_2d(rows, frames, width, x.device)
        assert rows == 1
        return sequence + sinusoids_1d(frames, width, x.device)

    def give_back(self, x: Float[Tensor, "B C F T"], sequence: Tokens) -> Float[Tensor, "B C F T"]:
        """The map after attention, given the one before."""
        rows, frames = x.shape[2:]
        attended = sequence.view(len(x), frames, rows, -1).permute(0, 3, 2, 1)
        return self.mix(x, self.narrow(attended.contiguous(memory_format=torch.channels_last)))


class AttentionBlock(nn.Module):
    """Layers of one or two streams side by side; both cross to what the other was before."""

    def __init__(self, plan: BlockPlan) -> None:
        super().__init__()
        self.streams = nn.ModuleList(Stream(plan, is_plane=plane) for plane in plan.is_plane)
        if plan.options.mechanism != "softmax":
            return
        for module in self.modules():  # as torch's own begins: one Xavier matrix for q, k, v
            if isinstance(module, MultiHeadAttention):
                for linear in (module.query, module.key, module.value):
                    nn.init.xavier_uniform_(linear.weight, gain=2**-0.5)  # fans of stacked [3 D, D]
                    nn.init.zeros_(linear.bias)
                nn.init.zeros_(module.out.bias)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Feature maps [B, C, F, T], each with the size with which it came."""
        streams = cast(list[Stream], list(self.streams))
        wide = [stream.widen(x) for stream, x in zip(streams, maps, strict=True)]
        sequences = [stream.tokens(x) for stream, x in zip(streams, wide, strict=True)]
        for layers in zip(*(stream.layers for stream in streams), strict=True):
            others = sequences[::-1]
            sequences = [
                layer(tokens, other)
                for layer, tokens, other in zip(layers, sequences, others, strict=True)
            ]
        return [
            stream.give_back(x, sequence)
            for stream, x, sequence in zip(streams, maps, sequences, strict=True)
        ]


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
