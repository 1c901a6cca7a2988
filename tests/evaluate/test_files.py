"""Audio files in, estimates out."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from jaxtyping import Float
from torch import Tensor

from msdemucs import Separator, build
from msdemucs.errors import DataError, UsageError
from msdemucs.evaluate.files import (
    output_folders,
    read_mixture,
    separate_mixture,
    write_estimates,
)
from tests.specs import small

RATE = 8000


def sine(n_samples: int, *, rate: int = RATE, channels: int = 2) -> np.ndarray:
    time = np.arange(n_samples) / rate
    return np.stack([0.5 * np.sin(2 * np.pi * 200 * (i + 1) * time) for i in range(channels)], 1)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, sine(RATE), RATE, subtype="FLOAT")
    return path


def read(path: Path, channels: int = 2) -> Tensor:
    return read_mixture(path, sample_rate=RATE, audio_channels=channels)


def test_a_file_of_the_models_rate_is_read_as_it_is(audio: Path) -> None:
    assert torch.equal(read(audio), torch.from_numpy(sine(RATE).T.astype("float32")))


def test_mono_goes_to_both_channels_and_stereo_becomes_its_mean(audio: Path) -> None:
    mono = audio.with_name("mono.wav")
    soundfile.write(mono, sine(RATE, channels=1), RATE, subtype="FLOAT")
    left, right = read(mono)
    assert torch.equal(left, right)
    assert torch.allclose(read(audio, channels=1)[0], read(audio).mean(0))


@pytest.mark.parametrize("rate", [44100, 48000, 22050, 4000])
def test_another_rate_is_resampled(rate: int, tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    soundfile.write(path, sine(rate, rate=rate), rate)
    found = read(path)
    assert found.shape == (2, RATE)
    inside = slice(200, -200)  # the ends ring
    wanted = torch.from_numpy(sine(RATE).T.astype("float32"))
    assert float((found - wanted)[:, inside].abs().max()) < 0.01


def test_a_rate_without_a_small_ratio_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "odd.wav", sine(100), 44101)
    with pytest.raises(DataError, match="44101 Hz, which has no small ratio to 8000 Hz"):
        read(tmp_path / "odd.wav")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("gone.wav", None, "there is no such file"),
        ("text.wav", b"text", "cannot be read as audio"),
        ("empty.wav", np.zeros((0, 2)), "is empty"),
        ("five.wav", np.zeros((9, 5)), "has 5 channels, the model takes 2"),
        ("nan.wav", np.full((9, 2), np.nan), "not finite"),
    ],
)
def test_files_at_fault_are_named(
    name: str, content: np.ndarray | bytes | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        soundfile.write(path, content, RATE, subtype="FLOAT")
    with pytest.raises(DataError, match=reason) as error:
        read(path)
    assert error.value.path == path


# Separation


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


# Writing


def test_estimates_are_written_as_floats_or_clipped_to_16_bits(tmp_path: Path) -> None:
    estimates = torch.tensor([[[0.5, -1.5, 0.25]], [[0.0, 2.0, 1.0]]])
    names = ("a", "b")
    clipped = write_estimates(estimates, tmp_path / "f", sources=names, sample_rate=RATE)
    assert clipped == 0
    found, rate = soundfile.read(tmp_path / "f" / "a.wav")
    assert (found.tolist(), rate) == ([0.5, -1.5, 0.25], RATE)
    clipped = write_estimates(
        estimates, tmp_path / "i", sources=names, sample_rate=RATE, subtype="PCM_16"
    )
    assert clipped == 2
    found, _ = soundfile.read(tmp_path / "i" / "a.wav")
    assert found.tolist() == pytest.approx([0.5, -1.0, 0.25], abs=1e-4)
    assert soundfile.info(tmp_path / "i" / "b.wav").subtype == "PCM_16"
    assert sorted(path.name for path in (tmp_path / "i").iterdir()) == ["a.wav", "b.wav"]


def test_estimates_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not finite"):
        write_estimates(
            torch.full((1, 2, 3), torch.nan), tmp_path / "f", sources=["a"], sample_rate=RATE
        )
    assert not (tmp_path / "f").exists()


def test_nothing_is_overwritten_unless_allowed(tmp_path: Path) -> None:
    songs, sources = [Path("x/one.wav"), Path("two.mp3")], ("a", "b")
    folders = output_folders(songs, tmp_path, sources=sources, overwrite=False)
    assert folders == [tmp_path / "one", tmp_path / "two"]
    folders[1].mkdir()
    (folders[1] / "b.wav").touch()
    with pytest.raises(UsageError, match=r"two/b.wav would be overwritten; allow it by"):
        output_folders(songs, tmp_path, sources=sources, overwrite=False)
    assert output_folders(songs, tmp_path, sources=sources, overwrite=True) == folders


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    songs = [Path("x/one.wav"), Path("y/one.flac")]
    with pytest.raises(UsageError, match=r"x/one.wav and y/one.flac would both be written to"):
        output_folders(songs, tmp_path, sources=("a",), overwrite=True)
