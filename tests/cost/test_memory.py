"""Is the memory that a plan needs what torch allocates? Slim and narrow specs, parts by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from msdemucs import build, cost_of, load_spec
from msdemucs.cost import inference_bytes, training_bytes
from msdemucs.cost.formulas import activations
from msdemucs.measure import allocated_peak
from msdemucs.model import Separator
from msdemucs.spec import Spec, parse_spec, plan, zoo_names
from msdemucs.spec.operators import AttentionProducts, Convolution, Pointwise, Recurrent
from tests.specs import small
from tests.systems import slim

TOLERANCE = 0.15  # what the tool promises; benchmarks/memory.py measures full sizes


def measured(model: Separator, mixture: Tensor) -> tuple[int, int]:
    """Peaks of torch's allocator: of a forward pass without gradients, and of a training step."""
    references = torch.randn(len(mixture), len(model.spec.sources), *mixture.shape[1:])

    def separate() -> None:
        with torch.inference_mode():
            model(mixture)

    def step() -> None:
        torch.autograd.backward(F.l1_loss(model(mixture), references))

    model.eval()
    separate()  # tables of positions are made once, and so are gradients
    forward = allocated_peak(separate)
    model.train()
    step()
    return forward, allocated_peak(step)


def draw(spec: Spec, batch: int = 1) -> Tensor:
    return torch.randn(batch, spec.audio_channels, spec.n_samples)


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo_names())
def test_peaks_of_every_system_are_those_of_torchs_allocator(name: str) -> None:
    spec = slim(name)
    forward, step = measured(build(spec), draw(spec))
    planned = plan(spec)
    assert inference_bytes(planned) == pytest.approx(forward, rel=TOLERANCE)
    assert training_bytes(planned) == pytest.approx(step, rel=TOLERANCE)


@pytest.mark.slow
def test_peaks_of_a_batch_are_those_of_torchs_allocator() -> None:
    spec = slim("htdemucs_nn")
    forward, step = measured(build(spec), draw(spec, batch=3))
    planned = plan(spec)
    assert inference_bytes(planned, batch=3) == pytest.approx(forward, rel=TOLERANCE)
    assert training_bytes(planned, batch=3) == pytest.approx(step, rel=TOLERANCE)


NARROW: dict[str, object] = {
    "name": "narrow",
    "segment": 0.25,
    "depth": 3,
    "norm": None,
    "residual": {"depth": 1, "compress": 4, "lstm": {"starts": 0, "layers": 1, "span": 48}},
    "spectral": None,
}


@pytest.mark.parametrize("channels", [4, 6])
def test_the_blocks_of_onednn_count_where_channels_and_lstms_are_narrow(channels: int) -> None:
    spec = parse_spec({**NARROW, "channels": [channels] * 3})
    forward, step = measured(build(spec), draw(spec))
    planned = plan(spec)
    assert inference_bytes(planned) == pytest.approx(forward, rel=0.2)
    assert training_bytes(planned) == pytest.approx(step, rel=0.2)


def test_all_that_a_position_sees_counts_where_torch_convolves_small_maps_itself() -> None:
    spec = parse_spec({**NARROW, "residual": None, "segment": 0.05, "channels": [8] * 3})
    forward, step = measured(build(spec), draw(spec))
    planned = plan(spec)
    assert inference_bytes(planned) == pytest.approx(forward, rel=0.2)
    assert training_bytes(planned) == pytest.approx(step, rel=0.2)


OFF_THE_ZOO: dict[str, object] = {
    "name": "off the zoo",
    "sources": ["a", "b"],
    "sample_rate": 8000,
    "audio_channels": 1,
    "segment": 1,
    "depth": 2,
    "channels": [8, 8],
    "kernel_size": [4, 4],
    "stride": [4, 4],
    "norm": None,
    "residual": None,
    "rewrite": None,
    "waveform": None,
    "spectral": None,
}
PLAIN = {"normalize": False}
LEAST, MOST = 0.8, 1.25
STEREO = {"audio_channels": 2, "segment": 0.5, "rewrite": {}}
RESAMPLED: dict[str, object] = {
    "waveform": {"normalize": True, "resample": 3},
    "padding": "valid",
}
LSTM = {"starts": 0, "layers": 1, "span": 8}
RESIDUAL = {"encoder": True, "decoder": True, "depth": 1, "compress": 2.0, "lstm": LSTM}
OUTPUTS: dict[str, object] = {
    kind: {"output": {"kind": kind}} for kind in ("attention", "convolution")
}


def spectra(*sizes: tuple[int, int]) -> dict[str, object]:
    """Resolutions of (n_fft, hop_length)."""
    return {
        "resolutions": [
            {"n_fft": n_fft, "hop_length": hop, "framing": "half"} for n_fft, hop in sizes
        ]
    }


def every_moment(features: int) -> dict[str, object]:
    """Output attention at every sample."""
    return {"output": {"kind": "attention", "hop_length": 1, "features": features}}


TWO = spectra((64, 16), (128, 32))
WIDE = spectra((256, 64), (512, 128))
FLAT: dict[str, object] = {"kernel_size": [1, 3], "stride": [1, 1]}
SHALLOW: dict[str, object] = {"depth": 1, "channels": [8], "kernel_size": [4], "stride": [4]}
SPECS: dict[str, dict[str, object]] = {
    "stride 1": {**FLAT, "spectral": TWO, "waveform": PLAIN},
    "stride 1, normed": {
        **FLAT,
        "sources": ["a"],
        "norm": {"starts": 1, "groups": 2},
        "spectral": spectra((64, 16)),
    },
    "strides 4 and 1": {
        "kernel_size": [6, 3],
        "stride": [4, 1],
        "spectral": spectra((64, 16)),
        "waveform": PLAIN,
    },
    "resampled": {**RESAMPLED, "kernel_size": [4, 3], "stride": [4, 1], "segment": 2},
    "resampled, one level": {**RESAMPLED, **SHALLOW, "segment": 2},
    "merged, convolution": {
        "stride": [2, 4],
        "kernel_size": [2, 4],
        "rewrite": {},
        "merge": 1,
        "spectral": spectra((64, 8)),
        "waveform": PLAIN,
        "fusion": OUTPUTS["convolution"],
    },
    "every moment": {**SHALLOW, "spectral": TWO, "waveform": PLAIN, "fusion": every_moment(4)},
    "every moment, LSTM": {
        **SHALLOW,
        "segment": 0.5,
        "residual": RESIDUAL,
        "spectral": TWO,
        "fusion": every_moment(4),
    },
    "attention": {**STEREO, "spectral": WIDE, "fusion": OUTPUTS["attention"]},
    "attention, 64 samples": {
        **STEREO,
        "spectral": WIDE,
        "fusion": {"output": {"kind": "attention", "hop_length": 64}},
    },
    "convolution": {**STEREO, "spectral": WIDE, "fusion": OUTPUTS["convolution"]},
}


@pytest.mark.parametrize("name", SPECS)
def test_peaks_off_the_zoo_are_those_of_torchs_allocator(name: str) -> None:
    spec = parse_spec({**OFF_THE_ZOO, **SPECS[name]})
    forward, step = measured(build(spec), draw(spec))
    planned = plan(spec)
    assert LEAST * forward < inference_bytes(planned) < MOST * forward
    assert LEAST * step < training_bytes(planned) < MOST * step


def test_what_training_keeps_by_hand() -> None:
    assert activations(Convolution(6, 8, 3, 100)) == 800
    assert activations(Pointwise(50)) == 50
    # both directions: gates in 64 values, what enters and the states in 16, and what is narrow
    assert activations(Recurrent(2, 1, 10)) == 2 * 10 * (3 * 16 // 2 + 5 * 16 + 2 * 16 + 6 * 2)
    # its result, the weights of both heads, and distances of 64 bits
    assert activations(AttentionProducts(10, 10, 8, 2, "local", 3)) == 240 + 600 + 200
    # its result, what is divided, φ of the queries, and φ of the keys
    assert activations(AttentionProducts(10, 20, 8, 2, "linear")) == 3 * 80 + 160


def test_dropout_is_for_training_alone() -> None:
    specs = [small("htdemucs", {"attention.0.dropout": share}) for share in (0.0, 0.5)]
    without, dropped = map(plan, specs)
    assert inference_bytes(without) == inference_bytes(dropped)
    assert training_bytes(without) < training_bytes(dropped)


def test_every_size_grows_with_the_batch() -> None:
    planned = plan(slim("htdemucs_n"))
    one, four = (training_bytes(planned, batch=batch) for batch in (1, 4))
    assert 3.9 * one < four <= 4 * one


def test_costs_hold_both_peaks_and_say_what_a_second_takes() -> None:
    spec = load_spec("htdemucs_n")
    found = cost_of(spec)
    assert found.inference_bytes == inference_bytes(plan(spec)) < found.training_bytes
    assert found.per_second["training_bytes"] == pytest.approx(found.training_bytes / 10)
