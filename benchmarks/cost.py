"""Cost every system of the zoo by several counters, and time ours against ptflops.

    python benchmarks/cost.py [--systems NAME …] [--random 10000] [--timed htdemucs_n]

Prints the disagreement: our count, thop's and ptflops's dialects as we compute them, and what
ptflops (both backends) and torch's FlopCounterMode say when they are called on the built model, in
GMAC for a segment. They run on torch's “meta” device, where nothing is computed. Then, on one core:
how long a full cost takes, against ptflops on the same model on the CPU; and how long random specs
take. Results go to benchmarks/cost.csv.
"""

import argparse
import csv
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import ptflops
import torch
from hypothesis import HealthCheck, Phase, given, settings
from rich.console import Console
from rich.table import Table
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent.parent))

from msdemucs import build, load_spec
from msdemucs.cost import Cost, Limits, check_size, cost_of, ptflops_count, thop_count
from msdemucs.errors import PlanError, SpecError
from msdemucs.model import Separator
from msdemucs.spec import Spec, parse_spec, plan, zoo_names
from tests.specs import Data, spec_data

COLUMNS = ("ours", "thop", "ptflops", "ptflops aten", "ptflops pytorch", "FlopCounterMode", "math")


def main() -> None:
    """The tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="*", default=zoo_names())
    parser.add_argument("--random", type=int, default=10000)
    parser.add_argument("--timed", default="htdemucs_n")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    console = Console(width=130)
    rows = {name: counts(load_spec(name)) for name in arguments.systems}
    table = Table("GMAC", *COLUMNS, box=None)
    for name, row in rows.items():
        table.add_row(name, *(f"{row[column] / 1e9:.2f}" for column in COLUMNS))
    console.print(table)
    with (Path(__file__).parent / "cost.csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["system", *COLUMNS])
        writer.writerows([name, *(row[column] for column in COLUMNS)] for name, row in rows.items())
    ours, theirs = (
        seconds_of(partial(whole_cost, arguments.timed)),
        time_ptflops(arguments.timed),
    )
    slowest = max(seconds_of(partial(whole_cost, name)) for name in zoo_names())
    console.print(
        f"{arguments.timed}: ours {1e3 * ours:.1f} ms with reading its file, ptflops "
        f"{theirs:.1f} s: {theirs / ours:.0f} times faster"
    )
    console.print(f"the zoo's slowest: {1e3 * slowest:.1f} ms")
    console.print(f"a spec beyond the limits: refused in {1e3 * seconds_of(refusal):.1f} ms")
    console.print(f"{arguments.random} random specs: {time_random(arguments.random):.1f} s")


def counts(spec: Spec) -> dict[str, int]:
    """MACs of a segment by every counter."""
    with torch.device("meta"):
        model = build(spec).eval()
        found = {
            "ours": cost_of(spec).macs,
            "thop": thop_count(spec).macs,
            "ptflops": ptflops_count(spec),
            "ptflops aten": by_ptflops(model, "aten"),
            "ptflops pytorch": by_ptflops(model, "pytorch"),
            "FlopCounterMode": by_torch(model),
        }
        with sdpa_kernel(SDPBackend.MATH):
            found["math"] = by_torch(model)
    return found


def by_ptflops(model: Separator, backend: str) -> int:
    """What ptflops says."""
    size = (model.spec.audio_channels, model.spec.n_samples)
    macs, _ = ptflops.get_model_complexity_info(
        model, size, as_strings=False, print_per_layer_stat=False, verbose=False, backend=backend
    )
    return int(macs or 0)


def by_torch(model: Separator) -> int:
    """What torch's counter says, halved."""
    mixture = torch.randn(1, model.spec.audio_channels, model.spec.n_samples)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(mixture)
    return int(counter.get_total_flops()) // 2


def whole_cost(name: str) -> Cost:
    """From the file to the cost."""
    return cost_of(load_spec(name))


def refusal() -> None:
    """A system with 48 times the channels meets the guard.

    Raises:
        AssertionError: it was let through.
    """
    huge = load_spec("htdemucs_n", overrides={"channels.start": 2304, "segment": 60})
    try:
        check_size(plan(huge), Limits())
    except PlanError:
        return
    raise AssertionError("it was not refused")


def seconds_of(function: Callable[[], object]) -> float:
    """The median of eleven calls."""
    taken = []
    for _ in range(11):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return sorted(taken)[5]


def time_ptflops(name: str) -> float:
    """Seconds that ptflops takes for the same on the CPU, model built before."""
    model = build(load_spec(name)).eval()
    start = time.perf_counter()
    by_ptflops(model, "aten")
    return time.perf_counter() - start


def time_random(count: int) -> float:
    """Seconds to check and cost that many random specs, refused ones too; drawing them apart."""
    drawn: list[Data] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(spec_data())
    def draw(data: Data) -> None:
        drawn.append(data)

    draw()
    start = time.perf_counter()
    for data in drawn:
        try:
            cost_of(parse_spec(data))
        except SpecError:
            continue
    return (time.perf_counter() - start) * count / len(drawn)


if __name__ == "__main__":
    main()
