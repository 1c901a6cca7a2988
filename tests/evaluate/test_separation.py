"""Whole mixtures separated: by their normalisation, into stems by name."""

from pathlib import Path

import pytest
import soundfile
import torch
from jaxtyping import Float
from torch import Tensor

import msdemucs
from msdemucs import Separator, build, save_weights
from msdemucs.errors import UsageError
from msdemucs.evaluate.separation import separate, separate_mixture
from tests.specs import small


class Halves(torch.nn.Module):
    """A model that gives half of the mixture to each of two sources and keeps what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = small("htdemucs", {"sources": ["a", "b"]})
        self.seen: list[Tensor] = []

    def forward(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B S A N"]:
        self.seen.append(mixture)
        return torch.stack([mixture / 2] * 2, dim=1)


def test_normalised_weights_see_a_mono_mixture_of_zero_mean_and_unit_deviation() -> None:
    model = Halves()
    mixture = 0.01 * torch.randn(2, model.spec.n_samples) + 0.3
    estimates = separate_mixture(model, mixture, normalised=True)  # type: ignore[arg-type]
    mono = model.seen[0][0].mean(0)
    assert float(mono.mean()) == pytest.approx(0, abs=1e-4)
    assert float(mono.std()) == pytest.approx(1, abs=1e-4)
    assert torch.allclose(estimates[0], (mixture - mixture.mean()) / 2 + mixture.mean(), atol=1e-6)


def test_other_weights_see_the_mixture_as_it_is() -> None:
    model = Halves()
    mixture = 0.01 * torch.randn(2, 3 * model.spec.n_samples) + 0.3
    done: list[tuple[int, int]] = []
    estimates = separate_mixture(
        model,  # type: ignore[arg-type]
        mixture,
        normalised=False,
        on_chunks=lambda *progress: done.append(progress),
    )
    assert torch.equal(model.seen[0][0], mixture[:, : model.spec.n_samples])
    assert torch.allclose(estimates.sum(0), mixture, atol=1e-6)
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("n_samples", [1, 300])
def test_silence_stays_silent(n_samples: int) -> None:
    model: Separator = build(small("htdemucs"))
    estimates = separate_mixture(model, torch.zeros(2, n_samples), normalised=True)
    assert estimates.shape == (4, 2, n_samples)
    assert not estimates.any()


# In Python, by one call


@pytest.fixture
def model() -> Separator:
    torch.manual_seed(0)
    return build(small("htdemucs", {"segment": 0.5}))


def noise(model: Separator, seconds: float = 1.2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return 0.1 * torch.randn(2, round(seconds * model.spec.sample_rate), generator=generator)


def test_weights_and_files_give_what_models_and_waveforms_give(
    model: Separator, tmp_path: Path
) -> None:
    rate, mixture = model.spec.sample_rate, noise(model)
    save_weights(model, tmp_path / "a.safetensors")
    soundfile.write(tmp_path / "song.wav", mixture.T.numpy(), rate, subtype="FLOAT")
    wanted = separate(model, mixture)
    found = msdemucs.separate(str(tmp_path / "a.safetensors"), tmp_path / "song.wav")
    assert list(found) == ["drums", "bass", "other", "vocals"]
    for stem in wanted:
        torch.testing.assert_close(found[stem], wanted[stem], rtol=0, atol=0)


def test_a_waveform_without_gradients_of_another_kind_of_number_will_do(model: Separator) -> None:
    mixture = noise(model)
    found = separate(model, mixture.double(), stems=["vocals"])
    torch.testing.assert_close(found["vocals"], separate(model, mixture)["vocals"])


def test_the_accompaniment_is_the_sum_of_all_but_the_vocals(model: Separator) -> None:
    mixture = noise(model)
    stems = separate(model, mixture)
    found = separate(model, mixture, stems=["accompaniment"])
    assert list(found) == ["accompaniment"]
    torch.testing.assert_close(
        found["accompaniment"], stems["drums"] + stems["bass"] + stems["other"]
    )


def test_the_accompaniment_of_a_model_that_knows_few_stems_is_the_rest_of_the_mixture() -> None:
    spec = small("htdemucs", {"segment": 0.5, "sources": ["drums", "vocals"]})
    model = build(spec)
    mixture = noise(model)
    found = separate(model, mixture, stems=["vocals", "accompaniment"])
    torch.testing.assert_close(found["accompaniment"], mixture - found["vocals"])


def test_normalised_weights_do_not_mind_how_loud_a_track_is(model: Separator) -> None:
    mixture = noise(model)
    quiet = separate(model, mixture, normalised=True)["bass"]
    loud = separate(model, 8 * mixture, normalised=True)["bass"]
    torch.testing.assert_close(loud, 8 * quiet, rtol=1e-4, atol=1e-5)


def test_bfloat16_is_near_float32(model: Separator) -> None:
    mixture = noise(model)
    exact = torch.stack(list(separate(model, mixture).values()))
    near = torch.stack(list(separate(model, mixture, precision="bfloat16").values()))
    error = float((near - exact).square().sum() / exact.square().sum())
    assert 0 < error < 1e-3  # 30 dB; bfloat16 has 8 bits, which is 2e-3 a number


def test_shifts_are_drawn_from_a_seed(model: Separator) -> None:
    mixture = noise(model)

    def bass(**fields: int) -> Tensor:
        return separate(model, mixture, shifts=2, **fields)["bass"]  # type: ignore[arg-type]

    assert torch.equal(bass(seed=3), bass(seed=3))
    assert not torch.equal(bass(seed=3), bass(seed=4))


@pytest.mark.parametrize(
    ("waveform", "message"),
    [
        (torch.zeros(1, 100), r"shape \[2, samples\]; found \[1, 100\]"),
        (torch.zeros(100), r"found \[100\]"),
        (torch.zeros(2, 0), r"found \[2, 0\]"),
        (torch.full((2, 9), torch.nan), "not finite"),
    ],
)
def test_waveforms_at_fault_are_refused(model: Separator, waveform: Tensor, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        separate(model, waveform)


def test_a_stem_that_the_model_does_not_give_is_refused(model: Separator) -> None:
    with pytest.raises(UsageError, match="the model gives no “piano”; it gives drums, bass"):
        separate(model, noise(model), stems=["piano"])
