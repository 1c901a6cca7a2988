"""Audio files as models take them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from msdemucs.errors import DataError
from msdemucs.evaluate.audio import AudioSource, read_mixture

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


def test_a_file_that_ends_before_its_header_says_is_silent_from_there(tmp_path: Path) -> None:
    path = tmp_path / "song.mp3"
    soundfile.write(path, sine(10 * RATE), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with AudioSource(path, sample_rate=RATE, audio_channels=2) as source:
        found = torch.cat(list(source.blocks()), dim=-1)
    assert found.shape[-1] == 10 * RATE
    assert 4 * RATE < source.missing < 6 * RATE
    assert not found[:, -source.missing :].any()
    assert found[:, :RATE].any()
