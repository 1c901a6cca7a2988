"""Fixtures for every test: seeds, threads, and a disk that is not waited for."""

import os
import random
import sqlite3
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")  # for commands in processes of their own, too

import numpy
import pytest
import sqlalchemy

if TYPE_CHECKING:
    from msdemucs.study.records import StudyRecord


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Seed what pytest-randomly leaves alone, and keep two workers from fighting over two cores."""
    import torch

    random.seed(0)
    numpy.random.seed(0)  # noqa: NPY002 (libraries under test may use the legacy generator)
    torch.manual_seed(0)
    torch.set_num_threads(1)


def pytest_configure() -> None:
    """Hypothesis: the same examples every time, no deadline on a busy machine.

    What is written is safe from a killed process without waiting for the disk, which guards
    against a power failure only and takes half the time of a study of toy trials.
    """
    from hypothesis import settings

    settings.register_profile("ci", derandomize=True, deadline=None, max_examples=50)
    settings.register_profile("deep", deadline=None, max_examples=2000)
    settings.load_profile("ci")
    os.fsync = lambda fd: None
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", write_without_waiting)


def write_without_waiting(connection: object, _: object) -> None:
    """Leave it to the system when an SQLite file reaches the disk."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@pytest.fixture
def record() -> "StudyRecord":
    """Eight trials of a made study."""
    from tests.records import make_eight

    return make_eight()


@pytest.fixture
def empty_record() -> "StudyRecord":
    """A study that was created and never run."""
    from tests.records import make_record

    return make_record([])
