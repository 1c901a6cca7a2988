"""How far are our systems from the published ones, at full width, with the same weights?

    python benchmarks/parity.py                          # all, on ten seconds: 12 GB, some minutes
    python benchmarks/parity.py --seconds 1 hdemucs_low  # one of them

Every tensor is moved from where it starts. The published implementation calculates in float64, ours
in float32. Outputs and gradients (of the input and of each parameter) are compared by the largest
difference as a share of the peak; tests/model/test_parity.py holds narrow systems to 1e-5 and 1e-4.
"""

import argparse
import gc
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.model.peers import PAIRS, compare, make


def main() -> None:
    """Print a row for each system and length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("systems", nargs="*", choices=[[], *PAIRS], default=list(PAIRS))
    parser.add_argument("--seconds", type=float, default=10.0, help="the longest input")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    longest = int(44100 * arguments.seconds)
    print(f"torch {torch.__version__}, {arguments.threads} threads, CPU")
    print(f"{'system':<18} {'samples':>8} {'outputs':>9} {'gradients':>9}  worst gradient")
    for name in arguments.systems:
        torch.manual_seed(0)
        ours, peer = make(name, small=False)
        for n_samples in (1000, 22051, longest):
            start = time.perf_counter()
            found = compare(ours, peer, n_samples)
            seconds = time.perf_counter() - start
            print(
                f"{name:<18} {n_samples:>8} {found.outputs:>9.1e} {found.gradients:>9.1e}  "
                f"{found.worst} ({seconds:.0f} s)",
                flush=True,
            )
        del ours, peer
        gc.collect()


if __name__ == "__main__":
    main()
