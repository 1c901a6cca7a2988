"""Is the memory that a spec is said to need what it needs, at full size?

Each system runs in a process of its own, on the CPU: one forward pass without gradients, and one
training step (L1 loss, forward and backward) of one segment. Torch's allocator tells its peak, and
so does the kernel of the whole process (its resident set beyond what it was before, which also
holds buffers of oneDNN and MKL, and pages that glibc keeps). Results go to benchmarks/memory.csv.

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
COLUMNS = ("system", "task", "segment", "ours_mib", "allocator_mib", "ratio", "resident_mib")
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""glibc gives large blocks back when they are freed."""


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="*", default=zoo_names())
    parser.add_argument("--segment", type=float)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", nargs=2)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.child:
        print(json.dumps(measure(asked.child[0], asked.child[1], asked.segment)))
        return
    rows = [row(asked, name, task) for name in asked.systems for task in TASKS]
    table = Table(*COLUMNS, box=None)
    for one in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else value for value in one))
    console = Console(width=120)
    console.print(table)
    ratios = sorted(float(one[5]) for one in rows)
    console.print(f"ours / allocator: {ratios[0]:.2f} to {ratios[-1]:.2f}")
    with Path(__file__).with_suffix(".csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "threads", "machine", "torch"])
        about = (asked.threads, machine()["cpu"], torch.__version__)
        writer.writerows([*one, *about] for one in rows)


def row(asked: argparse.Namespace, name: str, task: str) -> tuple[str | float, ...]:
    """A line of the table, from a process of its own."""
    segment = [] if asked.segment is None else ["--segment", str(asked.segment)]
    done = subprocess.run(
        [
            sys.executable,
            __file__,
            "--child",
            name,
            task,
            "--threads",
            str(asked.threads),
            *segment,
        ],
        env={**os.environ, **AT_ONCE},
        stdout=subprocess.PIPE,
        check=True,
    )
    found = {key: value / 2**20 for key, value in json.loads(done.stdout).items()}
    costs = cost_of(spec_of(name, asked.segment))
    ours = (costs.inference_bytes if task == "inference" else costs.training_bytes) / 2**20
    allocated, resident = found["allocated"], found["resident"]
    return name, task, costs.seconds, ours, allocated, ours / allocated, resident


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
