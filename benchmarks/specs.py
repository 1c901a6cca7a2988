"""Draw random specs over every field: each is refused with a reason, or runs and learns.

    python benchmarks/specs.py --examples 5000

The test suite does the same with 300 (tests/model/test_separator.py); this draws others each time
and prints how many were refused for which field, and how many ran.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

import torch
from hypothesis import HealthCheck, given, settings

sys.path.insert(0, str(Path(__file__).parent.parent))

from msdemucs.errors import SpecError
from msdemucs.spec import parse_spec
from tests.specs import RUNS, Data, Run, run_once, spec_data


def main() -> None:
    """Run, and print what became of every spec; a failure is a traceback with its spec."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=5000)
    examples = parser.parse_args().examples
    counts: Counter[str] = Counter()

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(spec_data(), RUNS)
    def draw(data: Data, run: Run) -> None:
        try:
            spec = parse_spec(data)
        except SpecError as error:
            counts[f"refused: {error.first.field}"] += 1
            return
        run_once(spec, run)
        counts["ran"] += 1

    torch.set_num_threads(1)
    draw()
    for outcome, count in counts.most_common():
        print(f"{count:7}  {outcome}")


if __name__ == "__main__":
    main()
