"""Fixtures for every test: seeds, threads, and a place that no test shares."""

import random
from collections.abc import Iterator

import numpy
import pytest


@pytest.fixture(autouse=True)
def fixed_seeds() -> Iterator[None]:
    """Seed what pytest-randomly leaves alone, and keep two workers from fighting over two cores."""
    import torch

    random.seed(0)
    numpy.random.seed(0)  # noqa: NPY002 (libraries under test may use the legacy generator)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    yield
