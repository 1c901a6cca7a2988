"""Fixtures for every test: seeds, threads, and a place that no test shares."""

import random

import numpy
import pytest


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Seed what pytest-randomly leaves alone, and keep two workers from fighting over two cores."""
    import torch

    random.seed(0)
    numpy.random.seed(0)  # noqa: NPY002 (libraries under test may use the legacy generator)
    torch.manual_seed(0)
    torch.set_num_threads(1)


def pytest_configure() -> None:
    """Hypothesis: the same examples every time, no deadline on a busy machine."""
    from hypothesis import settings

    settings.register_profile("ci", derandomize=True, deadline=None, max_examples=50)
    settings.register_profile("deep", deadline=None, max_examples=2000)
    settings.load_profile("ci")
