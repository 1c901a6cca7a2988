"""What do a study's storage and scheduling cost, and what do more workers bring?

    .venv/bin/python benchmarks/scale.py overhead --csv benchmarks/scale.csv
    .venv/bin/python benchmarks/scale.py speedup --csv benchmarks/scale_speedup.csv

`overhead`: 1, 8 and 64 workers on one PostgreSQL, started here, run trials that sleep instead of
training. What a trial takes beyond its sleep is claiming it, drawing it, checking and costing its
spec, and writing what is known about it; the processor time of that is what the workers of this
one machine fight for, and each on a host of its own would not. Per trial: the wall time, and the
part of a one-minute trial that it would be. Trials sleep a minute, a fifth more or less, as trials
do not end in step.

`speedup`: trials per hour of two workers with a thread each against one with a thread, each trial a
real training of the same small model. Only a quiet machine gives a figure.
"""

import argparse
import csv
import itertools
import math
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

import optuna
from optuna.trial import TrialState

sys.path.insert(0, str(Path(__file__).parents[1]))
from msdemucs.study.running import turns
from msdemucs.study.running.runner import begin_study
from msdemucs.study.running.workers import work_on
from msdemucs.study.space.reading import load_search_space
from msdemucs.study.space.space import Search
from msdemucs.study.storage.studies import open_storage
from msdemucs.study.trials.candidate import Candidate, TrialLog
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


class Sleeper:
    """Stands where the bench stands, and sleeps."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, search: Search, *, say: object) -> "Sleeper":  # noqa: ARG002
        """Itself."""
        return self

    def describe(self) -> dict[str, object]:
        """Nothing."""
        return {}

    def evaluate(self, candidate: Candidate, log: TrialLog) -> None:
        """Sleep, then record as a real trial does."""
        log.phase("training", 1)
        seconds = self.seconds * random.Random(candidate.trial).uniform(0.8, 1.2)
        time.sleep(seconds)
        rows = [("band", f"track {i}", "bass", -5.0, -9.0, candidate.seed) for i in range(20)]
        log.scores([row for row in rows for _ in range(4)])
        log.note("curve", [[step, 0.1] for step in range(1000)])
        log.record({"usdr_db": 1.0, "slept": seconds})


def work(url: str, sleeper: Sleeper) -> BaseProcess:
    """A worker process."""

    def run() -> None:
        turns.PAUSE_S = 0.5
        work_on("scale", url, sleeper)
        os._exit(0)

    process = FORK.Process(target=run)
    process.start()
    return process


def overhead(postgres: Postgres, workers: int, *, seconds: float, each: int) -> dict[str, object]:
    """What trials take beyond their sleep with so many workers."""
    url = postgres.create_database(f"scale{workers}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scale.yaml"
        path.write_text(SPACE, encoding="utf-8")
        search = load_search_space(path).asking(trials=workers * each)
        begin_study(search, url, Path(folder) / "trials", {})[1].close()
        started = time.perf_counter()
        processes = [work(url, Sleeper(seconds)) for _ in range(workers)]
        for process in processes:
            process.join()
        wall = time.perf_counter() - started
    with closing(open_storage(url)) as opened:
        study = optuna.load_study(study_name="scale", storage=opened)
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    beyond = sorted(_between(trial) - trial.user_attrs["slept"] for trial in done)
    median = statistics.median(beyond)
    return {
        "workers": workers,
        "trials": len(done),
        "sleep_s": seconds,
        "wall_s": round(wall, 2),
        "beyond_sleep_median_s": round(median, 3),
        "beyond_sleep_p90_s": round(beyond[math.ceil(0.9 * len(beyond)) - 1], 3),
        "claim_median_s": round(statistics.median(_claims(done)), 3),
        "claim_percent_of_a_minute": round(100 * statistics.median(_claims(done)) / MINUTE, 2),
        "all_percent_of_a_minute": round(100 * median / MINUTE, 2),
    }


def _between(trial: optuna.trial.FrozenTrial) -> float:
    assert trial.datetime_complete is not None
    assert trial.datetime_start is not None
    return (trial.datetime_complete - trial.datetime_start).total_seconds()


def _claims(done: list[optuna.trial.FrozenTrial]) -> list[float]:
    """Seconds from the end of a worker's trial to the beginning of its next one."""
    by_worker: dict[int, list[optuna.trial.FrozenTrial]] = {}
    for trial in sorted(done, key=lambda trial: trial.number):
        by_worker.setdefault(trial.user_attrs["owner"]["pid"], []).append(trial)
    return [
        (after.datetime_start - before.datetime_complete).total_seconds()
        for own in by_worker.values()
        for before, after in itertools.pairwise(own)
        if after.datetime_start is not None and before.datetime_complete is not None
    ] or [0.0]


def speedup(trials: int) -> list[dict[str, object]]:
    """Trials per hour of one worker and of two, a thread each, after a first trial of each."""
    rows: list[dict[str, object]] = []
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "scale.yaml").write_text(TRAINED, encoding="utf-8")
            code = "from msdemucs.cli.app import main; main()"
            words = [
                "study",
                "run",
                "scale.yaml",
                "--trials",
                str(trials),
                "--workers",
                str(workers),
            ]
            threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
            root = str(Path(__file__).parents[1])
            environment = {**os.environ, **threads, "PYTHONPATH": root}
            command = [sys.executable, "-c", code, *words]
            subprocess.run(command, cwd=folder, env=environment, check=True)
            with closing(open_storage(f"sqlite:///{folder}/studies/scale.db")) as opened:
                study = optuna.load_study(study_name="scale", storage=opened)
                done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            begins = [trial.datetime_start for trial in done if trial.datetime_start]
            ends = [trial.datetime_complete for trial in done if trial.datetime_complete]
            seconds = (max(ends) - min(begins)).total_seconds()
            rows.append(
                {
                    "workers": workers,
                    "trials": len(done),
                    "seconds": round(seconds, 1),
                    "trials_per_hour": round(len(done) / seconds * 3600, 1),
                }
            )
    rates = [float(str(row["trials_per_hour"])) for row in rows]
    for row, rate in zip(rows, rates, strict=True):
        row["times_one_worker"] = round(rate / rates[0], 2)
    return rows


def main() -> None:
    """Measure, print, and write a CSV where one is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["overhead", "speedup"])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=MINUTE, help="that a trial sleeps")
    parser.add_argument("--each", type=int, default=2, help="trials a worker")
    parser.add_argument("--trials", type=int, default=8, help="of speedup")
    parser.add_argument("--csv", type=Path)
    asked = parser.parse_args()
    if asked.what == "speedup":
        rows = speedup(asked.trials)
    else:
        postgres = Postgres()
        try:
            rows = [
                overhead(postgres, workers, seconds=asked.seconds, each=asked.each)
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
