"""A study's trials as tasks of a Ray cluster, each with its resources.

A task claims a trial from the study's storage, as any worker does, and goes on from the checkpoints
in its folder: storage and folder must be reachable from every node. When Ray tells that a task's
process or node has died, its trial is enqueued again at once, without waiting for its lease to end;
Ray's own retries stay off, since they would not know of the trial.
"""

import functools
import importlib
import logging
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from msdemucs.errors import MsdemucsError, StudyError, UsageError
from msdemucs.study.execution.loop import (
    WANTED,
    Finished,
    Part,
    Prepare,
    explained,
    search_of_study,
    work_on,
)
from msdemucs.study.execution.scheduler import PAUSE_S, Scheduler
from msdemucs.study.execution.worker_pool import Name
from msdemucs.study.storage.databases import StudyStorage
from msdemucs.study.storage.leases import fail_stale
from msdemucs.study.storage.load import open_storage, open_study
from msdemucs.study.storage.urls import database_path
from msdemucs.study.trial.recorder import Listener
from msdemucs.train.devices import Interrupts

PREPARE = "msdemucs.study.trial.bench:prepare"
"""What makes a bench on a node, as module:function."""

MOST_DEATHS = 20
"""So many tasks in a row whose node or process died end the study."""

LOOK_EVERY_S = 0.5
GRACE_S = 60.0


@dataclass(frozen=True)
class Cluster:
    """Where trials run, and with what.

    Attributes:
        address: of the cluster's head: "10.0.0.1:6379", or "auto" on one of its nodes.
        cpus: of each trial.
        gpus: of each trial; a fraction shares one.
        prepare: makes a bench on a node, as module:function.
        auto_batch: whether a batch that does not fit goes through in more parts.
    """

    address: str
    cpus: float = 1.0
    gpus: float = 0.0
    prepare: str = PREPARE
    auto_batch: bool = False


def run_on_cluster(
    name: str, url: str, cluster: Cluster, *, listener: Listener, folder: str | Path | None = None
) -> Finished:
    """Run a study that exists on a Ray cluster until it has its trials.

    Args:
        name: of the study.
        url: of its storage.
        cluster: where, and with what.
        listener: is told how trials begin and end.
        folder: for the trials' folders, a path that all nodes share or a URL; the study's own
            when not given.

    Raises:
        UsageError: Ray is not installed, there is no cluster, or nodes cannot reach the storage.
        StudyError: no node has what a trial needs, a task failed, or nodes die again and again.
        KeyboardInterrupt: Ctrl-C or SIGTERM; trials have saved and are enqueued again.
    """
    ray = connect(cluster, url)
    try:
        with Interrupts(), explained(url), closing(open_storage(url)) as opened:
            study = open_study(opened, name)
            place = folder or search_of_study(study)[1]
            driver = Driver(ray, study, opened, cluster, listener)
            task = functools.partial(driver.submit, name, url, str(place))
            return Finished.of(driver.scheduler, driver.run(task), url)
    finally:
        ray.shutdown()


def connect(cluster: Cluster, url: str) -> Any:
    """The module ray, connected.

    Raises:
        UsageError: as `run_on_cluster`.
    """
    try:
        ray: Any = importlib.import_module("ray")
    except ImportError:
        raise UsageError("--ray needs Ray: pip install 'msdemucs[ray]'") from None
    try:
        ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # noqa: BLE001 (Ray raises what its parts raise)
        reason = (str(error).splitlines() or ["no answer"])[0]
        raise UsageError(f"there is no Ray cluster at {cluster.address}: {reason}") from None
    hosts = {node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    if len(hosts) > 1 and url.startswith("sqlite"):
        ray.shutdown()
        raise UsageError(
            f"{database_path(url)} is a file of this host, and the cluster has {len(hosts)}: "
            "keep the study in PostgreSQL, --storage postgresql+psycopg://…"
        )
    return ray


class Driver:
    """Keeps as many trials under way as the cluster has room for."""

    def __init__(
        self,
        ray: Any,
        study: optuna.Study,
        opened: StudyStorage,
        cluster: Cluster,
        listener: Listener,
    ) -> None:
        self.ray, self.study, self.opened = ray, study, opened
        self.cluster, self.listener = cluster, listener
        self.scheduler = Scheduler(
            study,
            opened,
            search=search_of_study(study)[0],
            wanted=lambda: int(study.user_attrs[WANTED]),
            say=listener.said,
        )
        self.states = {trial.number: trial.state for trial in study.get_trials(deepcopy=False)}
        self.deaths = 0
        self.had_room = False

    def submit(self, name: str, url: str, folder: str, token: str) -> Any:
        """A reference to a task that runs one trial."""
        options = {"num_cpus": self.cluster.cpus, "num_gpus": self.cluster.gpus, "max_retries": 0}
        task = self.ray.remote(**options)(one_trial)
        return task.remote(name, url, folder, token, self.cluster)

    def room(self) -> int:
        """How many trials the cluster can run at once, as it is now.

        Raises:
            StudyError: none, and it never had room for one.
        """
        has = self.ray.cluster_resources()
        needs = {"CPU": self.cluster.cpus, "GPU": self.cluster.gpus}
        room = min(int(has.get(kind, 0) / need) for kind, need in needs.items() if need)
        self.had_room = self.had_room or room > 0
        if not self.had_room:
            held = ", ".join(f"{has.get(kind, 0):g} {kind}" for kind in needs)
            needed = ", ".join(f"{need:g} {kind}" for kind, need in needs.items())
            raise StudyError(f"a trial needs {needed}; the cluster has {held}")
        return room

    def run(self, submit: Callable[[str], Any]) -> int:
        """Run tasks until the study has its trials; how many trials they ran."""
        under_way: dict[Any, str] = {}
        ran, rest_until = 0, 0.0
        try:
            while under_way or not self.scheduler.progress().is_done:
                done = self.scheduler.progress().done
                wanted = min(self.room(), self.scheduler.wanted() - done)
                while len(under_way) < wanted and time.monotonic() >= rest_until:
                    token = uuid.uuid4().hex
                    under_way[submit(token)] = token
                ended, _ = (
                    self.ray.wait([*under_way], timeout=LOOK_EVERY_S) if under_way else ([], [])
                )
                for task in ended:
                    count = self.result_of(task, under_way.pop(task))
                    ran += count
                    if not count:  # no trial is free at present
                        rest_until = time.monotonic() + PAUSE_S
                if not under_way:
                    time.sleep(LOOK_EVERY_S)
                self.follow()
        except BaseException:
            self.stop([*under_way])
            raise
        return ran

    def result_of(self, task: Any, token: str) -> int:
        """How many trials an ended task ran; that of a dead one is enqueued again.

        Raises:
            StudyError: it failed, or too many died in a row.
        """
        errors = self.ray.exceptions
        try:
            count, failure = self.ray.get(task)
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError) as error:
            self.deaths += 1
            if self.deaths > MOST_DEATHS:
                line = f"{self.deaths} tasks in a row died: {_first_line(error)}"
                raise StudyError(line) from error
            self.listener.said(f"a task died with its process or node: {type(error).__name__}")
            with self.opened.study_lock(self.study.study_name):
                for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
                    if trial.user_attrs.get("owner", {}).get("token") == token:
                        for line in fail_stale(self.study, trial):
                            self.listener.said(line)
            return 0
        except errors.RayError as error:
            raise StudyError(f"a task of the cluster failed: {_first_line(error)}") from error
        if failure:
            raise StudyError(failure)
        self.deaths = 0
        return int(count)

    def follow(self) -> None:
        """Tell the listener what has begun and ended."""
        progress = self.scheduler.progress()
        for trial in self.study.get_trials(deepcopy=False):
            before = self.states.get(trial.number, TrialState.WAITING)
            self.states[trial.number] = trial.state
            attrs = trial.user_attrs
            name = Name(
                trial.number,
                attrs.get("baseline") or f"trial {trial.number}",
                int(attrs.get("seed", 0)),
            )
            if before == TrialState.WAITING and trial.state != TrialState.WAITING:
                self.listener.began(name, complete=progress.done, wanted=progress.wanted)
            if before != trial.state and trial.state.is_finished():
                figures = ", ".join(f"{value:.4g}" for value in trial.values or ())
                state = trial.state.name.lower()
                self.listener.ended(trial.number, state, figures or attrs.get("failure", ""))

    def stop(self, tasks: list[Any]) -> None:
        """Have tasks save and leave."""
        for task in tasks:
            self.ray.cancel(task, force=False)
        if tasks:
            self.ray.wait(tasks, num_returns=len(tasks), timeout=GRACE_S)


def one_trial(name: str, url: str, folder: str, token: str, cluster: Cluster) -> tuple[int, str]:
    """What a task does: one trial of a study, if one is free; (how many it ran, why it failed)."""
    part = Part(most=1, token=token, waits=False)
    try:
        done = work_on(name, url, _prepared(cluster), folder=folder, part=part)
    except MsdemucsError as error:
        return 0, str(error)
    return done.ran, ""


@functools.cache
def _prepared(cluster: Cluster) -> Prepare:
    """A bench that is made once in each of the cluster's processes, for each study."""
    module, _, function = cluster.prepare.partition(":")
    make = getattr(importlib.import_module(module), function)
    options = {"auto_batch": True} if cluster.auto_batch else {}
    benches: dict[str, Any] = {}

    def once(search: Any, *, say: Callable[[str], None]) -> Any:
        key = f"{search.path} {search.space.name}"
        if key not in benches:
            benches.clear()
            benches[key] = make(search, say=say, **options)
        return benches[key]

    return once


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
