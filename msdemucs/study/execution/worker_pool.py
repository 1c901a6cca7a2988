"""Several worker processes on one machine: started, listened to, stopped together.

A worker tells what it does by events on its output, each a line of JSON.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from msdemucs.errors import StudyError, UsageError
from msdemucs.study import STORAGE_VARIABLE
from msdemucs.study.execution.loop import Finished, explained, search_of_study
from msdemucs.study.execution.scheduler import Scheduler
from msdemucs.study.storage.folders import is_url
from msdemucs.study.storage.load import open_storage, open_study
from msdemucs.study.storage.urls import study_folder
from msdemucs.study.trial.recorder import Listener, Named
from msdemucs.train.devices import Interrupts

GRACE_S = 60.0
"""How long workers may take to save and leave before they are killed."""

MOST_STARTS = 5
"""A worker that dies so often in a row, without a trial between, is not started again."""

LOOK_EVERY_S = 0.1

INTERRUPTED = 130
"""The exit code of a worker that saved and left."""

STDIN = 0

FAILED, FINISHED = "failed", "finished"
"""Events about the worker, beside those of a listener."""


def shares(
    workers: int, *, cores: int, gpus: Sequence[str], gpu_fraction: float = 1.0
) -> list[dict[str, str]]:
    """The environment of each worker: its threads, its GPU and its part of it.

    Args:
        workers: how many.
        cores: of the machine, shared evenly.
        gpus: what CUDA_VISIBLE_DEVICES may name, given out in turn; none for a machine without.
        gpu_fraction: of a GPU that a worker has: 0.5 puts two on each.

    Raises:
        UsageError: more workers than the GPUs have room for.
    """
    threads = str(max(1, cores // workers))
    common = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    if not gpus:
        return [common for _ in range(workers)]
    each = int(1 / gpu_fraction + 1e-9)
    if workers > each * len(gpus):
        have = f"{len(gpus)} GPUs" if gpus[1:] else "1 GPU"
        raise UsageError(
            f"{have} with --gpu-fraction {gpu_fraction:g} {'have' if gpus[1:] else 'has'} room for "
            f"{each * len(gpus)} workers, not for {workers}: ask for fewer, or give each a "
            "smaller --gpu-fraction"
        )
    fraction = {"MSDEMUCS_GPU_FRACTION": f"{gpu_fraction:g}"} if gpu_fraction < 1 else {}
    return [
        common | {"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} | fraction for i in range(workers)
    ]


@dataclass
class Worker:
    """One process of a pool.

    Attributes:
        number: counted from 1.
        process: which runs now, or ran last.
        starts: since a trial of it ended.
        ran: trials that it ran.
        failure: why it cannot go on, if it said so.
        is_over: whether there is nothing left for it to do.
        listener: is told what it tells.
        reader: passes on what the process tells.
    """

    number: int
    process: subprocess.Popen[str]
    starts: int = 1
    ran: int = 0
    failure: str = ""
    is_over: bool = False
    listener: Listener = field(kw_only=True)
    reader: threading.Thread | None = None


class WorkerPool:
    """Workers that end together: all done, or all stopped.

    Args:
        command: which starts one worker; it tells events on its output.
        environments: of each worker, beside this process's own.
        listeners: of each worker.
        logs: a folder for what the workers write to their standard error.
    """

    def __init__(
        self,
        command: Sequence[str],
        environments: Sequence[Mapping[str, str]],
        listeners: Sequence[Listener],
        logs: Path,
    ) -> None:
        self.command, self.environments, self.logs = command, environments, logs
        self._lock = threading.Lock()
        logs.mkdir(parents=True, exist_ok=True)
        self.workers = [
            Worker(number, self._start(number), listener=listeners[number - 1])
            for number in range(1, len(environments) + 1)
        ]
        for worker in self.workers:
            self._listen(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def run(self) -> int:
        """Wait until every worker is done, and say how many trials they ran.

        Raises:
            StudyError: a worker cannot go on, or died again and again; the others are stopped.
        """
        while not all(worker.is_over for worker in self.workers):
            time.sleep(LOOK_EVERY_S)
            for worker in self.workers:
                if not worker.is_over and worker.process.poll() is not None:
                    self._look_after(worker)
        return sum(worker.ran for worker in self.workers)

    def stop(self) -> None:
        """Have every worker save and leave; kill those that do not within GRACE_S."""
        running = [worker.process for worker in self.workers if worker.process.poll() is None]
        for process in running:
            process.terminate()
        end = time.monotonic() + GRACE_S
        for process in running:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for worker in self.workers:
            _let_go(worker)

    def _look_after(self, worker: Worker) -> None:
        """What to do about a worker whose process has ended.

        Raises:
            StudyError: it cannot go on, or died again and again.
            KeyboardInterrupt: a scheduler interrupted it, and surely means all.
        """
        code = worker.process.returncode
        if worker.reader is not None:
            worker.reader.join(timeout=5)  # its last words
        if code == 0:
            worker.is_over = True
            return
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        log = self._log(worker.number)
        if worker.failure:
            raise StudyError(f"worker {worker.number}: {worker.failure}")
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if worker.starts >= MOST_STARTS or code > 0:
            raise StudyError(f"worker {worker.number} {how}; see {log}")
        with self._lock:
            worker.listener.said(f"worker {worker.number} {how}; it is started again")
        worker.starts += 1
        _let_go(worker)
        worker.process = self._start(worker.number)
        self._listen(worker)

    def _start(self, number: int) -> subprocess.Popen[str]:
        with self._log(number).open("a", encoding="utf-8") as log:
            return subprocess.Popen(  # noqa: S603
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **self.environments[number - 1]},
                start_new_session=True,  # Ctrl-C reaches this process, which stops them in order
            )

    def _log(self, number: int) -> Path:
        return self.logs / f"worker-{number}.log"

    def _listen(self, worker: Worker) -> None:
        assert worker.process.stdout is not None
        arguments = (worker, worker.process.stdout)
        worker.reader = threading.Thread(target=self._pass_on, args=arguments, daemon=True)
        worker.reader.start()

    def _pass_on(self, worker: Worker, out: IO[str]) -> None:
        for line in out:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:  # none of ours
                continue
            with self._lock:
                match event:
                    case {"event": kind, "message": message} if kind == FAILED:
                        worker.failure = str(message)
                    case {"event": kind, "ran": ran} if kind == FINISHED:
                        worker.ran += int(ran)
                    case {"event": kind}:
                        worker.starts = 1 if kind == "ended" else worker.starts
                        pass_on(event, worker.listener)


def run_on_pool(
    name: str,
    url: str,
    workers: Sequence[tuple[Mapping[str, str], Listener]],
    *,
    listener: Listener,
    folder: str | None = None,
    options: Sequence[str] = (),
) -> Finished:
    """Run a study that exists with several processes of this machine until it has its trials.

    Args:
        name: of the study.
        url: of its storage.
        workers: of each its environment beside this process's own, and who is told what it tells.
        listener: is told of the study as a whole.
        folder: for the trials' folders, a path or a URL; the study's own when not given.
        options: further options of `msdemucs study work`.

    Raises:
        UsageError: there is no such study.
        StudyError: a worker cannot go on.
        KeyboardInterrupt: Ctrl-C or SIGTERM; every worker has saved and left.
    """
    with Interrupts(), explained(url), closing(open_storage(url)) as opened:
        study = open_study(opened, name)
        search, recorded = search_of_study(study)
        place = str(folder or recorded)
        logs = (study_folder(name) if is_url(place) else Path(place).parent) / "workers"
        arguments = ["--child", "--folder", place, *options]
        command = [sys.executable, "-m", "msdemucs", "study", "work", name, *arguments]
        environments = [{**environment, STORAGE_VARIABLE: url} for environment, _ in workers]
        with WorkerPool(
            command, environments, [of_worker for _, of_worker in workers], logs
        ) as pool:
            ran = pool.run()
        scheduler = Scheduler(
            study, opened, search=search, wanted=lambda: search.space.trials, say=listener.said
        )
        return Finished.of(scheduler, ran, url)


def _let_go(worker: Worker) -> None:
    """Close the pipes to a process that has ended."""
    if worker.reader is not None:
        worker.reader.join(timeout=5)
    for pipe in (worker.process.stdin, worker.process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


@dataclass(frozen=True)
class Name:
    """What is told of a candidate."""

    trial: int
    name: str
    seed: int


class EventWriter:
    """A listener that writes what it is told to a pipe."""

    def __init__(self, out: IO[str]) -> None:
        self.out = out
        self._lock = threading.Lock()

    def tell(self, event: str, **what: object) -> None:
        """One line; nothing where nobody listens any more."""
        with self._lock:
            try:
                print(json.dumps({"event": event, **what}), file=self.out, flush=True)
            except (OSError, ValueError):
                self.out = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115

    def said(self, message: str) -> None:
        """A line about the study as a whole."""
        self.tell("said", message=message)

    def began(self, candidate: Named, *, complete: int, wanted: int) -> None:
        """A trial begins."""
        who = {"trial": candidate.trial, "name": candidate.name, "seed": candidate.seed}
        self.tell("began", **who, complete=complete, wanted=wanted)

    def phase(self, what: str, total: int) -> None:
        """A trial enters a phase."""
        self.tell("phase", what=what, total=total)

    def advanced(self, done: int, note: str) -> None:
        """A phase has done a step."""
        self.tell("advanced", done=done, note=note)

    def ended(self, trial: int, state: str, note: str) -> None:
        """A trial has ended."""
        self.tell("ended", trial=trial, state=state, note=note)


def pass_on(event: Mapping[str, Any], listener: Listener) -> None:
    """Tell a listener what a worker told."""
    match event:
        case {"event": "said", "message": message}:
            listener.said(message)
        case {"event": "began", "complete": complete, "wanted": wanted, **who}:
            named = Name(who["trial"], who["name"], who["seed"])
            listener.began(named, complete=complete, wanted=wanted)
        case {"event": "phase", "what": what, "total": total}:
            listener.phase(what, total)
        case {"event": "advanced", "done": done, "note": note}:
            listener.advanced(done, note)
        case {"event": "ended", "trial": trial, "state": state, "note": note}:
            listener.ended(trial, state, note)


def leave_with_parent() -> None:
    """Have this process interrupt itself when the one that started it is gone.

    It holds the other end of the standard input, and closes it by ending, however it ends.
    """

    def wait() -> None:
        while os.read(STDIN, 4096):  # a thread in sys.stdin aborts the interpreter's end
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
