"""How far are our systems in float32 from float64, at full width, with the same weights?

    python benchmarks/parity.py                          # every system of the zoo: an hour or more
    python benchmarks/parity.py --seconds 1 hdemucs_low  # one of them
    python benchmarks/parity.py --gradients hdemucs      # gradients too: 12 GB, some minutes

Every tensor is moved from where it starts. The reference calculates in float64: the published
implementation (`demucs`, torchaudio) where there is one, else ours. Outputs, and gradients of
published systems, are compared by the largest difference as a share of
the peak; tests/model/test_parity.py holds narrow systems to the same. Mixtures are made in
tests/model/peers.py: noise, the embedded band, a tenth of it and then silence, a click, an offset
with little noise. Lines are added to the table as they come; a system's older ones are replaced.
"""

import argparse
import csv
import datetime
import gc
import sys
from importlib.metadata import version
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from msdemucs.measure import machine
from msdemucs.spec import zoo_names
from tests.model.peers import MIXTURES, PAIRS, compare, make, outputs_apart

TABLE = Path(__file__).with_suffix(".csv")


def main() -> None:
    """Print a row for each system, mixture and length, and write it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("systems", nargs="*", choices=[[], *zoo_names()], default=zoo_names())
    parser.add_argument("--seconds", type=float, default=10.0, help="the longest input")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--gradients", action="store_true", help="of published systems, too")
    parser.add_argument("--output", type=Path, default=TABLE)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    longest = int(44100 * arguments.seconds)
    cases = [("noise", 1000), ("noise", 22051), *((name, longest) for name in MIXTURES)]
    rows = _earlier(arguments.output, arguments.systems)
    for name in arguments.systems:
        for mixture, n_samples in cases:
            rows.append(_row(name, mixture, n_samples, with_gradients=arguments.gradients))
            print(*list(rows[-1].values())[:7], flush=True)
            with arguments.output.open("w", newline="") as file:  # a killed run keeps them
                writer = csv.DictWriter(file, list(rows[-1]))
                writer.writeheader()
                writer.writerows(rows)
            gc.collect()


def _earlier(table: Path, systems: list[str]) -> list[dict[str, object]]:
    """The table's rows of other systems."""
    if not table.exists():
        return []
    with table.open(newline="") as file:
        return [dict(row) for row in csv.DictReader(file) if row["system"] not in systems]


def _row(name: str, mixture: str, n_samples: int, *, with_gradients: bool) -> dict[str, object]:
    torch.manual_seed(0)
    ours, peer = make(name, small=False)
    audio = MIXTURES[mixture](n_samples)
    gradients, worst = "", ""
    if with_gradients and name in PAIRS:
        deviation = compare(ours, peer, audio)
        outputs, worst = deviation.outputs, deviation.worst
        gradients = f"{deviation.gradients:.1e}"
    else:
        outputs = outputs_apart(ours, peer, audio)
    return {
        "system": name,
        "reference": type(peer).__module__.partition(".")[0],
        "mixture": mixture,
        "samples": n_samples,
        "outputs": f"{outputs:.1e}",
        "gradients": gradients,
        "worst_gradient": worst,
        "machine": machine()["cpu"],
        "threads": torch.get_num_threads(),
        "torch": version("torch"),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


if __name__ == "__main__":
    main()
