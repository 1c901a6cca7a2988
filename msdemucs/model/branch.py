"""One path through the network: a front end, encoder levels and decoder levels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.model.embeddings import FrequencyEmbedding
from msdemucs.model.layers import DecoderCell, EncoderCell, size_along
from msdemucs.model.transforms import FrontEnd, front_end
from msdemucs.spec.levels import DecoderLevel, EncoderLevel
from msdemucs.spec.plan import BranchPlan, Front, WaveformFront

EPSILON = 1e-5

LevelPlan = TypeVar("LevelPlan", EncoderLevel, DecoderLevel)


@dataclass
class Signal:
    """What a branch carries through the network for one batch.

    Attributes:
        features: the current map [B, C, F, T].
        mean: of each item before normalisation, [B, 1, 1, 1].
        std: likewise.
        sizes: the length of the branch's axis before each level.
        skips: what each decoder level will be given beside its input.
    """

    features: Tensor
    mean: Tensor
    std: Tensor
    sizes: list[int]
    skips: list[Tensor]


class Branch(nn.Module):
    """A branch of the separator, spectral or waveform.

    Args:
        plan: its levels.
        sources: estimates to make.
        shared: a branch whose levels it uses; None for its own.
    """

    encoder: nn.ModuleList
    decoder: nn.ModuleList

    def __init__(self, plan: BranchPlan, sources: int, shared: "Branch | None" = None) -> None:
        super().__init__()
        self.sources = sources
        self.axis = plan.encoder[0].shifts[0].axis
        self.front: FrontEnd = front_end(plan.front)
        self.standardise = _standardise(plan.front)
        self.encoder = shared.encoder if shared else _cells(EncoderCell, plan.encoder)
        self.decoder = shared.decoder if shared else _cells(DecoderCell, plan.decoder)
        embedding = FrequencyEmbedding(plan.embedding) if plan.embedding else nn.Identity()
        rest = [nn.Identity() for _ in plan.encoder[1:]]
        self.embeddings = nn.ModuleList([embedding, *rest])

    def analyse(self, mixture: Float[Tensor, "B A N"]) -> Signal:
        """The mixture in the branch's domain, each item normalised to zero mean, unit deviation."""
        features, mean, std = self.standardise(self.front.analyse(mixture))
        # Convolutions and norms of rows are fastest so, and every module keeps the layout.
        features = features.contiguous(memory_format=torch.channels_last)
        return Signal(features, mean, std, [], [])

    def encode(self, signal: Signal, level: int) -> None:
        """One level down; what leaves it is kept as the decoder's skip."""
        signal.sizes.append(size_along(signal.features, self.axis))
        signal.features = self.encoder[level](signal.features)
        signal.skips.append(signal.features)

    def embed(self, signal: Signal, level: int) -> None:
        """Tell where each row is, after the first level; the skip becomes what is there now."""
        signal.features = self.embeddings[level](signal.features)
        signal.skips[-1] = signal.features

    def decode(self, signal: Signal, level: int) -> None:
        """One level up; `level` counts from the branch's deepest."""
        skip, size = signal.skips.pop(), signal.sizes.pop()
        (signal.features,) = self.decoder[level](signal.features, skip, size)

    def synthesise(self, signal: Signal, n_samples: int) -> Float[Tensor, "B S A N"]:
        """The estimates as waveforms, the normalisation undone."""
        features = torch.addcmul(signal.mean, signal.features, signal.std)
        waveforms = self.front.synthesise(features, n_samples)  # [B, S · A, N]
        return waveforms.view(len(waveforms), self.sources, -1, n_samples)


class Standardise(nn.Module):
    """Each item to zero mean and unit deviation."""

    def forward(self, features: Float[Tensor, "B C F T"]) -> tuple[Tensor, Tensor, Tensor]:
        """What it becomes, its mean and its deviation [B, 1, 1, 1]."""
        correction = min(1, features[0].numel() - 1)  # a lone value has no deviation
        std, mean = torch.std_mean(features, dim=(1, 2, 3), correction=correction, keepdim=True)
        return (features - mean) / (EPSILON + std), mean, std


class AsItIs(nn.Module):
    """No normalisation."""

    def forward(self, features: Float[Tensor, "B C F T"]) -> tuple[Tensor, Tensor, Tensor]:
        """The features, zeros and ones."""
        zeros = features.new_zeros(len(features), 1, 1, 1)
        return features, zeros, zeros + 1


def _standardise(front: Front) -> nn.Module:
    is_raw = isinstance(front, WaveformFront) and not front.options.normalize
    return AsItIs() if is_raw else Standardise()


def _cells(cell: Callable[[LevelPlan], nn.Module], levels: Sequence[LevelPlan]) -> nn.ModuleList:
    return nn.ModuleList(cell(level) for level in levels)
