"""How fast is our HTDemucs beside the original with the same weights, and how much memory?

Both run in one process in turns, so that a busy moment hits both alike; peak memory is that of a
process of its own for each side. The original is the PyPI package `demucs`:

    .venv/bin/python benchmarks/model.py --repeats 9
    .venv/bin/python benchmarks/model.py --device cuda --repeats 30
    .venv/bin/python benchmarks/model.py --seconds 1 --train-seconds 1 --repeats 1 --modes float32
"""

import argparse
import csv
import datetime
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import torch
from demucs.htdemucs import HTDemucs
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent.parent))

from msdemucs import load_spec
from msdemucs.measure import machine, peak_memory
from tests.model.peers import imported

TABLE = Path(__file__).with_suffix(".csv")
SOURCES = ["drums", "bass", "other", "vocals"]
TASKS = ("forward", "train step")
MODES = ("float32", "bfloat16", "compiled")
SIDES = ("ours", "demucs")
COLUMNS = (
    *("task", "mode", "batch", "seconds", "ours_ms_p50", "demucs_ms_p50", "ratio"),
    *("ours_cpu_s_p50", "demucs_cpu_s_p50", "cpu_ratio", "max_relative_deviation"),
    *("ours_peak_increase_mib", "demucs_peak_increase_mib", "peak_ratio"),
    *("repeats", "threads", "device", "machine", "torch", "demucs", "msdemucs", "date"),
)


def main() -> None:
    """Print the table and write it beside this file."""
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    if asked.peak_of:
        print(json.dumps(_peak(asked, *asked.peak_of)))
        return
    rows = []
    for task, mode in product(asked.tasks, asked.modes):
        rows.append(_row(asked, task, mode))
        with asked.output.open("w", newline="") as file:  # line by line: a killed run keeps them
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    _print(rows)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=9, help="runs of each side that count")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=10, help="forward, batch 1")
    parser.add_argument("--train-seconds", type=float, default=4)
    parser.add_argument("--train-batch", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--output", type=Path, default=TABLE)
    parser.add_argument("--peak-of", nargs=3, metavar=("SIDE", "TASK", "MODE"), help="internal")
    return parser.parse_args()


# What is measured


def _models() -> dict[str, nn.Module]:
    """Both sides with the same weights, each tensor moved, so that small gains hide nothing."""
    torch.manual_seed(0)
    theirs = HTDemucs(SOURCES, use_train_segment=False)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.05 * parameter.abs().mean() * torch.randn_like(parameter))
    return {"ours": imported(theirs, load_spec("htdemucs")), "demucs": theirs}


def _work(asked: Any, model: nn.Module, task: str, mode: str) -> Callable[[], Tensor]:
    """What is timed: called again and again, it returns the estimates."""
    device = torch.device(asked.device)
    model = model.to(device).train(task == "train step")
    # each size anew: what was compiled for another is not reused
    run = torch.compile(model, dynamic=False) if mode == "compiled" else model
    is_half = mode == "bfloat16"
    generator = torch.Generator().manual_seed(1)

    def noise(*size: int) -> Tensor:
        return 0.1 * torch.randn(size, generator=generator).to(device)

    def estimates(mixture: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=is_half):
            result: Tensor = run(mixture)
            return result

    if task == "forward":
        mixture = noise(1, 2, round(asked.seconds * 44100))
        return torch.inference_mode()(lambda: estimates(mixture))
    batch, n_samples = asked.train_batch, round(asked.train_seconds * 44100)
    mixture, stems = noise(batch, 2, n_samples), noise(batch, len(SOURCES), 2, n_samples)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-5)

    def step() -> Tensor:
        optimiser.zero_grad()
        result = estimates(mixture)
        nn.functional.l1_loss(result, stems).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return result.detach()

    return step


def _row(asked: Any, task: str, mode: str) -> dict[str, object]:
    """One line of the table."""
    works = {side: _work(asked, model, task, mode) for side, model in _models().items()}
    first = {side: work() for side, work in works.items()}  # before any step has moved weights
    largest = first["demucs"].abs().max()
    deviation = float((first["ours"] - first["demucs"]).abs().max() / largest)
    del first
    walls, cpus = _in_turns(asked, works)
    del works
    peaks = {side: _peak_in_a_process(asked, side, task, mode) for side in SIDES}
    batch, seconds = (
        (1, asked.seconds) if task == "forward" else (asked.train_batch, asked.train_seconds)
    )
    return {
        "task": task,
        "mode": mode,
        "batch": batch,
        "seconds": seconds,
        "ours_ms_p50": round(1e3 * walls["ours"], 1),
        "demucs_ms_p50": round(1e3 * walls["demucs"], 1),
        "ratio": round(walls["demucs"] / walls["ours"], 3),
        "ours_cpu_s_p50": round(cpus["ours"], 3),
        "demucs_cpu_s_p50": round(cpus["demucs"], 3),
        "cpu_ratio": round(cpus["demucs"] / cpus["ours"], 3),
        "max_relative_deviation": f"{deviation:.1e}",
        "ours_peak_increase_mib": round(peaks["ours"] / 2**20),
        "demucs_peak_increase_mib": round(peaks["demucs"] / 2**20),
        "peak_ratio": round(peaks["ours"] / peaks["demucs"], 3),
        **_circumstances(asked),
    }


def _in_turns(
    asked: Any, works: dict[str, Callable[[], Tensor]]
) -> tuple[dict[str, float], dict[str, float]]:
    """Medians of wall and of CPU seconds; the first round, which has been run, does not count."""
    walls: dict[str, list[float]] = {side: [] for side in works}
    cpus: dict[str, list[float]] = {side: [] for side in works}
    for _ in range(asked.repeats):
        for side, work in works.items():
            _wait(asked.device)
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            _wait(asked.device)
            walls[side].append(time.perf_counter() - wall)
            cpus[side].append(time.process_time() - cpu)
    return (
        {side: statistics.median(values) for side, values in walls.items()},
        {side: statistics.median(values) for side, values in cpus.items()},
    )


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _peak_in_a_process(asked: Any, side: str, task: str, mode: str) -> int:
    """Bytes above what the process holds with its weights: two runs, gradients and Adam's state."""
    options = {
        "--threads": asked.threads,
        "--device": asked.device,
        "--seconds": asked.seconds,
        "--train-seconds": asked.train_seconds,
        "--train-batch": asked.train_batch,
    }
    words = [str(word) for option in options.items() for word in option]
    command = [sys.executable, __file__, *words, "--peak-of", side, task, mode]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return int(json.loads(done.stdout.splitlines()[-1]))


def _peak(asked: Any, side: str, task: str, mode: str) -> int:
    """The same, in this process."""
    work = _work(asked, _models()[side], task, mode)
    with peak_memory(asked.device) as memory:
        for _ in range(2):  # Adam's state is there from the second step on
            work()
    return memory.increase_bytes


# How it is shown


def _circumstances(asked: Any) -> dict[str, object]:
    here = machine()
    is_cuda = asked.device.startswith("cuda")
    name = torch.cuda.get_device_name(asked.device) if is_cuda else here["cpu"]
    return {
        "repeats": asked.repeats,
        "threads": asked.threads,
        "device": asked.device,
        "machine": f"{name}, {os.cpu_count()} cores",
        "torch": version("torch"),
        "demucs": version("demucs"),
        "msdemucs": version("msdemucs"),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


SHOWN = {
    "task": "task",
    "mode": "mode",
    "ours_ms_p50": "ours ms",
    "demucs_ms_p50": "demucs ms",
    "ratio": "ratio",
    "max_relative_deviation": "deviation",
    "ours_peak_increase_mib": "ours MiB",
    "demucs_peak_increase_mib": "demucs MiB",
}


def _print(rows: list[dict[str, object]]) -> None:
    circumstances = ", ".join(f"{name} {rows[0][name]}" for name in COLUMNS[-8:])
    table = Table(title="HTDemucs, equal weights", caption=circumstances)
    for heading in SHOWN.values():
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*(str(row[column]) for column in SHOWN))
    Console().print(table)


if __name__ == "__main__":
    main()
