"""Audio files as models take them, resampled block by block."""

import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchaudio.functional import resample

from msdemucs.errors import DataError
from msdemucs.evaluate.audio import AudioSource, BlockResampler, read_mixture

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
    (seconds,) = re.findall(r"ends (\S+) s before its header says", source.shortfall)
    missing = round(float(seconds) * RATE)
    assert 4 * RATE < missing < 6 * RATE
    assert not found[:, -missing + 40 :].any()
    assert found[:, :RATE].any()


CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("vbr-without-xing.mp3", r"holds about 1\.[4-7] s more than was read: .* ffmpeg -i"),
        ("joined.mp3", r"holds about [12]\.\d s more than was read: it is several files in one"),
        ("chained.ogg", r"holds about [12]\.\d s more than was read: it is several files in one"),
        ("truncated.wav", r"ends 0\.50 s before its header says; copy it again"),
    ],
)
def test_a_file_that_is_not_what_its_header_says_is_told(name: str, told: str) -> None:
    """The true lengths are 2, 4, 4 and 1 s."""
    with pytest.warns(UserWarning, match=f"{name} {told}"):
        read_mixture(CASES / name, sample_rate=44100, audio_channels=2)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("truncated.flac", "flac decoder lost sync; copy it again"),
        ("truncated.ogg", "is cut off: the last page of its stream is not there"),
        ("unknown-length.flac", "does not say how long it is, .* ffmpeg -i unknown-length.flac"),
    ],
)
def test_a_file_whose_end_nobody_knows_is_refused(name: str, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        read_mixture(CASES / name, sample_rate=44100, audio_channels=2)


def ape_tag(size: int) -> bytes:
    """A picture behind the sound of an MP3 file."""
    header = b"APETAGEX" + struct.pack("<IIII", 2000, size + 47, 1, 0xA0000000) + bytes(8)
    return header + struct.pack("<II", size, 0) + b"Cover\0" + bytes(size)


@pytest.mark.parametrize(
    ("suffix", "more"),
    [
        *[(suffix, b"") for suffix in (".wav", ".aiff", ".flac", ".ogg", ".mp3", ".w64", ".caf")],
        (".mp3", b"TAG" + bytes(125)),
        (".mp3", ape_tag(20_000)),
        (".mp3", bytes(20_000)),
        (".wav", b"id3 " + struct.pack("<I", 20_000) + bytes(20_000)),
    ],
)
def test_a_whole_file_is_not_told_whatever_follows_its_sound(
    suffix: str, more: bytes, tmp_path: Path
) -> None:
    path = tmp_path / f"song{suffix}"
    soundfile.write(path, sine(3 * RATE), RATE)
    path.write_bytes(path.read_bytes() + more)
    read(path)  # warnings are errors


@pytest.mark.parametrize("suffix", [".wav", ".aiff", ".w64", ".rf64", ".au", ".ogg"])
def test_what_was_cut_off_is_told_in_every_format(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"song{suffix}"
    soundfile.write(path, 0.3 * np.random.default_rng(0).standard_normal((5 * RATE, 2)), RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 7 // 10])
    with pytest.warns(UserWarning, match=r"ends 1\.50 s before its header says|is cut off"):
        read(path)


def test_a_wav_file_from_a_pipe_promises_no_length(audio: Path) -> None:
    content = bytearray(audio.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = content[4:8] = b"\xff" * 4
    audio.write_bytes(content)
    assert read(audio).shape == (2, RATE)  # warnings are errors


def test_a_name_that_is_not_utf_8_is_read(audio: Path) -> None:
    path = audio.rename(audio.with_name(os.fsdecode(b"caf\xe9.wav")))
    assert read(path).shape == (2, RATE)


def test_the_remedy_is_named(tmp_path: Path) -> None:
    (tmp_path / "my song.m4a").write_bytes(bytes(4) + b"ftypM4A " + bytes(99))
    (tmp_path / "link.wav").symlink_to("gone.wav")
    (tmp_path / "lfs.wav").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7")
    (tmp_path / "page.mp3").write_text("\n<!DOCTYPE html><html>")
    for name, said in (
        ("my song.m4a", "convert it: ffmpeg -i 'my song.m4a' 'my song.wav'"),
        ("link.wav", "is a link to gone.wav, which is not there"),
        ("lfs.wav", "is a pointer of git-lfs, not the file: fetch it by “git lfs pull”"),
        ("page.mp3", "is a web page, not the file"),
        ("", "cannot be read: Is a directory"),
    ):
        with pytest.raises(DataError, match=said):
            read(tmp_path / name)


@settings(max_examples=40)
@given(
    old=st.sampled_from([8000, 11025, 44100, 48000, 96000]),
    new=st.sampled_from([8000, 16000, 44100, 48000]),
    sizes=st.lists(st.integers(1, 900), min_size=1, max_size=8),
)
def test_resampled_blocks_joined_are_the_resampled_whole(
    old: int, new: int, sizes: list[int]
) -> None:
    whole = torch.randn((2, sum(sizes)), generator=torch.Generator().manual_seed(len(sizes)))
    resampler = BlockResampler(old, new)
    found = [resampler.push(block) for block in torch.split(whole, sizes, dim=1)]
    rest = resampler.finish()
    joined = torch.cat([*found, *([] if rest is None else [rest])], dim=1)
    torch.testing.assert_close(joined, resample(whole, old, new), rtol=0, atol=1e-6)
