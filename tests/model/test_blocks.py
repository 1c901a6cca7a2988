"""Blocks against torch's own modules and against formulas."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from msdemucs.model.attention import (
    AttentionBlock,
    FrequencyEmbedding,
    Gate,
    MultiHeadAttention,
    SequenceNorm,
    linear_products,
    sinusoids_1d,
    sinusoids_2d,
)
from msdemucs.model.branch import Resampler, Spectrogram, reflect
from msdemucs.model.fusion import AttentionFusion, SmoothedWeights, TimeUNet2DFusion
from msdemucs.model.layers import DecoderCell, EncoderCell, LocalAttention, RowNorm, SpannedLstm
from msdemucs.model.separator import rescale
from msdemucs.spec import Plan, Resolution, Spec, plan
from msdemucs.spec.attention import SelfOnly
from msdemucs.spec.plan import EmbeddingPlan
from msdemucs.spec.schema import FrequencyEmbedding as FrequencyEmbeddingOptions
from msdemucs.spec.schema import ResidualAttention
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


@pytest.mark.parametrize("n_samples", [4096, 4097, 9000])
@pytest.mark.parametrize(("n_fft", "hop_length"), [(256, 128), (256, 64)])
def test_frames_on_a_grid_are_centred_at_their_hops(
    n_fft: int, hop_length: int, n_samples: int
) -> None:
    front = Spectrogram(Resolution(n_fft=n_fft, hop_length=hop_length, framing="grid"))
    mixture = torch.randn(1, 2, n_samples)
    features = front.analyse(mixture)
    frames = -(-n_samples // hop_length)
    assert features.shape == (1, 4, n_fft // 2, frames)
    centred = torch.stft(
        mixture[0],
        n_fft,
        hop_length,
        window=torch.hann_window(n_fft),
        center=True,
        pad_mode="reflect",
        normalized=True,
        return_complex=True,
    )[:, :-1, :frames]
    ours = torch.complex(features[0, 0::2], features[0, 1::2])
    torch.testing.assert_close(ours, centred, rtol=1e-4, atol=1e-5)


def test_the_inverse_of_a_grid_returns_all_but_the_end() -> None:
    front = Spectrogram(Resolution(n_fft=256, hop_length=128, framing="grid"))
    mixture = torch.sin(torch.arange(5120) / 10)[None, None]
    back = front.synthesise(front.analyse(mixture), 5120)
    torch.testing.assert_close(back[..., :-128], mixture[..., :-128], rtol=0, atol=5e-3)


def test_an_impulse_is_resampled_to_a_windowed_sinc_of_unit_gain() -> None:
    up = Resampler(1, 2)
    torch.testing.assert_close(up(torch.ones(1, 1, 50)), torch.ones(1, 1, 100))
    time = torch.arange(2000) / 44100
    tone = torch.sin(2 * torch.pi * 3000 * time)[None, None]
    twice = torch.sin(2 * torch.pi * 3000 * torch.arange(4000) / 88200)[None, None]
    torch.testing.assert_close(up(tone)[..., 200:-200], twice[..., 200:-200], rtol=0, atol=2e-3)
    back = Resampler(2, 1)(up(tone))
    torch.testing.assert_close(back[..., 100:-100], tone[..., 100:-100], rtol=0, atol=2e-3)


@pytest.mark.parametrize(("old", "new", "n_samples", "expected"), [(1, 3, 7, 21), (3, 1, 7, 2)])
def test_resampling_rounds_lengths_down(old: int, new: int, n_samples: int, expected: int) -> None:
    assert Resampler(old, new)(torch.randn(1, 2, n_samples)).shape == (1, 2, expected)


def test_spans_are_stitched_from_their_middles() -> None:
    spanned = SpannedLstm(4, 1, span=20)
    x = torch.randn(2, 4, 57)
    with torch.inference_mode():
        found = spanned(x) - x
        filled = nn.functional.pad(x, (0, 80 - 57))
        spans = [spanned.lstm(filled[..., start : start + 20]) for start in range(0, 60, 10)]
    for index, span in enumerate(spans):
        middle = slice(10 * index + 5, 10 * index + 15)
        expected = span[..., 5 : 5 + len(range(57)[middle])]
        torch.testing.assert_close(found[..., middle], expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found[..., :5], spans[0][..., :5], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found[..., 55:], spans[-1][..., 5:7], rtol=1e-4, atol=1e-6)


def test_a_short_sequence_is_one_span() -> None:
    spanned = SpannedLstm(4, 2, span=20)
    x = torch.randn(1, 4, 20)
    with torch.inference_mode():
        torch.testing.assert_close(spanned(x), x + spanned.lstm(x))


def test_local_attention_is_its_formula() -> None:
    # base.md, section 1.2, written out for every pair of frames
    attention = LocalAttention(6, ResidualAttention(heads=2, decays=3))
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.normal_()
        x = torch.randn(1, 6, 5)
        frames = x[0].T
        q, k, content = (
            linear(frames).view(5, 2, 3)
            for linear in (attention.query, attention.key, attention.content)
        )
        strength = attention.decay(frames).sigmoid().view(5, 2, 3) / 2
        mixed = torch.zeros(5, 2, 3)
        for u in range(5):
            for head in range(2):
                slope = sum((f + 1) * strength[u, head, f] for f in range(3)) / 3**0.5
                scores = torch.stack(
                    [
                        torch.tensor(-100.0)
                        if t == u
                        else q[u, head] @ k[t, head] / 3**0.5 - slope * abs(t - u)
                        for t in range(5)
                    ]
                )
                mixed[u, head] = scores.softmax(0) @ content[:, head]
        expected = frames + attention.out(mixed.view(5, 6))
        torch.testing.assert_close(attention(x)[0].T, expected, rtol=1e-4, atol=1e-5)


def test_a_lone_frame_attends_to_itself() -> None:
    attention = LocalAttention(4, ResidualAttention(heads=2))
    assert attention(torch.randn(1, 4, 1)).isfinite().all()


def test_a_gate_begins_with_the_mean_and_closes_to_what_entered() -> None:
    gate, old, new = Gate(), torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4)
    torch.testing.assert_close(gate(old, new), (old + new) / 2)
    with torch.no_grad():
        gate.weight.fill_(-200)
    assert torch.equal(gate(old, new), old)


def test_a_time_unet_without_activation_is_linear_and_with_one_is_bounded_below() -> None:
    linear = {"fusion.output": {"kind": "time_unet_2d", "channels": 4, "kernel_size": 5}}
    unet = TimeUNet2DFusion(*_output_of(small("htdemucs_n", linear)))
    x, y = torch.randn(2, 1, 2, 4, 2, 300)
    bias = unet(torch.zeros_like(x))
    torch.testing.assert_close(unet(x + y) + bias, unet(x) + unet(y), rtol=1e-3, atol=1e-5)
    curved = {"fusion.output": {**linear["fusion.output"], "activation": "gelu"}}
    rectified = TimeUNet2DFusion(*_output_of(small("htdemucs_n", curved)))(100 * x)
    assert -0.17 < float(rectified.detach().min()) < 0


def test_attention_over_resolutions_is_a_mean_that_changes_with_time() -> None:
    options = {"fusion.output": {"kind": "attention", "features": 4, "hop_length": 50}}
    attend = AttentionFusion(*_output_of(small("htdemucs_n", options)))
    same = torch.randn(1, 1, 4, 2, 300).expand(-1, 2, -1, -1, -1)
    torch.testing.assert_close(attend(same), same[:, 0], rtol=1e-4, atol=1e-6)
    waveforms = torch.randn(1, 2, 4, 2, 300)
    weight = (attend(waveforms).detach() - waveforms[:, 1]) / (waveforms[:, 0] - waveforms[:, 1])
    torch.testing.assert_close(weight[:, :, 0], weight[:, :, 1], rtol=1e-2, atol=1e-3)
    assert float(weight.min()) > 0
    assert float(weight.max()) < 1
    assert float(weight.std()) > 1e-4


def _output_of(spec: Spec) -> tuple[Any, Plan]:
    return spec.fusion.output, plan(spec)


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


def test_a_block_that_is_exported_before_it_ran_computes_the_same_and_runs_on() -> None:
    spec = small("htdemucs", {"attention.0.layers": 1})
    block = AttentionBlock(plan(spec).blocks[0])
    maps = [torch.randn(1, 8, 3, 5), torch.randn(1, 8, 1, 7)]
    with torch.no_grad():
        exported = torch.export.export(block, (maps,)).module()
        for computed, expected in zip(exported(maps), block(maps), strict=True):
            torch.testing.assert_close(computed, expected, rtol=1e-4, atol=1e-6)


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
