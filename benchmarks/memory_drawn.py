"""Is the memory that a spec is said to need what it needs, off the zoo?

Random valid specs over every field (`tests.specs.spec_data`), their segments lengthened until a
forward pass is said to need LEAST bytes, each with the peak that torch's allocator gives out in a
forward pass without gradients and in a training step. The table says in which range the ratios
lie, and how many lie outside of the one that tests hold specs to; benchmarks/memory_drawn.csv has
a row a spec and task. Equal seeds draw equal specs.

    python benchmarks/memory_drawn.py [--count 60] [--seed 0]
"""

import argparse
import csv
import sys
from pathlib import Path

import torch
from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parent.parent))

from msdemucs import build
from msdemucs.cost import inference_bytes, training_bytes
from msdemucs.spec import Spec, plan, spec_hash
from tests.cost.test_memory import LEAST, MOST, draw, measured
from tests.specs import Data, build_or_none, spec_data

SMALLEST = 4 << 20
"""Bytes that a forward pass is said to need at least: of smaller peaks single buffers decide."""

LONGEST_S = 20.0
COLUMNS = ("spec", "segment", "channels", "task", "ours_mib", "allocator_mib", "ratio")
PATH = Path(__file__).with_suffix(".csv")
Row = tuple[str, float, str, str, float, float, float]


def main() -> None:
    """Measure, write a row a spec and task, and print the ranges."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="specs that are measured")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    for spec in drawn(arguments.count, arguments.seed):
        rows += measure(spec)
    with PATH.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    for task in ("inference", "training"):
        ratios = sorted(row[-1] for row in rows if row[3] == task)
        outside = sum(not LEAST <= ratio <= MOST for ratio in ratios)
        print(
            f"{task}: {ratios[0]:.2f} to {ratios[-1]:.2f} of {len(ratios)} specs, "
            f"{outside} outside {LEAST} to {MOST}"
        )


def drawn(count: int, number: int) -> list[Spec]:
    """So many valid specs of a seed, long enough."""
    specs: dict[str, Spec] = {}

    @seed(number)
    @settings(
        max_examples=10 * count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(spec_data())
    def collect(data: Data) -> None:
        spec = lengthened(data) if len(specs) < count else None
        if spec is not None:
            specs[spec_hash(spec)] = spec

    collect()
    return list(specs.values())


def lengthened(data: Data) -> Spec | None:
    """A spec with a segment for which its peak is large enough; None for a refused one."""
    spec = build_or_none(data)
    while spec is not None and inference_bytes(plan(spec)) < SMALLEST and spec.segment < LONGEST_S:
        spec = build_or_none({**data, "segment": 2 * spec.segment})
    return spec


def measure(spec: Spec) -> list[Row]:
    """A row a task."""
    planned = plan(spec)
    said = {"inference": inference_bytes(planned), "training": training_bytes(planned)}
    peaks = measured(build(spec), draw(spec))
    channels = " ".join(map(str, spec.channels)) if isinstance(spec.channels, tuple) else ""
    return [
        (
            spec_hash(spec)[:12],
            spec.segment,
            channels,
            task,
            ours / 2**20,
            peak / 2**20,
            ours / peak,
        )
        for (task, ours), peak in zip(said.items(), peaks, strict=True)
    ]


if __name__ == "__main__":
    main()
