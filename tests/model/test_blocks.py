"""Blocks against torch's own modules and against formulas."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from msdemucs.model.attention import (
    MultiHeadAttention,
    SequenceNorm,
    linear_products,
)
from msdemucs.model.build import rescale
from msdemucs.model.embeddings import FrequencyEmbedding, sinusoids_1d, sinusoids_2d
from msdemucs.model.fusion import SmoothedWeights
from msdemucs.model.layers import DecoderCell, EncoderCell
from msdemucs.model.residual import RowNorm
from msdemucs.model.transforms import Spectrogram, reflect
from msdemucs.spec import Resolution, plan
from msdemucs.spec.attention import SelfOnly
from msdemucs.spec.plan import EmbeddingPlan
from msdemucs.spec.schema import FrequencyEmbedding as FrequencyEmbeddingOptions
from tests.specs import small

CPU = torch.device("cpu")


@pytest.mark.parametrize(("n_fft", "hop_length"), [(256, 64), (512, 128), (256, 128), (256, 32)])
@pytest.mark.parametrize("n_samples", [1000, 1024, 4097])
def test_the_transform_is_torchs_on_the_reflected_signal(
    n_fft: int, hop_length: int, n_samples: int
) -> None:
    front = Spectrogram(Resolution(n_fft=n_fft, hop_length=hop_length))
    mixture = torch.randn(2, 2, n_samples)
    features = front.analyse(mixture)
    frames = -(-n_samples // hop_length)
    assert features.shape == (2, 4, n_fft // 2, frames)
    pad = (n_fft - hop_length) // 2
    padded = reflect(mixture, pad, pad + frames * hop_length - n_samples).flatten(0, 1)
    expected = torch.stft(
        padded,
        n_fft,
        hop_length,
        window=torch.hann_window(n_fft),
        center=False,
        normalized=True,
        return_complex=True,
    )[:, :-1]
    real, imaginary = features[:, 0::2].flatten(0, 1), features[:, 1::2].flatten(0, 1)
    torch.testing.assert_close(torch.complex(real, imaginary), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("n_fft", "hop_length"), [(256, 64), (256, 128), (512, 64)])
def test_the_inverse_returns_the_signal_but_for_its_edges_and_nyquist(
    n_fft: int, hop_length: int
) -> None:
    front = Spectrogram(Resolution(n_fft=n_fft, hop_length=hop_length))
    time = torch.arange(5000) / 44100
    mixture = torch.stack([torch.sin(2000 * time), torch.cos(9000 * time)])[None]
    back = front.synthesise(front.analyse(mixture), 5000)
    edge = n_fft - hop_length
    torch.testing.assert_close(
        back[..., edge:-edge], mixture[..., edge:-edge], rtol=0, atol=1e-3
    )  # the dropped Nyquist row holds that much of a reflected end


@given(st.integers(1, 40), st.integers(0, 50), st.integers(0, 50))
def test_reflection_has_its_length_whatever_the_signals(n: int, left: int, right: int) -> None:
    padded = reflect(torch.ones(1, 1, n), left, right)
    assert padded.shape[-1] == left + n + right


def test_reflection_mirrors_without_repeating_the_edge() -> None:
    padded = reflect(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]), 2, 1)
    assert padded.tolist() == [[[3.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0]]]


def test_row_norm_is_group_norm_of_each_row() -> None:
    norm, reference = RowNorm(6), nn.GroupNorm(1, 6)
    with torch.no_grad():
        reference.weight.copy_(norm.weight.normal_())
        reference.bias.copy_(norm.bias.normal_())
    x = torch.randn(2, 6, 5, 40)
    rows = x.transpose(1, 2).flatten(0, 1)  # [B · F, C, T]
    expected = reference(rows).unflatten(0, (2, 5)).transpose(1, 2)
    torch.testing.assert_close(norm(x), expected, rtol=1e-4, atol=1e-5)


def test_sequence_norm_is_group_norm_over_all_tokens() -> None:
    norm, reference = SequenceNorm(8), nn.GroupNorm(1, 8)
    with torch.no_grad():
        reference.weight.copy_(norm.weight.normal_())
        reference.bias.copy_(norm.bias.normal_())
    x = torch.randn(2, 20, 8)
    expected = reference(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(norm(x), expected, rtol=1e-4, atol=1e-5)


def test_softmax_attention_is_torchs_multi_head_attention() -> None:
    ours = MultiHeadAttention(16, SelfOnly(heads=4))
    reference = nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.normal_()
        linears = (ours.query, ours.key, ours.value)
        reference.in_proj_weight.copy_(torch.cat([linear.weight for linear in linears]))
        reference.in_proj_bias.copy_(torch.cat([linear.bias for linear in linears]))
        reference.out_proj.load_state_dict(ours.out.state_dict())
    queries, context = torch.randn(2, 7, 16), torch.randn(2, 11, 16)
    expected, _ = reference(queries, context, context)
    torch.testing.assert_close(ours(queries, context), expected, rtol=1e-4, atol=1e-4)


def test_linear_attention_is_its_quadratic_form() -> None:
    q, k, v = (torch.randn(2, 3, n, 5) for n in (7, 9, 9))
    phi_q, phi_k = nn.functional.elu(q) + 1, nn.functional.elu(k) + 1
    scores = phi_q @ phi_k.transpose(-1, -2)
    expected = scores / (scores.sum(-1, keepdim=True) + 1e-6) @ v
    torch.testing.assert_close(linear_products(q, k, v), expected, rtol=1e-4, atol=1e-5)


def test_positions_on_a_line_are_cosines_then_sines() -> None:
    table = sinusoids_1d(5, 8, CPU)
    assert table.shape == (5, 8)
    assert table[0].tolist() == [1.0] * 4 + [0.0] * 4
    phase = 3 / 10000 ** (1 / 3)
    assert float(table[3, 1]) == pytest.approx(float(torch.tensor(phase).cos()), abs=1e-6)


def test_positions_on_a_plane_tell_every_place_apart_with_frequency_fastest() -> None:
    rows, frames = 4, 6
    table = sinusoids_2d(rows, frames, 16, CPU)
    assert table.shape == (24, 16)
    assert len({tuple(place) for place in table.round(decimals=5).tolist()}) == 24
    frame, row = table[:, :8].view(frames, rows, 8), table[:, 8:].view(frames, rows, 8)
    assert torch.equal(frame, frame[:, :1].expand_as(frame))
    assert torch.equal(row, row[:1].expand_as(row))


def test_a_smooth_embedding_varies_slowly_over_rows() -> None:
    def roughness(*, smooth: bool) -> float:
        torch.manual_seed(0)
        options = FrequencyEmbeddingOptions(smooth=smooth, scale=10.0)
        table = FrequencyEmbedding(EmbeddingPlan(256, 8, options)).table.detach()
        return float((table[1:] - table[:-1]).std() / table.std())

    assert roughness(smooth=True) < 0.3 < 1 < roughness(smooth=False)


def test_an_embedding_adds_its_weighted_table_to_every_frame() -> None:
    embedding = FrequencyEmbedding(
        EmbeddingPlan(3, 2, FrequencyEmbeddingOptions(weight=0.3, scale=5.0))
    )
    x = torch.randn(1, 2, 3, 4)
    added = embedding(x) - x
    expected = (1.5 * embedding.table.T)[None, :, :, None].expand_as(added)
    torch.testing.assert_close(added, expected, rtol=1e-4, atol=1e-5)


def test_smoothed_weights_average_in_training_only() -> None:
    weights = SmoothedWeights(2, smoothing=0.75)
    with torch.no_grad():
        weights.logits.copy_(torch.tensor([0.9, 0.1]).log())
    assert weights.eval()().tolist() == pytest.approx([0.9, 0.1])
    assert weights.average.tolist() == [0.5, 0.5]
    used = weights.train()()
    assert weights.average.tolist() == pytest.approx([0.6, 0.4])  # 0.75 · 0.5 + 0.25 · 0.9
    assert used.tolist() == pytest.approx([0.675, 0.325])  # 0.25 · 0.9 + 0.75 · 0.6


def test_without_smoothing_training_uses_the_weights_themselves() -> None:
    weights = SmoothedWeights(2, smoothing=None).train()
    with torch.no_grad():
        weights.logits.copy_(torch.tensor([0.9, 0.1]).log())
    assert weights().tolist() == pytest.approx([0.9, 0.1])


def test_rescaling_moves_the_deviation_towards_the_reference() -> None:
    conv = nn.Conv2d(8, 8, 3)
    before, bias = float(conv.weight.detach().std()), conv.bias
    assert bias is not None
    ratio = bias.detach().clone() / conv.weight.detach().std().div(0.1).sqrt()
    rescale(conv, 0.1)
    assert float(conv.weight.detach().std()) == pytest.approx((before * 0.1) ** 0.5, rel=1e-4)
    torch.testing.assert_close(bias.detach(), ratio)


def test_cells_have_the_sizes_that_the_plan_says() -> None:
    for branch in plan(small("htdemucs_n")).branches:
        for down, up in zip(branch.encoder, reversed(branch.decoder), strict=True):
            (there,) = down.shifts
            outer = there.outer
            y = EncoderCell(down)(torch.randn(1, outer.channels, outer.rows, outer.frames))
            assert y.shape[1:] == (there.inner.channels, there.inner.rows, there.inner.frames)
            (z,) = DecoderCell(up)(y, y, outer.along(there.axis))
            assert z.shape[1:] == (up.output.channels, up.output.rows, up.output.frames)
