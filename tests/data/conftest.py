"""Tracks of a tenth of a second, of noise, in MUSDB18-HQ's layout."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import stempeg

from msdemucs.data.folders import quantise, write_track
from msdemucs.data.tracks import STEM_MP4, STEMS

RATE = 44100
N_SAMPLES = 4410
NAMES = {"train": ("Ann - One", "Bob - Two"), "test": ("Cem - Three",)}

needs_ffmpeg = pytest.mark.skipif(
    not shutil.which("ffmpeg") and os.environ.get("CI") != "true", reason="ffmpeg is not installed"
)
"""By hand they are skipped without it; in CI they fail."""


def write_noise(
    folder: Path,
    *,
    n_samples: int = N_SAMPLES,
    sample_rate: int = RATE,
    audio_channels: int = 2,
    stems: tuple[str, ...] = STEMS,
) -> Path:
    """A track of noise, another one for another folder's name."""
    rng = np.random.default_rng(list(folder.name.encode()))
    noise = {stem: rng.normal(0, 0.1, (audio_channels, n_samples)) for stem in stems}
    write_track(folder, quantise(noise)[0], sample_rate=sample_rate)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two tracks to train on and one to test."""
    for split, names in NAMES.items():
        for name in names:
            write_noise(tmp_path / "noise" / split / name)
    return tmp_path / "noise"


@pytest.fixture(scope="session")
def musdb_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One track in MUSDB18's layout: the excerpt that stempeg carries."""
    root = tmp_path_factory.mktemp("musdb18")
    (root / "test").mkdir()
    shutil.copy(stempeg.example_stem_path(), root / "test" / f"Ann - One{STEM_MP4}")
    return root
