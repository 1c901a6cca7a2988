"""How much faster than real time is the embedded band made, on one core?

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/synth.py --tracks 8 --seconds 20 --repeats 3

The time is the whole of `msdemucs data synth` after its imports: compose, play, quantise, write.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from msdemucs.data import synthesise


def main() -> None:
    """Print seconds and the factor over real time: wall, and CPU of this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    audio_s = asked.tracks * asked.seconds
    walls, cpus = [], []
    for seed in range(asked.repeats):
        with tempfile.TemporaryDirectory() as folder:
            wall, cpu = time.perf_counter(), time.process_time()
            synthesise(Path(folder), n_tracks=asked.tracks, seconds=asked.seconds, seed=seed)
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
    print(
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"numpy {version('numpy')}; {asked.tracks} tracks × {asked.seconds:g} s, "
        f"seeds 0 to {asked.repeats - 1}"
    )
    for name, times in (("wall", walls), ("CPU", cpus)):
        median = statistics.median(times)
        low, high = min(times), max(times)
        print(
            f"{name:5} median {median:6.2f} s (min {low:.2f}, max {high:.2f}), "
            f"{audio_s / median:6.1f} × real time"
        )


if __name__ == "__main__":
    main()
