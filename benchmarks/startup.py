"""How long do commands take that should feel instant?

Each is timed as a whole process, in turns, so that a busy moment hits all alike:

    .venv/bin/python benchmarks/startup.py --repeats 5
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

BIN = Path(sys.executable).parent

COMMANDS = (
    ("python", "-c", "pass"),
    ("python", "-c", "import torch"),
    ("msdemucs", "--help"),
    ("msdemucs", "spec", "build", "htdemucs_n", "--json"),
    ("msdemucs", "spec", "list"),
)


def seconds(command: tuple[str, ...]) -> float:
    """Wall time of one process."""
    program, *arguments = command
    start = time.perf_counter()
    subprocess.run([BIN / program, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print a table: minimum, median and maximum of each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats: int = parser.parse_args().repeats
    rounds = [{command: seconds(command) for command in COMMANDS} for _ in range(repeats)]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(f"{machine}, msdemucs {version('msdemucs')}, {repeats} runs each, in seconds")
    print(f"{'command':40} {'min':>8} {'median':>8} {'max':>8}")
    for command in COMMANDS:
        times = [timed[command] for timed in rounds]
        name = " ".join(command)
        print(f"{name:40} {min(times):8.3f} {statistics.median(times):8.3f} {max(times):8.3f}")


if __name__ == "__main__":
    main()
