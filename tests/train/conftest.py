"""A small spec and a folder of noise to train it on."""

from pathlib import Path

import pytest

from msdemucs.spec import Spec
from msdemucs.train import Recipe
from msdemucs.train.training import Asked
from tests.data.conftest import write_noise
from tests.specs import small

RATE = 8000


@pytest.fixture(scope="session")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three training tracks of a second."""
    root = tmp_path_factory.mktemp("noise")
    for name in ("Ann - One", "Bob - Two", "Cem - Three"):
        write_noise(root / "train" / name, n_samples=RATE, sample_rate=RATE)
    return root


@pytest.fixture
def spec() -> Spec:
    return small("htdemucs_n", {"attention": []})


@pytest.fixture
def asked(spec: Spec, noise: Path) -> Asked:
    recipe = Recipe(
        name="toy",
        steps=12,
        batch_size=2,
        segment=0.25,
        lr=1e-3,
        checkpoint_every=2,
        flip=True,
        ema={"decay": 0.9},  # type: ignore[arg-type]
        validation={"every": 5},  # type: ignore[arg-type]
    )
    return Asked(spec, recipe, (noise,), seed=3)
