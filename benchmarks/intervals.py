"""Do intervals cover as often as they say, and how often does an ablation claim what is not there?

    .venv/bin/python benchmarks/intervals.py

`coverage`: simulated differences, a truth plus normal luck of each seed, of each track, and of each
training on each source of each track; how often the 95 % interval has the truth, by the number of
seeds. `claims`: simulated ablations of four factors (three in a full design) without any effect, of
14 tracks; in how many any factor or interaction has an adjusted p below 0.05, and in how many the
whole rule (interval, p and noise) says "better" or "worse". Both go to benchmarks/intervals.csv, a
row a setting; docs/studies.md tells what they say.
"""

import argparse
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))
from msdemucs.analysis.effects import effects
from msdemucs.analysis.statistics import hierarchical_interval
from msdemucs.study.ablation.designs import Design
from tests.study.test_effects import LEVELS, made, noisy

CSV = Path(__file__).with_suffix(".csv")
N_SOURCES = 4
LUCK_DB = {
    "mostly of tracks": (0.1, 0.3, 0.1),
    "mostly of seeds": (0.3, 0.1, 0.1),
    "of all alike": (0.2, 0.2, 0.2),
    "of neither": (0.0, 0.0, 0.5),
}
"""Standard deviations of seeds, of tracks, and of what is left."""

ABLATIONS = (
    ("one_at_a_time", 3, 0.3),
    ("one_at_a_time", 5, 0.3),
    ("one_at_a_time", 3, 0.05),
    ("full", 3, 0.3),
)
"""Design, seeds, and the luck of a seed in dB."""


def coverage(n_seeds: int, n_tracks: int, luck_db: tuple[float, float, float], n: int) -> float:
    """How often the interval has the truth."""
    rng = np.random.default_rng(1)
    of_seeds, of_tracks, rest = luck_db
    covered = 0
    for _ in range(n):
        differences = (
            of_seeds * rng.normal(size=(n_seeds, 1, 1))
            + of_tracks * rng.normal(size=(1, n_tracks, 1))
            + rest * rng.normal(size=(n_seeds, n_tracks, N_SOURCES))
        )
        interval = hierarchical_interval(differences, rng=rng, resamples=1000)
        covered += interval.low <= 0 <= interval.high
    return covered / n


def claims(kind: str, n_seeds: int, of_seeds: float, n: int) -> tuple[int, int]:
    """In how many of n ablations p alone claims something, and in how many the whole rule does."""
    by_p = by_rule = 0
    factors = "abc" if kind == "full" else "abcd"
    for seed in range(n):
        score = noisy(lambda _: 0.0, of_seeds=of_seeds, of_arms=0.3, seed=seed)
        design = Design.model_validate({"kind": kind})
        levels = {factor: LEVELS[factor] for factor in factors}
        found = effects(made(design, score, seeds=n_seeds, tracks=14, levels=levels)).table
        by_p += bool((found.holm_p < 0.05).any())
        by_rule += bool(found.verdict.isin(["better", "worse"]).any())
    return by_p, by_rule


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=600, help="of intervals, a setting")
    parser.add_argument("--ablations", type=int, default=60, help="a setting")
    asked = parser.parse_args()
    rows: list[dict[str, object]] = []

    def add(row: dict[str, object]) -> None:
        rows.append(row)
        print(row, flush=True)

    for n_seeds, (luck, deviations), n_tracks in product((2, 3, 5, 8), LUCK_DB.items(), (6, 14)):
        share = coverage(n_seeds, n_tracks, deviations, asked.simulations)
        add(
            {"what": "coverage", "seeds": n_seeds, "tracks": n_tracks, "luck": luck}
            | {"of": asked.simulations, "covered": round(share, 3)}
        )
    for kind, n_seeds, of_seeds in ABLATIONS:
        by_p, by_rule = claims(kind, n_seeds, of_seeds, asked.ablations)
        add(
            {"what": "claims", "seeds": n_seeds, "tracks": 14, "luck": f"{of_seeds} dB of a seed"}
            | {"of": asked.ablations, "design": kind, "by_p": by_p, "by_rule": by_rule}
        )
    pd.DataFrame(rows).to_csv(CSV, index=False)


if __name__ == "__main__":
    main()
