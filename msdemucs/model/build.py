"""Plan → modules: the only place that chooses classes."""

import torch
from torch import nn

from msdemucs.model.attention import attention_block
from msdemucs.model.branch import Branch
from msdemucs.model.fusion import fusion
from msdemucs.model.separator import (
    Bottleneck,
    Output,
    Separator,
    WaveformBottleneck,
    WaveformOutput,
)
from msdemucs.spec import Plan, Spec, plan


def build(spec: Spec) -> Separator:
    """A separator with fresh weights, drawn from torch's generator.

    Raises:
        PlanError: the spec cannot be built.
    """
    resolved = plan(spec)
    branches = [Branch(branch, len(spec.sources)) for branch in resolved.branches]
    output = _output(resolved)
    for module in (*branches, output):
        rescale(module, spec.init.rescale)
    return Separator(spec, branches=branches, bottleneck=_bottleneck(resolved), output=output)


def rescale(module: nn.Module, reference: float | None) -> None:
    """Divide the weights and bias of each convolution by √(std / reference); None leaves them.

    Source: Défossez et al. 2019 (arXiv:1911.13254), section 4.3.
    """
    if reference is None:
        return
    for conv in module.modules():
        if isinstance(conv, nn.Conv2d | nn.ConvTranspose2d) and conv.weight.numel() > 1:
            with torch.no_grad():
                factor = (conv.weight.std() / reference).sqrt()
                conv.weight.div_(factor)
                assert conv.bias is not None
                conv.bias.div_(factor)


def _bottleneck(resolved: Plan) -> nn.Module:
    is_plane = [bool(resolved.spectral)] * bool(resolved.spectral)
    is_plane += [False] * bool(resolved.waveform)
    blocks = [
        attention_block(options, resolved.width, is_plane=is_plane)
        for options in resolved.attention
    ]
    if not resolved.spectral:
        return WaveformBottleneck(blocks)
    if not blocks:
        return nn.Identity()
    return Bottleneck(fusion(resolved.bottleneck_fusion, resolved), blocks, len(resolved.spectral))


def _output(resolved: Plan) -> nn.Module:
    if not resolved.spectral:
        return WaveformOutput()
    return Output(fusion(resolved.spec.fusion.output, resolved), len(resolved.spectral))
