"""Does the best of several noisy scores fall as far as a report says it will?

    .venv/bin/python benchmarks/optimism.py

Simulated studies: truths of some shape, scores that are truths with noise of NOISE_DB, and the
trial with the best score. `fell` is by how much its score lies above its truth, the mean over
studies, with its standard error; `expected` is what `expected_fall` says of the scores alone.
`all_alike` is the mean of the maximum of as many draws of the noise, `shrunk` the best less its
shrunken value (a normal spread assumed): the two formulas that `expected_fall` was chosen over.
All are in dB and go to benchmarks/optimism.csv, a row a setting; docs/studies.md tells what they
say.
"""

import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))
from msdemucs.analysis.noise import expected_fall

CSV = Path(__file__).with_suffix(".csv")
NOISE_DB = 0.15
N_STUDIES = 2000
SIZES = (8, 30, 100)

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Array]

SHAPES: dict[str, Draw] = {
    "all alike": lambda rng, n: rng.normal(0, 0.0, n),
    "normal, 0.2 dB": lambda rng, n: rng.normal(0, 0.2, n),
    "normal, 1 dB": lambda rng, n: rng.normal(0, 1.0, n),
    "many worse, exponential of 0.6 dB": lambda rng, n: -rng.exponential(0.6, n),
    "a third good, the rest 1 dB below": lambda rng, n: (
        np.where(rng.random(n) < 0.3, 0.0, -1.0) + rng.normal(0, 0.05, n)
    ),
}


def shrunk(scores: Array) -> float:
    """The best less its value shrunk towards the mean."""
    share = min(1.0, NOISE_DB**2 / float(scores.var(ddof=1)))
    return share * float(scores.max() - scores.mean())


def rows() -> Iterator[dict[str, object]]:
    """A row a shape and size."""
    for (shape, draw), n in product(SHAPES.items(), SIZES):
        rng = np.random.default_rng(1)
        found = []
        for _ in range(N_STUDIES):
            truths = draw(rng, n)
            scores = truths + rng.normal(0, NOISE_DB, n)
            best = int(scores.argmax())
            said = expected_fall(scores.tolist(), [NOISE_DB] * n)
            found.append((scores[best] - truths[best], said, shrunk(scores)))
        fell, expected, by_shrinkage = np.array(found).T
        maxima = rng.normal(0, NOISE_DB, (20_000, n)).max(axis=1)
        yield {
            "truths": shape,
            "trials": n,
            "fell": round(float(fell.mean()), 3),
            "fell_error": round(float(fell.std(ddof=1)) / N_STUDIES**0.5, 3),
            "expected": round(float(expected.mean()), 3),
            "all_alike": round(float(maxima.mean()), 3),
            "shrunk": round(float(by_shrinkage.mean()), 3),
        }


def main() -> None:
    """Write the CSV and show it."""
    table = pd.DataFrame(rows())
    table.to_csv(CSV, index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
