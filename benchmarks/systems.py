"""Run every system of the zoo at its full size: forward, backward, lengths, gradients.

    python benchmarks/systems.py [NAME …]

The test suite does the same with slim versions (tests/model/test_systems.py). For each system the
output is as long as the input for 0.3 s, 1 s, an odd number of samples, the training segment and
1.7 segments; forward and backward run in training and evaluation mode; the parameters without a
gradient are counted. Needs 8 GiB of memory.
"""

import argparse
import time

import torch
from rich.console import Console
from rich.table import Table

from msdemucs import build, load_spec
from msdemucs.model import Separator
from msdemucs.spec import zoo_names


def main() -> None:
    """A line a system; a failure is a traceback."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=zoo_names())
    table = Table("system", "parameters", "without gradient", "forward, 1 segment", box=None)
    console = Console(width=100)
    for name in parser.parse_args().names:
        torch.manual_seed(0)
        model = build(load_spec(name))
        seconds = check_lengths(model)
        dead = {check_gradients(model.train(training)) for training in (True, False)}
        total = sum(parameter.numel() for parameter in model.parameters())
        table.add_row(name, f"{total:,}", ", ".join(map(str, sorted(dead))), f"{seconds:.1f} s")
        console.print(f"{name}: done")
    console.print(table)


def check_lengths(model: Separator) -> float:
    """Seconds that one training segment takes in evaluation mode."""
    segment, taken = model.spec.n_samples, 0.0
    for n_samples in (13230, 44100, 44101, segment, round(1.7 * segment)):
        start = time.perf_counter()
        with torch.inference_mode():
            estimates = model.eval()(torch.randn(1, 2, n_samples))
        taken = time.perf_counter() - start if n_samples == segment else taken
        assert estimates.shape[-1] == n_samples
        assert estimates.isfinite().all()
    return taken


def check_gradients(model: Separator) -> int:
    """How many learned values get no gradient."""
    model.zero_grad()
    estimates = model(torch.randn(1, 2, 44100))
    (estimates - torch.randn_like(estimates)).abs().mean().backward()
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    assert all(gradient is None or gradient.isfinite().all() for _, gradient in gradients)
    return sum(p.numel() for p, gradient in gradients if gradient is None or not gradient.any())


if __name__ == "__main__":
    main()
