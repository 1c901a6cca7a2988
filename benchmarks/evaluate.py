"""What do metrics cost on a track beside museval, and how far are ours from its scores?

A track of four stereo stems is made of noise and tones that wander; all run in turns in one
process. BSSEval's four scores are compared with museval's, and cSDR with its SDR; NaN frames must
be the same. The other metrics are timed alone.

    python benchmarks/evaluate.py [--seconds 60] [--stems 4] [--threads 2] [--repeats 1]

Results go to benchmarks/evaluate.csv: `ratio` is how often ours fits into museval's time.
"""

import argparse
import csv
import os
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import museval
import numpy as np
import torch
from rich.console import Console

from msdemucs.measure import machine, peak_memory
from msdemucs.metrics import METRICS, Stems, metrics_named

RATE = 44100
SIDES = {
    "csdr": ("csdr_db",),
    "usdr": ("usdr_db",),
    "si_sdr, si_sir, si_sar": ("si_sdr_db", "si_sir_db", "si_sar_db"),
    "lsd, bleedless, fullness": ("lsd_db", "bleedless_db", "fullness_db"),
    "bsseval": metrics_named("bsseval"),
}
"""What is timed: metrics that share their work together. Those that need most memory come last."""

COLUMNS = (
    *("metric", "stems", "seconds", "threads", "ours_s", "museval_s", "ratio", "apart_db"),
    *("ours_mib", "load", "machine", "torch"),
)


def main() -> None:
    """The figures of one track."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--stems", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    references, estimates = track(options.stems, options.seconds)
    memory = {}
    for side in SIDES:
        with peak_memory() as measured:
            ours(side, references, estimates)  # warm-up
        memory[side] = measured.increase_bytes
    taken: dict[str, list[float]] = {side: [] for side in (*SIDES, "museval")}
    scores: dict[str, np.ndarray] = {}
    for _ in range(options.repeats):
        scores["museval"] = timed(lambda: theirs(references, estimates), taken["museval"])
        for side in SIDES:
            scores[side] = timed(partial(ours, side, references, estimates), taken[side])
    seconds = {side: statistics.median(of_side) for side, of_side in taken.items()}
    expected = {"bsseval": scores["museval"], "csdr": scores["museval"][:1]}
    about = (f"{os.getloadavg()[0]:.1f}", machine()["cpu"], torch.__version__)
    rows: list[tuple[object, ...]] = []
    for side in SIDES:
        beside = ("", "", "")
        if side in expected:
            ratio = seconds["museval"] / seconds[side]
            apart = f"{furthest(scores[side], expected[side]):.1e}"
            beside = (f"{seconds['museval']:.2f}", f"{ratio:.1f}", apart)
        setting = (options.stems, options.seconds, options.threads, f"{seconds[side]:.3f}")
        rows.append((side, *setting, *beside, round(memory[side] / 2**20), *about))
    path = Path(__file__).with_suffix(".csv")
    with path.open("w") as file:
        csv.writer(file, lineterminator="\n").writerows((COLUMNS, *rows))
    Console(width=120).print(path.read_text(), markup=False)


def ours(side: str, references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Scores of every metric of a side, source and, where it has some, frame."""
    sources = tuple(f"stem {index}" for index in range(len(references)))
    stems = Stems(sources, references, estimates, references.sum(0), RATE)
    scores = [METRICS[name].of(stems) for name in SIDES[side]]
    return np.array(
        [[one.value if one.frames is None else one.frames for one in row] for row in scores]
    )


def theirs(references: np.ndarray, estimates: np.ndarray) -> np.ndarray:
    """Museval's four scores of every source and frame."""
    waveforms = (part.transpose(0, 2, 1) for part in (references, estimates))
    return np.stack(museval.metrics.bss_eval(*waveforms, RATE, RATE)[:4])


def furthest(scores: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference; frames without a score must be the same."""
    assert (np.isnan(scores) == np.isnan(expected)).all()
    return float(np.nanmax(np.abs(scores - expected)))


def track(stems: int, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """References and estimates [stems, 2, samples]: tones that wander, the first frame silent."""
    rng = np.random.default_rng(0)
    time_s = np.arange(round(seconds * RATE)) / RATE
    references = 0.1 * rng.standard_normal((stems, 2, len(time_s)))
    for index, stem in enumerate(references):
        pitch = 110 * 2**index * (1 + 0.2 * np.sin(0.7 * (index + 1) * time_s))
        stem += 0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    references[0, :, :RATE] = 0
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
