"""Strides and receptive fields, against what gradients reach in a built model."""

import pytest
import torch

from msdemucs.cost.explain import explain
from msdemucs.model import Separator, build
from msdemucs.spec import Spec, load_spec, parse_spec, zoo_names


def waveform_only(**fields: object) -> Spec:
    """A convolutional encoder without norms, whose receptive field gradients can show."""
    return parse_spec(
        {
            "name": "probe",
            "sample_rate": 1000,
            "segment": 2.0,
            "depth": 3,
            "channels": 4,
            "kernel_size": [8, 6, 4],
            "stride": [4, 2, 2],
            "waveform": {"normalize": False},
            "spectral": None,
            "residual": None,
            "norm": None,
            **fields,
        }
    )


def reached(model: Separator, level: int) -> int:
    """Samples of the mixture that one position in the middle of a level's output depends on."""
    (branch,) = model.branches
    mixture = torch.randn(1, 2, 2000, requires_grad=True)
    signal = branch.analyse(mixture)
    for index in range(level + 1):
        branch.encode(signal, index)
    features = signal.features
    features[..., features.shape[-1] // 2].sum().backward()  # type: ignore[no-untyped-call]
    assert mixture.grad is not None
    touched = mixture.grad.abs().sum((0, 1)).nonzero().flatten()
    return int(touched.max() - touched.min()) + 1


@pytest.mark.parametrize("taps", [1, 3])
def test_receptive_fields_are_what_gradients_reach(taps: int) -> None:
    spec = waveform_only(rewrite={"encoder": taps})
    views = {part.node.path: part.view for part in explain(spec).parts}
    model = build(spec)
    for level in range(3):
        view = views[f"waveform.encoder.{level}"]
        assert view is not None
        assert view.samples == reached(model, level)


def test_strides_multiply() -> None:
    view = explain(waveform_only()).bottleneck["waveform"]
    assert (view.stride, view.row_hz) == (16, None)


def test_htdemucs_at_the_bottleneck() -> None:
    # 4⁴ samples a frame of the waveform; of the spectrum 1024, and 4⁴ rows of 44100 / 4096 Hz
    bottleneck = explain(load_spec("htdemucs")).bottleneck
    assert bottleneck["waveform"].stride == 256
    assert bottleneck["spectral.0"].stride == 1024
    assert bottleneck["spectral.0"].row_hz == pytest.approx(256 * 44100 / 4096)


def test_where_branches_merge_there_is_one_row_and_the_wider_view() -> None:
    found = explain(load_spec("hdemucs"))
    views = {part.node.path: part.view for part in found.parts}
    trunk, spectral = views["trunk.encoder.0"], views["spectral.0.encoder.3"]
    assert trunk is not None
    assert spectral is not None
    assert (trunk.stride, trunk.row_hz) == (1024, None)
    assert trunk.samples > spectral.samples
    assert list(found.bottleneck) == ["trunk"]
    assert found.bottleneck["trunk"].stride == 2048


@pytest.mark.parametrize("name", zoo_names())
def test_every_system_is_explained(name: str) -> None:
    spec = load_spec(name)
    found = explain(spec)
    encoders = [part for part in found.parts if part.node.part == "encoder"]
    assert encoders
    assert all(part.view is not None for part in encoders)
    assert found.latency_seconds == spec.segment
    assert found.lookahead_seconds > 0
    assert sum(part.activation_bytes for part in found.parts) > 0
