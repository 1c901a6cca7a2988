"""Same weights, same input: outputs and gradients of ours and of the published implementations.

`benchmarks/parity.py` does the same at full width on ten seconds and prints the deviations.
"""

import pytest
import torch
from demucs.htdemucs import HTDemucs
from torch.nn import functional as F

from msdemucs import load_spec, parse_spec
from msdemucs.spec import dump_spec
from tests.model.peers import (
    MIXTURES,
    PAIRS,
    SMALL_SEGMENT,
    compare,
    imported,
    make,
    noise,
    outputs_apart,
    perturb,
)

OUTPUTS = 1e-5
"""Largest difference as a share of the peak; a float32 has seven digits."""
ROUNDING = 1.5e-6
"""Likewise, where norms see long and nearly constant maps: the peers' own float32 loses less."""
GRADIENTS = 1e-4
"""Likewise; sums over all samples lose another digit."""

SHORT, ODD, SECOND, SEGMENT = (
    1000,
    22051,
    44100,
    int(44100 * SMALL_SEGMENT),
)  # torchaudio fails from 100 to 600


@pytest.mark.parametrize("n_samples", [SHORT, ODD, pytest.param(SEGMENT, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PAIRS)
def test_narrow_systems_agree_with_the_published(name: str, n_samples: int) -> None:
    ours, peer = make(name, small=True)
    deviation = compare(ours, peer, noise(n_samples))
    assert deviation.outputs < OUTPUTS
    assert deviation.gradients < GRADIENTS, deviation.worst


@pytest.mark.parametrize("name", PAIRS)
def test_music_with_a_pause_loses_no_digits(name: str) -> None:
    ours, peer = make(name, small=True)
    deviation = compare(ours, peer, MIXTURES["music and pause"](SECOND))
    assert deviation.outputs < ROUNDING
    assert deviation.gradients < GRADIENTS, deviation.worst


@pytest.mark.parametrize("mixture", ["music", "click", "nearly constant"])
@pytest.mark.parametrize("name", ["demucs", "hdemucs", "htdemucs"])
def test_any_mixture_loses_no_digits(name: str, mixture: str) -> None:
    ours, peer = make(name, small=True)
    assert outputs_apart(ours, peer, MIXTURES[mixture](ODD)) < ROUNDING


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hdemucs", "htdemucs_released"])
def test_systems_of_full_width_agree_with_the_published(name: str) -> None:
    ours, peer = make(name, small=False)
    deviation = compare(ours, peer, noise(ODD))
    assert deviation.outputs < OUTPUTS
    assert deviation.gradients < GRADIENTS, deviation.worst


@pytest.mark.parametrize("n_samples", [1, 100, 600])
@pytest.mark.parametrize("name", ["demucs", "hdemucs", "htdemucs"])
def test_clips_of_a_few_samples_agree_with_the_published(name: str, n_samples: int) -> None:
    ours, peer = make(name, small=True)
    mixture = torch.randn(1, 2, n_samples)
    with torch.inference_mode():
        wanted = peer(mixture.double())
        difference = (ours(mixture) - wanted).abs().max()
    # a lone frame's normalisation divides by almost nothing and magnifies rounding
    assert float(difference / wanted.abs().max()) < 10 * OUTPUTS


def test_batches_agree_with_the_published() -> None:
    ours, peer = make("hdemucs", small=True)
    mixture = torch.randn(3, 2, ODD)
    with torch.inference_mode():
        wanted = peer(mixture.double())
        difference = (ours(mixture) - wanted).abs().max()
    assert float(difference / wanted.abs().max()) < OUTPUTS


@pytest.mark.parametrize("missing", [0, 30000])
def test_the_published_padding_to_the_training_segment_is_zeros_at_the_end(missing: int) -> None:
    peer = HTDemucs(["a", "b"], channels=16, segment=1, use_train_segment=True).eval()
    perturb(peer)
    overrides = {"channels.start": 16, "segment": 1.0, "sources": ["a", "b"]}
    ours = imported(peer, load_spec("htdemucs", overrides=overrides))
    mixture = torch.randn(1, 2, 44100 - missing)
    with torch.inference_mode():
        wanted = peer(mixture)
        found = ours(F.pad(mixture, (0, missing)))[..., : 44100 - missing]
    assert float((found - wanted).abs().max() / wanted.abs().max()) < OUTPUTS


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("htdemucs", "spectral.resolutions", [{"n_fft": 4096, "framing": "grid"}]),
        ("htdemucs", "attention.0.heads", 4),
        ("hdemucs", "residual.lstm.span", 100),
        ("hdemucs", "norm.groups", 2),
        ("demucs", "activation", "gelu"),
        ("demucs", "waveform.normalize", True),
    ],
)
def test_any_other_setting_is_seen_to_deviate(name: str, field: str, value: object) -> None:
    right, peer = make(name, small=True)
    wrong = imported(peer, parse_spec(dump_spec(right.spec), overrides={field: value}))
    n_samples = 150000 if field == "residual.lstm.span" else ODD
    mixture = noise(n_samples)
    with torch.inference_mode():
        wanted = peer(mixture.double())
        difference = (wrong(mixture) - wanted).abs().max()
    assert float(difference / wanted.abs().max()) > 3 * OUTPUTS
