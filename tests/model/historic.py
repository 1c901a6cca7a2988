"""Weights drawn in the order in which the original systems draw theirs.

The sheets give sums and outputs of the originals for one seed. Drawing our modules' weights in the
same order gives the same weights, so that the sheets' values check the whole forward pass.
Source: shared/systems, sheet of n and nn, section 0.6; base sheet, sections 1.4, 1.5 and 3.2.
"""

import torch
from torch import nn

from msdemucs.model import Separator
from msdemucs.model.attention import AttentionBlock, CrossLayer, MultiHeadAttention, SelfLayer
from msdemucs.model.branch import Branch
from msdemucs.model.fusion import TimeUNet2DFusion
from msdemucs.model.layers import DecoderCell, Down, EncoderCell, Up
from msdemucs.model.separator import rescale


def draw_like_the_original(model: Separator, seed: int) -> None:
    """Redraw every weight in the original's order."""
    torch.manual_seed(seed)
    _draw_output(model.output)
    branches = [branch for branch in model.branches if isinstance(branch, Branch)]
    for level in range(model.spec.depth):
        for branch in branches:
            _draw_cell(branch.encoder[level])
        for branch in branches:
            _draw_cell(branch.decoder[model.spec.depth - 1 - level])
        for embedding in (branch.embeddings[level] for branch in branches):
            getattr(embedding, "reset_parameters", lambda: None)()
    for module in (*branches, model.output):
        rescale(module, model.spec.init.rescale)
    for block in (module for module in model.modules() if isinstance(module, AttentionBlock)):
        _draw_attention(block)


def _draw_output(output: nn.Module) -> None:
    for unet in (module for module in output.modules() if isinstance(module, TimeUNet2DFusion)):
        for down, up in zip(unet.encoder, reversed(unet.decoder), strict=True):
            for conv in (down, up):
                assert isinstance(conv, nn.Conv2d)
                conv.reset_parameters()
        return
    for conv in _convolutions(output):
        conv.reset_parameters()


def _convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [conv for conv in module.modules() if isinstance(conv, nn.Conv2d)]


def _draw_cell(cell: nn.Module) -> None:
    assert isinstance(cell, EncoderCell | DecoderCell)
    shifts = cell.convs if isinstance(cell, EncoderCell) else cell.ups
    for shift in shifts:
        assert isinstance(shift, Down | Up)
        shift.conv.reset_parameters()
    for conv in _convolutions(cell.rewrite):
        conv.reset_parameters()
    for conv in _convolutions(cell.residual):
        conv.reset_parameters()


def _draw_attention(block: AttentionBlock) -> None:
    layers = zip(*(stream.layers for stream in block.streams), strict=True)
    for layer in (layer for pair in layers for layer in pair):
        is_linear = layer.attention.products.__name__ == "linear_products"
        if is_linear and isinstance(layer, SelfLayer):
            width = layer.attention.query.in_features
            nn.MultiheadAttention(width, layer.attention.heads)  # drawn and thrown away there
        elif is_linear:
            assert isinstance(layer, CrossLayer)
            _draw_linear_attention(layer.attention)
        else:
            _draw_packed_attention(layer.attention)
        layer.feed_forward.linear1.reset_parameters()
        layer.feed_forward.linear2.reset_parameters()
        if is_linear and isinstance(layer, SelfLayer):
            _draw_linear_attention(layer.attention)


def _draw_linear_attention(attention: MultiHeadAttention) -> None:
    for linear in (attention.query, attention.key, attention.value, attention.out):
        linear.reset_parameters()


def _draw_packed_attention(attention: MultiHeadAttention) -> None:
    """As torch's multi-head module: the output first, then q, k, v as one matrix."""
    width = attention.query.in_features
    attention.out.reset_parameters()
    packed = nn.init.xavier_uniform_(torch.empty(3 * width, width))
    with torch.no_grad():
        attention.out.bias.zero_()
        parts = packed.chunk(3)
        for linear, part in zip(
            (attention.query, attention.key, attention.value), parts, strict=True
        ):
            linear.weight.copy_(part)
            linear.bias.zero_()
