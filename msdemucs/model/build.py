"""Plan → modules: the only place that chooses classes."""

import torch
from torch import nn

from msdemucs.cost import Limits, check_size
from msdemucs.model.attention import AttentionBlock
from msdemucs.model.branch import Branch
from msdemucs.model.fusion import fusion
from msdemucs.model.meeting import Attend, Trunk, Zeros
from msdemucs.model.recurrent import BottleneckLstm
from msdemucs.model.separator import Output, Parts, Separator, SpectralOutput, WaveformOutput
from msdemucs.spec import Plan, Spec, plan


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
    parts = _parts(resolved)
    separator = Separator(resolved, parts)
    for module in (*parts.branches, *_trunk_cells(parts.core), parts.output):
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


def _trunk_cells(core: nn.Module) -> tuple[nn.Module, ...]:
    """The levels of a trunk; attention's own convolutions are not rescaled."""
    return (core.encoder, core.decoder) if isinstance(core, Trunk) else ()


def _parts(resolved: Plan) -> Parts:
    blocks = [AttentionBlock(block) for block in resolved.blocks]
    branches = _branches(resolved)
    depth, outer = resolved.spec.depth, len(resolved.branches[0].encoder)
    down = [_meeting(resolved, blocks, f"encoder {level}") for level in range(depth)]
    up = [_meeting(resolved, blocks, f"decoder {index}") for index in range(depth)]
    core = _bottleneck(resolved, blocks)
    if resolved.trunk:
        core = Trunk(
            resolved.trunk,
            after_encoder=down[outer:],
            bottleneck=core,
            after_decoder=up[: depth - outer],
        )
    return Parts(branches, down[:outer], core, up[depth - outer :], _output(resolved))


def _branches(resolved: Plan) -> list[Branch]:
    branches: list[Branch] = []
    for branch in resolved.branches:
        shared = branches[0] if branch.shares else None
        branches.append(Branch(branch, len(resolved.spec.sources), shared))
    return branches


def _meeting(resolved: Plan, blocks: list[AttentionBlock], place: str) -> nn.Module:
    """The attention at a place, or nothing."""
    site = resolved.site(place)
    if site is None:
        return nn.Identity()
    several = resolved.fusion if site.n_spectral > 1 else None
    here = [blocks[index] for index in site.blocks]
    return Attend(fusion(several, resolved), here, site.n_spectral)


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
