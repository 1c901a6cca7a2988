"""Where branches meet: attention between them, and the trunk into which they may merge."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from msdemucs.model.layers import DecoderCell, EncoderCell
from msdemucs.spec.plan import TrunkPlan

Maps = list[Tensor]
"""One map [B, C, F, T] a branch."""


class Attend(nn.Module):
    """Fuse the resolutions, attend, give back to every branch.

    Args:
        fusion: the spectral maps → one map, and a function that gives one back to each.
        blocks: attention blocks over the fused spectral map and the waveform's; a block that is
            used in several places is the same module in each.
        n_spectral: how many of the maps are spectral; they come first.
    """

    def __init__(self, fusion: nn.Module, blocks: Sequence[nn.Module], n_spectral: int) -> None:
        super().__init__()
        self.fusion, self.blocks, self.n_spectral = fusion, nn.ModuleList(blocks), n_spectral

    def forward(self, maps: Maps) -> Maps:
        """Maps of the same sizes."""
        fused, give_back = self.fusion(maps[: self.n_spectral])
        streams = [*fused, *maps[self.n_spectral :]]
        for block in self.blocks:
            streams = block(streams)
        return [*give_back(streams[: len(fused)]), *streams[len(fused) :]]


class Zeros(nn.Module):
    """Nothing goes on: decoders begin with their skips alone."""

    def forward(self, maps: Maps) -> Maps:
        """Zeros of the same sizes."""
        return [torch.zeros_like(x) for x in maps]


class Trunk(nn.Module):
    """What the spectral and the waveform branch become after they merge, down and up again.

    Source: Défossez 2021 (arXiv:2111.03600), section 3.1.

    Args:
        plan: its levels.
        after_encoder: what happens after each encoder level.
        bottleneck: what happens at the deepest map.
        after_decoder: what happens after each decoder level.
    """

    def __init__(
        self,
        plan: TrunkPlan,
        *,
        after_encoder: Sequence[nn.Module],
        bottleneck: nn.Module,
        after_decoder: Sequence[nn.Module],
    ) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(EncoderCell(level) for level in plan.encoder)
        self.decoder = nn.ModuleList(DecoderCell(level) for level in plan.decoder)
        self.after_encoder = nn.ModuleList(after_encoder)
        self.after_decoder = nn.ModuleList(after_decoder)
        self.bottleneck = bottleneck

    def forward(self, maps: Maps) -> Maps:
        """The spectral and the waveform map, of the same sizes."""
        spectral, waveform = maps
        sizes: list[tuple[int, ...]] = [(spectral.shape[2], waveform.shape[3])]
        skips: list[Tensor] = []
        for cell, meeting in zip(self.encoder, self.after_encoder, strict=True):
            maps = meeting([cell(*maps)])  # [B, C, 1, T]
            skips.append(maps[0])
            sizes.append((maps[0].shape[3],))
        sizes.pop()
        maps = self.bottleneck(maps)
        for cell, meeting in zip(self.decoder, self.after_decoder, strict=True):
            maps = meeting(cell(maps[0], skips.pop(), *sizes.pop()))
        return maps
