"""What do a study's storage and scheduling cost, and what do more workers bring?

    .venv/bin/python benchmarks/scale.py overhead --csv benchmarks/scale.csv
    .venv/bin/python benchmarks/scale.py speedup --csv benchmarks/scale_speedup.csv

`overhead` (7 minutes): 1, 8 and 64 workers on one PostgreSQL, started here, run trials that sleep a
minute, a fifth more or less, instead of training. From the end of one sleep to the beginning of the
next a worker records its trial, ends it, claims the next, draws it, checks and costs its spec: all
that is measured, in wall time, and as the part of a one-minute trial that it is. It is measured
once every worker has had a first, shorter trial: processes that start are not at issue. The
processor time, of workers and of PostgreSQL, is what the workers of this one machine fight for;
each on a host of its own would not.

`speedup` (11 minutes): trials per hour of two workers with a thread each against one with a thread,
each trial a real training of the same small model, from the end of a worker's first trial to that
of its last. Only a quiet machine with two free cores gives a
figure. The processor time of a trial says why: more with two than with one means that they share
caches and memory, or do work that one alone does not.
"""

import argparse
import csv
import math
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import optuna
import psutil
from optuna.trial import FrozenTrial, TrialState

sys.path.insert(0, str(Path(__file__).parents[1]))
from msdemucs.metrics import USUAL
from msdemucs.study.execution.loop import begin_study, work_on
from msdemucs.study.records import SPLIT
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.databases import Database
from msdemucs.study.storage.load import open_storage
from msdemucs.study.storage.urls import StudyLocation
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Row, TrialRecorder
from tests.study.postgres import Postgres

SPACE = """\
name: scale
base: htdemucs_n
set: {segment: 1, attention.0.heads: 4}
vary:
  channels.start: {int: [4, 4000], step: 4}
  spectral.frequency_embedding.weight: {float: [0, 1]}
"""

TRAINED = """\
name: scale
base: htdemucs_n
set: {segment: 1, channels.start: 4, attention.0.heads: 4}
vary: {spectral.frequency_embedding.weight: {float: [0, 1]}}
sampler: {kind: random}
recipe: demo
"""

MINUTE = 60.0
FORK = multiprocessing.get_context("fork")
ENDLESS = 1_000_000


class Sleeper:
    """Stands where the bench stands, and sleeps; writes down when, and how turns were waited for.

    Args:
        seconds: of a trial.
        first: at most so many of a worker's first trial, so that workers do not move in step.
        folder: for a file a worker: lines of a word and numbers.
    """

    def __init__(self, seconds: float, first: float, folder: Path) -> None:
        self.seconds, self.first, self.folder = seconds, first, folder
        self.dice = random.Random()

    def __call__(self, search: Search, *, say: object) -> "Sleeper":  # noqa: ARG002
        """Itself."""
        return self

    def describe(self) -> dict[str, object]:
        """Nothing."""
        return {}

    def mark(self, word: str, *numbers: float) -> None:
        """Write a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(" ".join([word, *map(str, numbers)]) + "\n")

    @property
    def path(self) -> Path:
        """This process's file."""
        return self.folder / str(os.getpid())

    def evaluate(self, candidate: Candidate, log: TrialRecorder) -> None:
        """Sleep, then record as a real trial does."""
        is_first = not self.path.exists() or "begin" not in self.path.read_text()
        self.mark("begin", time.monotonic())
        log.progress.phase("training", 1)
        low, high = (0.0, self.first) if is_first else (0.8 * self.seconds, 1.2 * self.seconds)
        time.sleep(self.dice.uniform(low, high))
        self.mark("end", time.monotonic())
        tracks, sources = [f"track {i}" for i in range(20)], ("drums", "bass", "other", "vocals")
        log.scores(
            [
                Row(candidate.seed, SPLIT, "band", track, source, USUAL, -5.0)
                for track in tracks
                for source in sources
            ]
        )
        log.note("curve", [[step, 0.1] for step in range(1000)])
        log.record({USUAL: self.dice.random()})


def work(url: str, sleeper: Sleeper) -> BaseProcess:
    """A worker process."""

    def run() -> None:
        sleeper.dice.seed(os.getpid())
        study_lock = Database.study_lock

        @contextmanager
        def timed(self: Database, study: str) -> Iterator[None]:
            asked = time.monotonic()
            with study_lock(self, study):
                had = time.monotonic()
                yield
                if study == "scale":
                    sleeper.mark("turn", had, had - asked, time.monotonic() - had)

        Database.study_lock = timed  # type: ignore[method-assign]
        work_on("scale", url, sleeper)
        os._exit(0)

    process = FORK.Process(target=run)
    process.start()
    return process


def overhead(
    postgres: Postgres, workers: int, *, seconds: float, window_s: float
) -> dict[str, object]:
    """What trials take beyond their sleep with so many workers."""
    url = postgres.create_database(f"scale{workers}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "scale.yaml").write_text(SPACE, encoding="utf-8")
        search = load_search_space(folder / "scale.yaml").asking(trials=ENDLESS)
        begin_study(search, StudyLocation(url, folder / "trials"), {})[1].close()
        (folder / "marks").mkdir()
        sleeper = Sleeper(seconds, min(seconds, 2.0 * workers), folder / "marks")
        processes = [work(url, sleeper) for _ in range(workers)]
        try:
            wait_for(lambda: len(read(folder, "end")) == workers)
            began = time.monotonic(), cpu(processes), cpu_of_tree(postgres)
            time.sleep(window_s)
            ended = time.monotonic(), cpu(processes), cpu_of_tree(postgres)
            wait_for(lambda: not unfinished(folder, ended[0]))
        finally:
            for process in processes:
                process.kill()
                process.join()
        beyond = sorted(gaps(folder, began[0], ended[0]))
        turns = [
            turn
            for own in read(folder, "turn").values()
            for turn in own
            if began[0] <= turn[0] <= ended[0]
        ]
    median = statistics.median(beyond)
    return {
        "workers": workers,
        "trials": len(beyond),
        "sleep_s": seconds,
        "beyond_sleep_median_s": round(median, 3),
        "beyond_sleep_mean_s": round(statistics.mean(beyond), 3),
        "beyond_sleep_p90_s": round(beyond[math.ceil(0.9 * len(beyond)) - 1], 3),
        "median_percent_of_a_minute": round(100 * median / MINUTE, 2),
        "mean_percent_of_a_minute": round(100 * statistics.mean(beyond) / MINUTE, 2),
        "turn_waited_median_s": round(statistics.median(turn[1] for turn in turns), 3),
        "turn_held_median_s": round(statistics.median(turn[2] for turn in turns), 3),
        "worker_cpu_s_a_trial": round((ended[1] - began[1]) / len(beyond), 3),
        "postgres_cpu_s_a_trial": round((ended[2] - began[2]) / len(beyond), 3),
    }


def wait_for(is_so: Callable[[], bool]) -> None:
    """Look twice a second."""
    while not is_so():
        time.sleep(0.5)


def read(folder: Path, word: str) -> dict[str, list[list[float]]]:
    """Of each worker that has some, the numbers in its lines that begin with a word."""
    found: dict[str, list[list[float]]] = {}
    for path in (folder / "marks").iterdir():
        for line in path.read_text(encoding="utf-8").splitlines():
            first, *numbers = line.split(" ")
            if first == word:
                found.setdefault(path.name, []).append([float(number) for number in numbers])
    return found


def gaps(folder: Path, began: float, ended: float) -> list[float]:
    """Seconds from the end of each sleep between two times to the same worker's next one."""
    begins, ends = read(folder, "begin"), read(folder, "end")
    return [
        begin - end
        for worker, own in ends.items()
        for (end,), (begin,) in zip(own, begins[worker][1:], strict=False)
        if began <= end <= ended
    ]


def unfinished(folder: Path, ended: float) -> bool:
    """Whether a worker whose sleep ended before a time does not sleep again yet."""
    begins, ends = read(folder, "begin"), read(folder, "end")
    return any(
        len(own) == len(begins[worker]) and own[-1][0] <= ended for worker, own in ends.items()
    )


def cpu(processes: list[BaseProcess]) -> float:
    """Seconds of processor time that processes have had."""
    times = [psutil.Process(process.pid).cpu_times() for process in processes]
    return sum(one.user + one.system for one in times)


def cpu_of_tree(postgres: Postgres) -> float:
    """Likewise a server with its connections, those that have ended included."""
    assert postgres.server is not None
    parent = psutil.Process(postgres.server.pid)
    own = parent.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in parent.children():
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system
    return float(total)


def speedup(each: int) -> list[dict[str, object]]:
    """Trials per hour of one worker and of two, a thread each."""
    rows: list[dict[str, object]] = []
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            done = trained(Path(folder), workers, (each + 1) * workers)
        rates = [rate(own) for own in by_worker(done).values() if len(own) > 1]
        cpu_seconds = [trial.user_attrs["cpu_seconds"] for trial in done]
        train_seconds = [trial.user_attrs["train_seconds"] for trial in done]
        rows.append(
            {
                "workers": workers,
                "trials": len(done),
                "trials_per_hour": round(sum(rates), 1),
                "cpu_s_a_trial": round(statistics.median(cpu_seconds), 2),
                "train_s_a_trial": round(statistics.median(train_seconds), 2),
            }
        )
    first = float(str(rows[0]["trials_per_hour"]))
    for row in rows:
        row["times_one_worker"] = round(float(str(row["trials_per_hour"])) / first, 2)
    return rows


def trained(folder: Path, workers: int, trials: int) -> list[FrozenTrial]:
    """The trials of a study that so many workers ran."""
    (folder / "scale.yaml").write_text(TRAINED, encoding="utf-8")
    words = [
        "-m",
        "msdemucs",
        "study",
        "run",
        "scale.yaml",
        f"--trials={trials}",
        f"--workers={workers}",
    ]
    root = str(Path(__file__).parents[1])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "PYTHONPATH": root}
    subprocess.run([sys.executable, *words], cwd=folder, env=environment, check=True)
    with closing(open_storage(f"sqlite:///{folder}/studies/scale.db")) as opened:
        study = optuna.load_study(study_name="scale", storage=opened)
        return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def by_worker(done: list[FrozenTrial]) -> dict[int, list[FrozenTrial]]:
    """The trials of each process."""
    found: dict[int, list[FrozenTrial]] = {}
    for trial in done:
        found.setdefault(trial.user_attrs["owner"]["pid"], []).append(trial)
    return found


def rate(own: list[FrozenTrial]) -> float:
    """Trials per hour of one worker from the end of its first trial to that of its last."""
    ends = sorted(trial.datetime_complete for trial in own if trial.datetime_complete)
    return 3600 * (len(ends) - 1) / (ends[-1] - ends[0]).total_seconds()


def main() -> None:
    """Measure, print, and write a CSV where one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["overhead", "speedup"])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=MINUTE, help="that a trial sleeps")
    parser.add_argument("--window", type=float, default=75.0, help="seconds of measuring, at least")
    parser.add_argument("--each", type=int, default=2, help="trials a worker, after a first one")
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    if asked.what == "speedup":
        rows = speedup(asked.each)
    else:
        postgres = Postgres(fsync=True)
        try:
            rows = [
                overhead(
                    postgres,
                    workers,
                    seconds=asked.seconds,
                    window_s=max(asked.window, 2 * asked.seconds if workers == 1 else 0.0),
                )
                for workers in asked.workers
            ]
        finally:
            postgres.remove()
    load = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end"
    for row in rows:
        row["machine"] = load
        print(row)
    if asked.csv:
        with asked.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*rows[0]])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
