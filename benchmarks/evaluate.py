"""How fast is our BSSEval v4 beside museval on the same track, and how far are they apart?

A track of four stereo stems is made of noise and tones that wander; both run in turns in one
process.

    python benchmarks/evaluate.py [--seconds 60] [--stems 4] [--threads 2] [--repeats 1]

Results go to benchmarks/evaluate.csv.
"""

import argparse
import csv
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import museval
import numpy as np
import torch
from rich.console import Console

from msdemucs.evaluate import bsseval
from msdemucs.measure import machine, peak_memory

RATE = 44100
COLUMNS = ("stems", "seconds", "threads", "ours_s", "museval_s", "ratio", "apart_db", "ours_mib")


def main() -> None:
    """The figures of one track."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--stems", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    warnings.simplefilter("ignore")
    references, estimates = track(asked.stems, asked.seconds)
    sides: dict[str, list[float]] = {"ours": [], "museval": []}
    with peak_memory() as memory:
        bsseval(references, estimates)  # warm-up
    for _ in range(asked.repeats):
        ours = timed(lambda: np.stack(bsseval(references, estimates)), sides["ours"])
        theirs = timed(
            lambda: np.stack(museval.metrics.bss_eval(references, estimates, RATE, RATE)[:4]),
            sides["museval"],
        )
    apart = float(np.nanmax(np.abs(ours - theirs)))
    a, b = (statistics.median(taken) for taken in sides.values())
    row = (
        asked.stems,
        asked.seconds,
        asked.threads,
        round(a, 2),
        round(b, 2),
        round(b / a, 1),
        f"{apart:.1e}",
        round(memory.increase_bytes / 2**20),
    )
    console = Console(width=120)
    for name, value in zip(COLUMNS, row, strict=True):
        console.print(f"{name:10} {value}")
    with Path(__file__).with_suffix(".csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "machine", "torch"])
        writer.writerow([*row, machine()["cpu"], torch.__version__])


def track(stems: int, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """References and estimates [stems, samples, 2]; each stem's tone moves around."""
    rng = np.random.default_rng(0)
    time_s = np.arange(round(seconds * RATE)) / RATE
    references = 0.1 * rng.standard_normal((stems, len(time_s), 2))
    for index, stem in enumerate(references):
        pitch = 110 * 2**index * (1 + 0.2 * np.sin(0.7 * (index + 1) * time_s))
        stem += 0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)[:, None]
    estimates = references + 0.05 * references.sum(0) + 0.01 * rng.standard_normal(references.shape)
    return references, estimates


def timed(work: Callable[[], np.ndarray], taken: list[float]) -> np.ndarray:
    """What the work gives; its seconds are noted."""
    start = time.perf_counter()
    found = work()
    taken.append(time.perf_counter() - start)
    return found


if __name__ == "__main__":
    main()
