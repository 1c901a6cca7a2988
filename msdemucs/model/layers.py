"""One level of an encoder or decoder, with its residual branches; of every branch and the trunk."""

from functools import reduce

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.model.norms import GroupNorm, group_norm
from msdemucs.spec.levels import Axis, DecoderLevel, EncoderLevel, Level, ResidualPlan, Shift
from msdemucs.spec.schema import Activation, ResidualAttention

ACTIVATIONS: dict[Activation | None, type[nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    None: nn.Identity,
}


class Down(nn.Module):
    """A convolution with a stride along one axis, which is filled up to a multiple of it first."""

    def __init__(self, plan: Shift) -> None:
        super().__init__()
        self.axis, self.multiple = plan.axis, plan.multiple
        self.conv = nn.Conv2d(
            plan.outer.channels,
            plan.inner.channels,
            plan.axis.along(plan.kernel_size),
            plan.axis.along(plan.stride),
            plan.axis.along(plan.padding, 0),
        )

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C_in F_in T_in"]:
        """The axis shrinks by the stride."""
        missing = -size_along(x, self.axis) % self.multiple
        if missing:
            rows, frames = self.axis.along(missing, 0)
            x = F.pad(x, (0, frames, 0, rows))
        return self.conv(x)


class Up(nn.Module):
    """A transposed convolution with a stride along one axis, norm, crop and activation.

    A norm takes its statistics before the crop, as in the reference.
    """

    def __init__(self, plan: Shift, level: DecoderLevel) -> None:
        super().__init__()
        # what no norm looks at need not be made: the convolution's own padding crops both ends
        self.axis = plan.axis
        self.padding = 0 if plan.is_even and level.norm_groups is None else plan.padding
        self.conv = nn.ConvTranspose2d(
            plan.inner.channels,
            plan.outer.channels,
            plan.axis.along(plan.kernel_size),
            plan.axis.along(plan.stride),
            plan.axis.along(plan.padding - self.padding, 0),
        )
        self.norm = _norm(level, plan.outer.channels)
        self.activation = ACTIVATIONS[level.activation]()

    def forward(self, x: Float[Tensor, "B C F T"], size: int) -> Float[Tensor, "B C_o F_o T_o"]:
        """The axis grows to `size`, what the encoder's level was given."""
        z = self.norm(self.conv(x))
        if size_along(z, self.axis) != size:  # to cut nothing off would still copy the gradient
            crop = slice(self.padding, self.padding + size)
            z = z[:, :, crop] if self.axis is Axis.ROWS else z[..., crop]
        return self.activation(z)


class EncoderCell(nn.Module):
    """Convolution with stride, GELU, residual branch, rewrite with GLU.

    Where branches merge each has a convolution of its own, and their results are added.
    Source: Défossez 2021 (arXiv:2111.03600), section 3.1.
    """

    def __init__(self, level: EncoderLevel) -> None:
        super().__init__()
        self.convs = nn.ModuleList(Down(shift) for shift in level.shifts)
        self.norm = _norm(level, level.output.channels)
        self.activation = ACTIVATIONS[level.activation]()
        self.residual = _residual(level)
        self.rewrite = _rewrite(level)

    def forward(self, *maps: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C_in F_in T_in"]:
        """One map for each convolution; one map leaves."""
        pairs = list(zip(self.convs, maps, strict=True))
        y = reduce(torch.add, [conv(x) for conv, x in reversed(pairs)])  # the waveform's first
        return self.rewrite(self.residual(self.activation(self.norm(y))))


class DecoderCell(nn.Module):
    """Rewrite over neighbours with GLU, residual branch, transposed convolution, GELU.

    Where the trunk splits, each branch has a transposed convolution of its own.
    """

    def __init__(self, level: DecoderLevel) -> None:
        super().__init__()
        self.rewrite = _rewrite(level)
        self.residual = _residual(level)
        self.ups = nn.ModuleList(Up(shift, level) for shift in level.shifts)

    def forward(
        self, x: Float[Tensor, "B C F T"], skip: Float[Tensor, "B C F T"], *sizes: int
    ) -> list[Tensor]:
        """A map for each size, what the encoder's level was given."""
        y = self.residual(self.rewrite(x + skip))
        return [up(y, size) for up, size in zip(self.ups, sizes, strict=True)]


class Rewrite(nn.Module):
    """A convolution over neighbours to twice the channels, norm, GLU."""

    def __init__(self, level: Level, channels: int, taps: tuple[int, int]) -> None:
        super().__init__()
        padding = (taps[0] // 2, taps[1] // 2)
        self.conv = nn.Conv2d(channels, 2 * channels, taps, padding=padding)
        self.norm = _norm(level, 2 * channels)

    def forward(self, x: Float[Tensor, "B C F T"]) -> Float[Tensor, "B C F T"]:
        """Same size as the input."""
        return glu(self.norm(self.conv(x)))


def size_along(x: Float[Tensor, "B C F T"], axis: Axis) -> int:
    """Rows or frames of a map."""
    return x.shape[2] if axis is Axis.ROWS else x.shape[3]


def _norm(level: Level, channels: int) -> nn.Module:
    return nn.Identity() if level.norm_groups is None else GroupNorm(level.norm_groups, channels)


def _rewrite(level: Level) -> nn.Module:
    channels = level.shifts[0].inner.channels
    return nn.Identity() if level.rewrite is None else Rewrite(level, channels, level.rewrite)


def _residual(level: Level) -> nn.Module:
    if level.residual is None:
        return nn.Identity()
    return ResidualBranch(level.residual)


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
        strength = self.decay(sequence).sigmoid().unflatten(-1, (self.heads, self.decays)) / 2
        rates = torch.arange(1, self.decays + 1, device=x.device, dtype=strength.dtype)
        slopes = (strength @ rates).transpose(1, 2) / self.decays**0.5  # [B, H, T]
        scores = scores - slopes[..., None] * distance
        # finite, so that a lone frame attends to itself
        scores = scores.masked_fill(distance == 0, -100)
        content = self.content(sequence).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        attended = scores.softmax(-1) @ content
        return x + self.out(attended.transpose(1, 2).flatten(2)).transpose(1, 2)


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
        self.inside = nn.Sequential()
        if plan.lstm:
            lstm = SpannedLstm(h, plan.lstm.layers, plan.lstm.span)
            self.inside.append(AlongFrames(lstm))
        if plan.attention:
            self.inside.append(AlongFrames(LocalAttention(h, plan.attention)))
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
