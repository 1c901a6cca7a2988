"""Tracks of any length separated in chunks that overlap, as Demucs does, into stems by name."""

import itertools
from pathlib import Path

import pytest
import soundfile
import torch
from demucs.apply import apply_model
from demucs.htdemucs import HTDemucs
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor, nn

import msdemucs
from msdemucs import Separator, build, save_weights
from msdemucs.errors import UsageError
from msdemucs.evaluate.separation import (
    Chunking,
    InMemory,
    chunk_starts,
    separate,
    separate_blocks,
    separate_mixture,
    separate_waveform,
)
from msdemucs.spec import load_spec
from tests.model.peers import FOUR, imported
from tests.specs import small
from tests.toys import Scale


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


LENGTHS = st.integers(1, 700)
OVERLAPS = st.floats(0, 0.95)


class Count(nn.Module):
    """Returns 1, 2, 3, … for the first, second, third chunk that it ever sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def forward(self, mixture: Tensor) -> Tensor:
        """[B, A, N] → [B, 1, A, N]."""
        numbers = torch.arange(1, len(mixture) + 1) + self.seen
        self.seen += len(mixture)
        return numbers[:, None, None, None] * torch.ones_like(mixture[:, None])


class Failing(nn.Module):
    """A model too large for this machine."""

    def forward(self, mixture: Tensor) -> Tensor:
        """Never.

        Raises:
            MemoryError: always.
        """
        raise MemoryError


@settings(max_examples=150)
@given(
    n_samples=LENGTHS,
    segment_samples=LENGTHS,
    overlap=OVERLAPS,
    batch_size=st.integers(1, 5),
    weighting=st.sampled_from(["triangle", "fade"]),
    power=st.sampled_from([1.0, 2.0, 0.5]),
    shifts=st.integers(1, 3),
)
def test_an_identity_model_returns_its_input(
    n_samples: int, segment_samples: int, overlap: float, batch_size: int, **options: object
) -> None:
    mixture = torch.rand((2, n_samples), generator=torch.Generator().manual_seed(n_samples)) - 0.5
    estimate = separate_waveform(
        Scale(),
        mixture,
        segment_samples=segment_samples,
        overlap=overlap,
        batch_size=batch_size,
        **options,  # type: ignore[arg-type]
    )
    # Weighted means of float32: a few roundings, each 6e-8 of the peak of 0.5.
    torch.testing.assert_close(estimate, mixture[None], rtol=0, atol=1e-6)


@given(n_samples=LENGTHS, segment_samples=LENGTHS, overlap=st.floats(0, 0.999))
def test_chunks_cover_the_track_and_each_adds_something(
    n_samples: int, segment_samples: int, overlap: float
) -> None:
    starts = chunk_starts(n_samples, segment_samples=segment_samples, overlap=overlap)
    ends = [min(start + segment_samples, n_samples) for start in starts]
    assert starts[0] == 0
    assert ends[-1] == n_samples
    pairs = list(zip(starts, ends, strict=True))
    for (_, end), (next_start, next_end) in itertools.pairwise(pairs):
        assert next_start <= end  # no gap
        assert next_end > end  # not inside the one before


def test_a_quarter_of_each_chunk_is_shared() -> None:
    assert list(chunk_starts(250, segment_samples=100, overlap=0.25)) == [0, 75, 150]


def test_chunks_fade_into_each_other_along_triangles() -> None:
    # Chunks of 4 weigh 1 2 2 1 and share 2 samples; the model says 1, then 2.
    (estimate,) = separate_waveform(Count(), torch.zeros(1, 6), segment_samples=4, overlap=0.5)
    expected = torch.tensor([[1.0, 1, (2 * 1 + 1 * 2) / 3, (1 * 1 + 2 * 2) / 3, 2, 2]])
    torch.testing.assert_close(estimate, expected)


def test_the_batch_size_changes_nothing_but_the_number_of_calls() -> None:
    mixture = torch.randn(2, 1000)
    one, many = Scale(0.5), Scale(0.5)
    single = separate_waveform(one, mixture, segment_samples=100, overlap=0.5, batch_size=1)
    batched = separate_waveform(many, mixture, segment_samples=100, overlap=0.5, batch_size=8)
    assert torch.equal(single, batched)
    assert [shape[0] for shape, _, _ in one.calls] == [1] * 19
    assert [shape[0] for shape, _, _ in many.calls] == [8, 8, 3]


def test_every_chunk_has_the_length_of_a_segment() -> None:
    model = Scale()
    separate_waveform(model, torch.randn(2, 130), segment_samples=100, batch_size=1)
    assert [shape for shape, _, _ in model.calls] == [(1, 2, 100), (1, 2, 100)]


def test_the_model_runs_without_dropout_and_gradients_and_keeps_its_modes() -> None:
    model = Scale()
    model.train()
    model.inner.eval()
    separate_waveform(model, torch.randn(2, 50), segment_samples=100)
    assert [(training, inference) for _, training, inference in model.calls] == [(False, True)]
    assert (model.training, model.inner.training) == (True, False)


def test_modes_are_restored_when_the_model_fails() -> None:
    model = Failing().train()
    with pytest.raises(MemoryError):
        separate_waveform(model, torch.randn(2, 50), segment_samples=100)
    assert model.training


def test_the_estimate_is_an_ordinary_tensor() -> None:
    estimate = separate_waveform(Scale(), torch.randn(2, 50), segment_samples=20)
    assert not estimate.is_inference()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"overlap": 1.0}, "overlap must be at least 0 and less than 1; found 1.0"),
        ({"overlap": -0.1}, "overlap must be"),
        ({"segment_samples": 0}, "found segment_samples 0 and batch_size 4"),
        ({"batch_size": 0}, "batch_size 0"),
    ],
)
def test_arguments_out_of_range_are_named(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        separate_waveform(Scale(), torch.randn(2, 50), **{"segment_samples": 10, **arguments})  # type: ignore[arg-type]


def test_a_mixture_without_samples_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1 sample"):
        separate_waveform(Scale(), torch.randn(2, 0), segment_samples=10)


def test_fades_are_lines_over_what_is_shared_and_flat_between() -> None:
    # chunks of 8 share 2 samples: 1/3 and 2/3 of the second, 2/3 and 1/3 of the first
    (estimate,) = separate_waveform(
        Count(), torch.zeros(1, 14), segment_samples=8, overlap=0.25, weighting="fade"
    )
    expected = [1.0] * 6 + [2 / 3 * 1 + 1 / 3 * 2, 1 / 3 * 1 + 2 / 3 * 2] + [2.0] * 6
    assert estimate[0].tolist() == pytest.approx(expected)


def test_a_power_listens_more_to_the_middles() -> None:
    # weights 1/4 1 1 1/4 (squares of 1/2 1 1 1/2): the shared samples follow the nearer chunk
    (estimate,) = separate_waveform(
        Count(), torch.zeros(1, 6), segment_samples=4, overlap=0.5, power=2
    )
    assert estimate[0, 2:4].tolist() == pytest.approx([(1 + 0.25 * 2) / 1.25, (0.25 + 2) / 1.25])


def test_shifts_begin_elsewhere_and_are_the_same_for_the_same_seed() -> None:
    one, two, other = (
        Chunking(100, shifts=3, most_shift=50, seed=seed).starts(500) for seed in (1, 1, 2)
    )
    assert one == two != other
    assert one[0] < 0
    assert {*Chunking(100).starts(500)} < {*one}


def test_a_stretch_comes_as_soon_as_no_further_chunk_reaches_it() -> None:
    blocks = separate_blocks(
        Scale(), InMemory(torch.zeros(2, 250)), Chunking(100, overlap=0.25, batch_size=1)
    )
    assert [block.shape[-1] for block in blocks] == [75, 75, 100]


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.2, 0.6, 1.3])
def test_tracks_are_separated_as_demucss_own_apply_model_does(seconds: float) -> None:
    # lengths for which Demucs, too, has no last chunk that lies wholly inside the one before
    overlap = 0.25
    torch.manual_seed(0)
    theirs = HTDemucs(list(FOUR), segment=0.5, channels=16, t_layers=1).eval()
    spec = load_spec(
        "htdemucs", overrides={"channels.start": 16, "segment": 0.5, "attention.0.layers": 1}
    )
    ours = imported(theirs, spec)
    mixture = torch.randn(2, round(seconds * 44100))
    found = separate_waveform(ours, mixture, segment_samples=22050, overlap=overlap)
    wanted = apply_model(theirs, mixture[None], shifts=0, split=True, overlap=overlap)[0]
    torch.testing.assert_close(found, wanted, rtol=0, atol=3e-6 * float(wanted.abs().max()))
