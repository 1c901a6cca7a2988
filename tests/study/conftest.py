"""A study whose trials take milliseconds: a real search space, and nothing is trained."""

import math
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from msdemucs.study.execution.loop import begin_study
from msdemucs.study.records import SPLIT
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.urls import StudyLocation
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Row, TrialRecorder
from tests.study.postgres import Postgres, missing_program

SPACE = """\
name: toy
title: A toy
base: htdemucs_n
set: {segment: 0.5, channels.start: 4, attention.0.heads: 4}
vary:
  spectral.resolutions:
    choice: {one: [4096], two: [2048, 4096]}
  fusion.output.kind:
    choice: [sum, weighted]
  channels.start:
    int: [4, 16]
    step: 4
baselines: [htdemucs, htdemucs_nn]
trials: 5
"""


def asking(search: Search, **fields: object) -> Search:
    """The search with fields of its space replaced."""
    return replace(search, space=search.space.model_copy(update=fields))


def begin(search: Search, url: str) -> None:
    begin_study(search, StudyLocation(url, Path("studies/toy/trials")), {})[1].close()


def toy(candidate: Candidate, log: TrialRecorder) -> None:
    """Wider is better, and the second group is harder."""
    width = log.figures["parameters"] ** 0.5 / 100
    log.progress.phase("train", 2)
    log.loss(1, 1.0)
    log.loss(2, 0.5 + candidate.seed / 100)
    seed = candidate.seed
    log.scores(
        [
            Row(seed, SPLIT, "band", "A - B", "bass", "usdr_db", width),
            Row(seed, SPLIT, "room", "C - D", "bass", "usdr_db", math.nan),
        ],
        [(SPLIT, "band", "A - B", "bass", "usdr_db", -6.0)],
    )
    log.record({"usdr_db": width, "usdr_db/band": width, "latency_ms_p50": 3.0})


class OpenedTests:
    """What python opens under a folder's test/ folders; an audit hook, which cannot be removed."""

    def __init__(self) -> None:
        self.root: Path | None = None
        self.opened: list[str] = []

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.root is None or event not in ("open", "os.listdir", "os.scandir"):
            return
        path = Path.cwd() / str(arguments[0])
        if path.is_relative_to(self.root) and "test" in path.relative_to(self.root).parts:
            self.opened.append(str(path))
            raise AssertionError(f"{path} was opened")


WATCH = OpenedTests()
sys.addaudithook(WATCH)


@contextmanager
def closed_tests() -> Iterator[list[str]]:
    """A block in which everything fails that opens test/ or a file in it; it gives what did."""
    WATCH.root, WATCH.opened = Path.cwd(), []
    try:
        yield WATCH.opened
    finally:
        WATCH.root = None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this session's own."""
    if missing := missing_program():
        message = f"no {missing}: bash scripts/system-packages.sh postgresql"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture(autouse=True)
def busy_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have latency measured once: beside another test the machine is never quiet."""
    monkeypatch.setattr("msdemucs.measure.quiet.QUIET", 1.0)


@pytest.fixture(autouse=True)
def own_host(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Have no test wait for another's measurements."""
    folder = tmp_path_factory.getbasetemp()
    monkeypatch.setattr("msdemucs.measure.quiet.LOCK_FOLDER", folder)


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, where studies/ will lie."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["sqlite", "journal", "postgresql"])
def url(request: pytest.FixtureRequest, in_tmp: Path) -> str:
    """An empty storage of each kind."""
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        return postgres.create_database(f"test_{in_tmp.name}_{random.randrange(1 << 30)}".lower())
    return f"{request.param}:///{in_tmp}/studies/toy.{request.param}"


@pytest.fixture
def space_file(in_tmp: Path) -> Path:
    path = in_tmp / "toy.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture
def search(space_file: Path) -> Search:
    return load_search_space(space_file)


@pytest.fixture
def rewritten(space_file: Path) -> Callable[[str, str], Search]:
    """The toy search space with one piece of its text replaced."""

    def rewrite(old: str, new: str) -> Search:
        assert old in SPACE
        space_file.write_text(SPACE.replace(old, new, 1))
        return load_search_space(space_file)

    return rewrite
