"""Reads that fail as networks fail are tried again; what the system said is told."""

import errno
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from msdemucs.data import find_tracks, folders
from msdemucs.errors import DataError

Open = Callable[..., soundfile.SoundFile]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


def failing(times: int, error: Exception) -> Open:
    """A decoder that fails so often, and then decodes."""
    opened = soundfile.SoundFile
    left = [error] * times

    def attempt(path: Path) -> soundfile.SoundFile:
        if left:
            raise left.pop()
        return opened(path)

    return attempt


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT])
def test_a_network_that_comes_back_costs_a_few_tries(
    root: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (track,) = find_tracks(root, split="test")
    whole = track.read_sources(["drums"])
    times = len(folders.PAUSES_S)
    monkeypatch.setattr(soundfile, "SoundFile", failing(times, OSError(number, "gone")))
    assert (track.read_sources(["drums"]) == whole).all()
    assert tuple(pauses) == folders.PAUSES_S


def test_a_network_that_stays_away_is_told_in_the_systems_words(
    root: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    (track,) = find_tracks(root, split="test")
    failure = OSError(errno.ESTALE, "Stale file handle")
    monkeypatch.setattr(soundfile, "SoundFile", failing(9, failure))
    with pytest.raises(DataError, match=r"drums\.wav: cannot be read \(Stale file handle\)"):
        track.read_sources(["drums"])
    assert tuple(pauses) == folders.PAUSES_S


def test_a_failed_read_that_the_decoder_hides_is_told_in_the_systems_words(
    root: Path, pauses: list[float]
) -> None:
    """Reading this file fails with EIO, of which libsndfile makes "Format not recognised"."""
    path = root / "test" / "Cem - Three" / "bass.wav"
    path.unlink()
    path.symlink_to("/proc/self/mem")
    with pytest.raises(DataError, match=r"bass\.wav: cannot be read \(Input/output error\)"):
        find_tracks(root, split="test")
    assert tuple(pauses) == folders.PAUSES_S


def test_a_decoder_that_fails_for_a_moment_is_asked_again(
    root: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    (track,) = find_tracks(root, split="test")
    monkeypatch.setattr(soundfile, "SoundFile", failing(1, soundfile.LibsndfileError(2)))
    assert track.read_sources(["drums"]).any()
    assert not pauses


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "gone"), OSError("odd")])
def test_what_does_not_pass_is_told_at_once(
    root: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    (track,) = find_tracks(root, split="test")
    monkeypatch.setattr(soundfile, "SoundFile", failing(1, error))
    with pytest.raises(DataError, match=r"drums\.wav: cannot be read"):
        track.read_sources(["drums"])
    assert not pauses
