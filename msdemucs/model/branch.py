"""One path through the network: a front end, encoder levels and decoder levels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.model.embeddings import FrequencyEmbedding
from msdemucs.model.layers import DecoderCell, EncoderCell
from msdemucs.model.transforms import Spectrogram, Waveform
from msdemucs.spec.plan import Axis, BranchPlan

EPSILON = 1e-5


@dataclass
class Signal:
    """What a branch carries through the network for one batch.

    Attributes:
        features: the current map [B, C, F, T].
        mean: of each item before normalisation, [B, 1, 1, 1].
        std: likewise.
        sizes: the length of the branch's axis before each level.
        skips: what left each encoder level.
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
    """

    def __init__(self, plan: BranchPlan, sources: int) -> None:
        super().__init__()
        self.sources = sources
        self.axis = plan.encoder[0].axis
        self.front = Spectrogram(plan.resolution) if plan.resolution else Waveform()
        self.encoder = nn.ModuleList(EncoderCell(cell) for cell in plan.encoder)
        self.decoder = nn.ModuleList(DecoderCell(cell) for cell in plan.decoder)
        embedding = FrequencyEmbedding(plan.embedding) if plan.embedding else nn.Identity()
        rest = [nn.Identity() for _ in plan.encoder[1:]]
        self.embeddings = nn.ModuleList([embedding, *rest])

    def analyse(self, mixture: Float[Tensor, "B A N"]) -> Signal:
        """The mixture in the branch's domain, each item normalised to zero mean, unit deviation."""
        features = self.front.analyse(mixture)
        dims = (1, 2, 3)
        correction = min(1, features[0].numel() - 1)  # a lone value has no deviation
        std, mean = torch.std_mean(features, dim=dims, correction=correction, keepdim=True)
        return Signal((features - mean) / (EPSILON + std), mean, std, [], [])

    def encode(self, signal: Signal, level: int) -> None:
        """One level down; what leaves it is kept as the decoder's skip."""
        signal.sizes.append(signal.features.shape[2 if self.axis is Axis.ROWS else 3])
        signal.features = self.embeddings[level](self.encoder[level](signal.features))
        signal.skips.append(signal.features)

    def decode(self, signal: Signal, level: int) -> None:
        """One level up; `level` counts from the deepest."""
        decoder = self.decoder[level]
        signal.features = decoder(signal.features, signal.skips.pop(), signal.sizes.pop())

    def synthesise(self, signal: Signal, n_samples: int) -> Float[Tensor, "B S A N"]:
        """The estimates as waveforms, the normalisation undone."""
        features = signal.features * signal.std + signal.mean
        waveforms = self.front.synthesise(features, n_samples)  # [B, S · A, N]
        return waveforms.view(len(waveforms), self.sources, -1, n_samples)
