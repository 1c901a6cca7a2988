"""Is the memory that a spec is said to need what it needs, at full size?

Each system runs in a process of its own, on the CPU: one forward pass without gradients, and one
training step (L1 loss, forward and backward) of one segment. Torch's allocator tells its peak, and
so does the kernel of the whole process (its resident set beyond what it was before, which also
holds buffers of oneDNN and MKL, and pages that glibc keeps). Results go to benchmarks/memory.csv,
where systems that are not asked for keep what was measured of them.

    python benchmarks/memory.py [--systems htdemucs …] [--segment 2] [--threads 2]
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from msdemucs import build, cost_of, load_spec
from msdemucs.measure import allocated_peak, machine, peak_memory
from msdemucs.spec import Spec, zoo_names

TASKS = ("inference", "training")
COLUMNS = (
    *("system", "task", "segment", "ours_mib", "allocator_mib", "ratio", "resident_mib"),
    *("threads", "machine", "torch"),
)
PATH = Path(__file__).with_suffix(".csv")
Row = tuple[str | float, ...]
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""glibc gives large blocks back when they are freed."""


def main() -> None:
    """The table, of which a row is written as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="*", default=zoo_names())
    parser.add_argument("--segment", type=float)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", nargs=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.child:
        print(json.dumps(measure(arguments.child[0], arguments.child[1], arguments.segment)))
        return
    rows = read()
    for name, task in product(arguments.systems, TASKS):
        rows[name, task] = row(arguments, name, task)
        write(rows)
    table = Table(*COLUMNS[:7], box=None)
    for one in rows.values():
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else value for value in one[:7]))
    console = Console(width=120)
    console.print(table)
    ratios = sorted(float(one[5]) for one in rows.values())
    console.print(f"ours / allocator: {ratios[0]:.2f} to {ratios[-1]:.2f}")


def read() -> dict[tuple[str, str], Row]:
    """What was measured before, by system and task, beside what is said of it today."""
    with PATH.open() as file:
        old = list(csv.DictReader(file))
    return {
        (one["system"], one["task"]): (
            *compared(one["system"], one["task"], float(one["segment"]), float(one[COLUMNS[4]])),
            *(one[column] for column in COLUMNS[6:]),
        )
        for one in old
    }


def write(rows: dict[tuple[str, str], Row]) -> None:
    """The rows, in the order of the systems' names."""
    with PATH.open("w") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows[key] for key in product(zoo_names(), TASKS) if key in rows)


def compared(name: str, task: str, segment: float, allocated: float) -> Row:
    """System, task, segment, what is said, what was allocated, and their ratio."""
    costs = cost_of(spec_of(name, segment))
    said = (costs.inference_bytes if task == "inference" else costs.training_bytes) / 2**20
    return name, task, costs.seconds, said, allocated, said / allocated


def row(arguments: argparse.Namespace, name: str, task: str) -> Row:
    """A line of the table, from a process of its own."""
    command = [sys.executable, __file__, "--child", name, task]
    command += ["--threads", str(arguments.threads)]
    if arguments.segment is not None:
        command += ["--segment", str(arguments.segment)]
    environment = {**os.environ, **AT_ONCE}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    measured = {key: value / 2**20 for key, value in json.loads(done.stdout).items()}
    seconds = cost_of(spec_of(name, arguments.segment)).seconds
    about = (arguments.threads, machine()["cpu"], torch.__version__)
    return (
        *compared(name, task, seconds, measured["allocated"]),
        measured["resident"],
        *about,
    )


def spec_of(name: str, segment: float | None) -> Spec:
    """A system, perhaps with another segment."""
    return load_spec(name, overrides={} if segment is None else {"segment": segment})


def measure(name: str, task: str, segment: float | None) -> dict[str, int]:
    """Bytes at the peak of a task, by torch's allocator and by the kernel."""
    warnings.simplefilter("ignore")
    spec = spec_of(name, segment)
    model = build(spec).train(task == "training")
    for parameter in model.parameters():  # gradients are there already
        parameter.grad = torch.zeros_like(parameter)
    mixture = torch.randn(1, spec.audio_channels, spec.n_samples)
    references = torch.randn(1, len(spec.sources), *mixture.shape[1:])
    work = partial(WORK[task], model, mixture, references)
    with peak_memory() as memory:
        work()
    return {"allocated": allocated_peak(work), "resident": memory.increase_bytes}


def separate(model: nn.Module, mixture: Tensor, references: Tensor) -> None:  # noqa: ARG001
    """A forward pass."""
    with torch.inference_mode():
        model(mixture)


def step(model: nn.Module, mixture: Tensor, references: Tensor) -> None:
    """A forward and a backward pass."""
    torch.autograd.backward(F.l1_loss(model(mixture), references))


WORK: dict[str, Callable[[nn.Module, Tensor, Tensor], None]] = {
    "inference": separate,
    "training": step,
}

if __name__ == "__main__":
    main()
