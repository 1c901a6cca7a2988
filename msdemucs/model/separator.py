"""The separator: branches, the places where they meet, and how a plan becomes one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.cost import Limits, check_size
from msdemucs.model.attention import AttentionBlock
from msdemucs.model.branch import Branch, Signal
from msdemucs.model.fusion import fusion
from msdemucs.model.layers import BottleneckLstm, DecoderCell, EncoderCell
from msdemucs.spec import Plan, Spec, plan
from msdemucs.spec.plan import TrunkPlan


@dataclass(frozen=True)
class Parts:
    """The modules of a separator.

    Attributes:
        branches: spectral ones first, then the waveform branch.
        after_encoder: maps of all branches in, maps of the same sizes out, after each level.
        core: the same at the deepest level of the branches on their own.
        after_decoder: the same after each decoder level.
        output: estimates of all branches in, one out.
    """

    branches: Sequence[Branch]
    after_encoder: Sequence[nn.Module]
    core: nn.Module
    after_decoder: Sequence[nn.Module]
    output: nn.Module


class Separator(nn.Module):
    """A mixture in, one estimate a source out; any number of samples from 1 on.

    Args:
        plan: what it was built from.
        parts: what it is made of.
    """

    def __init__(self, plan: Plan, parts: Parts) -> None:
        super().__init__()
        self.spec: Spec = plan.spec
        self.shortest, self.n_spectral = plan.shortest, len(plan.spectral)
        self.branches = BranchList(parts.branches)
        self.after_encoder = nn.ModuleList(parts.after_encoder)
        self.core = parts.core
        self.after_decoder = nn.ModuleList(parts.after_decoder)
        self.output = parts.output
        unused = plan.spec.init.unused
        self.unused = nn.Parameter(torch.zeros(unused)) if unused else None

    def forward(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B S A N"]:
        """Estimates of every source.

        Args:
            mixture: waveform at the spec's sample rate, full scale ±1.
        """
        n_samples = mixture.shape[-1]
        mixture = F.pad(mixture, (0, max(0, self.shortest - n_samples)))
        signals = [branch.analyse(mixture) for branch in self.branches]
        paths = list(zip(self.branches, signals, strict=True))

        for level, meeting in enumerate(self.after_encoder):
            for branch, signal in paths:
                branch.encode(signal, level)
            exchange(meeting, signals)
            for branch, signal in paths[: self.n_spectral]:
                branch.embed(signal, level)

        exchange(self.core, signals)

        for level, meeting in enumerate(self.after_decoder):
            for branch, signal in paths:
                branch.decode(signal, level)
            exchange(meeting, signals)

        return self.output([branch.synthesise(signal, n_samples) for branch, signal in paths])


def exchange(meeting: nn.Module, signals: Sequence[Signal]) -> None:
    """Every signal goes on with what the meeting makes of its features."""
    maps = meeting([signal.features for signal in signals])
    for signal, features in zip(signals, maps, strict=True):
        signal.features = features


class Output(nn.Module):
    """Fuse the resolutions' estimates, then add the waveform branch's."""

    def __init__(self, fusion: nn.Module, n_spectral: int) -> None:
        super().__init__()
        self.fusion, self.n_spectral = fusion, n_spectral

    def forward(self, estimates: list[Tensor]) -> Float[Tensor, "B S A N"]:
        """One estimate [B, S, A, N] a branch → one estimate."""
        fused = self.fusion(torch.stack(estimates[: self.n_spectral], dim=1))
        return reduce(torch.add, estimates[self.n_spectral :], fused)


class SpectralOutput(nn.Module):
    """Fuse the resolutions' estimates; the waveform branch's are thrown away."""

    def __init__(self, fusion: nn.Module, n_spectral: int) -> None:
        super().__init__()
        self.fusion, self.n_spectral = fusion, n_spectral

    def forward(self, estimates: list[Tensor]) -> Float[Tensor, "B S A N"]:
        """One estimate [B, S, A, N] a branch → one estimate."""
        return self.fusion(torch.stack(estimates[: self.n_spectral], dim=1))


class WaveformOutput(nn.Module):
    """The estimate of a separator without spectral branches."""

    def forward(self, estimates: list[Tensor]) -> Float[Tensor, "B S A N"]:
        """The one estimate."""
        return estimates[0]


class BranchList(nn.ModuleList):
    """Branches, for the type checker too."""

    def __iter__(self) -> Iterator[Branch]:
        """The branches in order."""
        return cast(Iterator[Branch], super().__iter__())


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


def build(spec: Spec, *, limits: Limits | None = None) -> Separator:
    """A separator with fresh weights, drawn from torch's generator.

    Args:
        spec: what to build.
        limits: sizes above which nothing is allocated; None takes Limits' own.

    Raises:
        PlanError: the spec cannot be built, or is larger than the limits.
    """
    resolved = plan(spec)
    check_size(resolved, limits or Limits())
    blocks = [AttentionBlock(block) for block in resolved.blocks]
    branches: list[Branch] = []
    for branch in resolved.branches:
        shared = branches[0] if branch.shares else None
        branches.append(Branch(branch, len(spec.sources), shared))
    depth, outer = spec.depth, len(resolved.branches[0].encoder)
    down = [_meeting(resolved, blocks, f"encoder {level}") for level in range(depth)]
    up = [_meeting(resolved, blocks, f"decoder {index}") for index in range(depth)]
    core = _bottleneck(resolved, blocks)
    rescaled: list[nn.Module] = [*branches]  # attention's own convolutions are not
    if resolved.trunk:
        core = Trunk(
            resolved.trunk,
            after_encoder=down[outer:],
            bottleneck=core,
            after_decoder=up[: depth - outer],
        )
        rescaled += [core.encoder, core.decoder]
    output = _output(resolved)
    parts = Parts(branches, down[:outer], core, up[depth - outer :], output)
    separator = Separator(resolved, parts)
    for module in (*rescaled, output):
        rescale(module, spec.init.rescale)
    return separator


def rescale(module: nn.Module, reference: float | None) -> None:
    """Divide the weights and bias of each convolution by √(std / reference); None leaves them.

    Source: Défossez et al. 2019 (arXiv:1911.13254), section 4.3.
    """
    if reference is None:
        return
    kinds = nn.Conv1d | nn.Conv2d | nn.ConvTranspose2d
    for conv in module.modules():
        if isinstance(conv, kinds) and conv.weight.numel() > 1:
            with torch.no_grad():
                factor = (conv.weight.std() / reference).sqrt()
                conv.weight.div_(factor)
                assert conv.bias is not None
                conv.bias.div_(factor)


def _meeting(resolved: Plan, blocks: list[AttentionBlock], place: str) -> nn.Module:
    """The attention at a place, or nothing."""
    site = resolved.site(place)
    if site is None:
        return nn.Identity()
    several = fusion(resolved.fusion if site.n_spectral > 1 else None, resolved)
    return Attend(several, [blocks[index] for index in site.blocks], site.n_spectral)


def _bottleneck(resolved: Plan, blocks: list[AttentionBlock]) -> nn.Module:
    """What happens at the deepest maps."""
    if resolved.spec.decoder_start == "zeros":
        return Zeros()
    attend = _meeting(resolved, blocks, "bottleneck")
    if resolved.spec.lstm is None:
        return attend
    lstm = BottleneckLstm(resolved.deepest[0].channels, resolved.spec.lstm.layers)
    return nn.Sequential(lstm, attend)


def _output(resolved: Plan) -> nn.Module:
    spec, count = resolved.spec, len(resolved.spectral)
    if not count:
        return WaveformOutput()
    fused = fusion(spec.fusion.output, resolved)
    if spec.waveform and spec.waveform.estimate == "discard":
        return SpectralOutput(fused, count)
    return Output(fused, count)
