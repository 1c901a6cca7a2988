"""Trials as tasks of a real Ray cluster of two nodes on this machine."""

import importlib
import os
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from optuna.trial import TrialState

from msdemucs.errors import UsageError
from msdemucs.study.execution.loop import begin_study
from msdemucs.study.execution.ray_cluster import Cluster, run_on_cluster
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.urls import StudyLocation
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import TrialRecorder
from tests.study.conftest import asking, begin
from tests.study.postgres import Postgres
from tests.study.test_loop import Ears
from tests.study.test_many_processes import STEPS, ToyBench, trials

SMALL = {"object_store_memory": 80 << 20, "node_ip_address": "127.0.0.1"}

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own


DIED = "TESTS_NODE_DIED"
"""The variable that names a folder in which a study's name says that its node has died."""


class Waiting(ToyBench):
    """Rests after a step until a node of the cluster has died, so that each node has a trial."""

    def __init__(self, died: Path) -> None:
        super().__init__()
        self.died = died

    def evaluate(self, candidate: Candidate, log: TrialRecorder) -> None:
        def saved() -> None:
            candidate.on_saved()
            while not self.died.exists():
                time.sleep(0.02)

        super().evaluate(replace(candidate, on_saved=saved), log)


def bench(search: Search, *, say: object) -> ToyBench:
    """What trains on a node."""
    return Waiting(Path(os.environ[DIED], search.space.name))


def is_gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have asked how."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without processors, and two nodes of one each."""
    (tmp_path / "died").mkdir()
    monkeypatch.setenv(DIED, str(tmp_path / "died"))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_DISABLE_IMPORT_WARNING", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # or Ray leaves 127.0.0.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster_utils: Any = importlib.import_module("ray.cluster_utils")
    monkeypatch.setattr("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)
    head = {"num_cpus": 0, "include_dashboard": False, **SMALL}
    machines = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
    yield machines
    machines.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_study_outlives_the_death_of_a_node_in_the_middle_of_a_trial(
    search: Search, postgres: Postgres, nodes: Any, in_tmp: Path
) -> None:
    nodes.add_node(num_cpus=1, **SMALL)
    for name, url in (("shared", ""), ("kept", f"file://{in_tmp}/kept")):
        outlives(asking(search, trials=3, name=name), postgres.create_database(name), nodes, url)
    assert not Path("studies/kept").exists()  # no node read from another's disk


def outlives(search: Search, url: str, nodes: Any, folder: str) -> None:
    """Kill one of two nodes when both are in a trial, whose folder is shared or kept at a URL."""
    name = search.space.name
    place = Path(folder.removeprefix("file://") or f"studies/{name}/trials")
    begin_study(search, StudyLocation(url, folder or place), {})[1].close()
    victim = nodes.add_node(num_cpus=1, **SMALL)
    saved = "manifest-*.json" if folder else "steps.txt"

    def kill() -> None:
        while not all(any(place.glob(f"{number}/{saved}")) for number in (0, 1)):
            time.sleep(0.02)
        owners = [trial.user_attrs["owner"]["pid"] for trial in trials(url, name)[:2]]
        nodes.remove_node(victim, allow_graceful=False)
        while not any(is_gone(pid) for pid in owners):
            time.sleep(0.02)
        Path(os.environ[DIED], name).touch()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    ears = Ears()
    where = Cluster(nodes.address, prepare=f"{__name__}:bench")
    finished = run_on_cluster(name, url, where, listener=ears)
    killer.join()

    left = trials(url, name)
    assert finished.complete == 3
    assert [trial.state for trial in left].count(TrialState.COMPLETE) == 3
    (killed,) = [trial for trial in left if trial.user_attrs.get("failure") == "killed"]
    assert killed.number in (0, 1)
    (again,) = [trial for trial in left if trial.user_attrs.get("repeats") == killed.number]
    assert again.state == TrialState.COMPLETE
    assert again.user_attrs["resumed_at"] >= 1
    for number in (0, 1):
        steps = (place / str(number) / "steps.txt").read_text()
        assert steps.split() == [str(step) for step in range(1, STEPS + 1)]
    line = f"trial {killed.number} was killed; its configuration is enqueued again"
    assert line in ears.lines
    assert all(trial.user_attrs["owner"]["pid"] != os.getpid() for trial in left)


def test_a_cluster_that_is_not_there_is_told(
    search: Search, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{in_tmp}/toy.db"
    begin(search, url)

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no answer")

    monkeypatch.setattr("ray.init", refuse)
    with pytest.raises(UsageError, match=r"there is no Ray cluster at 127.0.0.1:1: no answer"):
        run_on_cluster("toy", url, Cluster("127.0.0.1:1"), listener=Ears())
