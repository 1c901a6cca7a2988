"""Which search finds the front with the fewest training steps? Replayed on recorded sweeps.

    python benchmarks/search.py [--searches 20] [--samplers random nsga2 tpe] [--sweep sweep-vocals]

A table is of real trainings (benchmarks/sweep.py): 64 specs, two seeds, four rungs. A replayed
search draws specs by a sampler of Optuna's, and trains each from rung to rung as a stopping rule
says, or leaves both to the surrogate; it ends when the trainings it completed have 95 % of the
hypervolume (SDR after all steps, log MACs) of the whole table. Half of the searches train with
either seed, and what they look for is the front of that seed, as in a study. What is told is the
optimiser steps until then: median and quartiles over searches. What was trained before costs
nothing when it is drawn again; when all specs were tried, stopped ones go on, nearest first, so
that every search gets there.

Every search goes to benchmarks/search.csv, or that of another sweep, a row each; docs/studies.md
tells what they say. Printed with it is how much luck and how much the specs count for in a sweep.
NSGA-II's first 50 trials are drawn at random, hence its likeness to random search in a space of 64.
Rows "told" are of benchmarks/oracles.py: how far any search could come.
"""

import argparse
import csv
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
import pandas as pd
from rich.console import Console

from benchmarks.oracles import Oracle, Told, told_all, told_rung, told_seed
from benchmarks.replay import Replay, Table, Trained, steps_to
from benchmarks.surrogate_replay import Modelled
from msdemucs.study.samplers.rungs import Halving
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.variations import Scalar

HERE = Path(__file__).parent
SHARE = 0.95
COLUMNS = ["sampler", "rule", "search", "seed", "steps", "trained_fully"]

Make = Callable[[int], optuna.samplers.BaseSampler]

SAMPLERS: dict[str, Make] = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "nsga2 of 10": lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=10),
    "tpe": lambda seed: optuna.samplers.TPESampler(multivariate=True, group=True, seed=seed),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),  # expected hypervolume improvement
}


@dataclass(frozen=True)
class Rule:
    """Who goes on, and whether cost counts in that."""

    halving: Halving | None = None
    knows_cost: bool = True


def rules(eta: float, survivors: int, delta_db: float) -> dict[str, Rule]:
    """The stopping rules that are compared."""
    plain = Halving(eta=eta, survivors=survivors)
    tolerant = replace(plain, delta_db=delta_db)
    return {
        "none": Rule(),
        "sdr only": Rule(plain, knows_cost=False),
        "epsilon net": Rule(plain),
        f"epsilon net, {delta_db:g} dB": Rule(tolerant),
        f"crowding, {delta_db:g} dB": Rule(replace(tolerant, thinning="crowding")),
    }


def read_tables(path: Path, rungs: Sequence[int]) -> list[Table]:
    """The sweep, a table a seed, with some of its rungs."""
    vary = load_search_space(path.with_suffix(".yaml")).space.vary
    fields: dict[str, list[Scalar]] = {
        field: [label for label, _ in variation.options] for field, variation in vary.items()
    }
    by_text = {field: {str(label): label for label in labels} for field, labels in fields.items()}
    curves: dict[int, dict[tuple[Scalar, ...], list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    costs = {}
    with path.open() as file:
        for row in csv.DictReader(file):
            labels = tuple(by_text[field][row[field]] for field in fields)
            costs[labels] = float(row["macs_per_second"])
            if int(row["step"]) in rungs:
                curves[int(row["seed"])][labels].append(float(row["usdr_db"]))
    whole = set.intersection(*(set(of_seed) for of_seed in curves.values()))
    return [
        Table(
            fields,
            rungs,
            {one: Trained(costs[one], of_seed[one]) for one in sorted(whole, key=str)},
        )
        for _, of_seed in sorted(curves.items())
    ]


def main() -> None:
    """The table of medians and quartiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=20)
    parser.add_argument("--samplers", nargs="*", default=list(SAMPLERS))
    parser.add_argument(
        "--rules", nargs="*", help="of none, sdr only, epsilon net …; all if not given"
    )
    parser.add_argument("--output", type=Path, help="the CSV, when not search.csv of the sweep")
    parser.add_argument("--rungs", nargs="*", type=int, default=[9, 27, 81, 243])
    parser.add_argument("--eta", type=float, default=3.0)
    parser.add_argument("--survivors", type=int, default=1)
    parser.add_argument("--delta", type=float, default=0.5)
    parser.add_argument("--sweep", default="sweep", help="of sweep, sweep-vocals, sweep-stems")
    asked = parser.parse_args()
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    tables = read_tables(HERE / f"{asked.sweep}.csv", asked.rungs)
    rows = []
    begun = time.monotonic()
    for sampler in asked.samplers:
        for name, rule in rules(asked.eta, asked.survivors, asked.delta).items():
            if asked.rules and name not in asked.rules:
                continue
            for search in range(asked.searches):
                table = tables[search % len(tables)]
                made = SAMPLERS[sampler](search)
                replay = Replay(table, made, rule.halving, knows_cost=rule.knows_cost)
                rows.append(row(sampler, name, search, replay))
    for search in range(asked.searches):
        modelled = Modelled(tables[search % len(tables)], search)
        rows.append(row("surrogate", "its own", search, modelled))
    rows += told(tables)
    found = pd.DataFrame(rows, columns=COLUMNS)
    output = asked.output or HERE / f"{asked.sweep.replace('sweep', 'search')}.csv"
    found.to_csv(output, index=False)
    tell_sweep(tables)
    tell(found, whole=len(tables[0].trained) * asked.rungs[-1], seconds=time.monotonic() - begun)


def told(tables: list[Table]) -> list[tuple[object, ...]]:
    """What searches would take that are told what none can know, a seed each."""
    rows = []
    for search, (table, other) in enumerate(zip(tables, reversed(tables), strict=True)):
        knows: dict[str, Told] = {
            "all": told_all(table),
            f"step {table.rungs[-2]}": told_rung(table, len(table.rungs) - 2),
            "the other seed": told_seed(table, other),
        }
        rows += [row("told", what, search, Oracle(table, it)) for what, it in knows.items()]
    return rows


def row(sampler: str, rule: str, search: int, replay: Replay) -> tuple[object, ...]:
    """What a search took."""
    steps = steps_to(replay, SHARE)
    return (sampler, rule, search, search % 2, steps, len(replay.history))


def tell_sweep(tables: list[Table]) -> None:
    """Print how far seeds differ and specs spread, and how well each rung ranks specs."""
    curves = [pd.DataFrame({k: one.curve for k, one in t.trained.items()}).T for t in tables]
    last = pd.DataFrame({seed: curve.iloc[:, -1] for seed, curve in enumerate(curves)})
    apart = (last[0] - last[1]).abs().mean()
    spread = last.std().mean()
    print(f"two seeds of a spec differ by {apart:.2f} dB on the mean, specs spread by {spread:.2f}")
    for at, step in enumerate(tables[0].rungs[:-1]):
        taus = [curve[at].corr(curve.iloc[:, -1], method="kendall") for curve in curves]
        print(f"step {step}: Kendall's tau with the last {sum(taus) / len(taus):.2f}")


def tell(found: pd.DataFrame, *, whole: int, seconds: float) -> None:
    """Print the quartiles, and medians as shares of NSGA-II's without stopping."""
    grouped = found.groupby(["sampler", "rule"], sort=False)
    table = pd.DataFrame({share: grouped.steps.quantile(share) for share in (0.25, 0.5, 0.75)})
    table["trained fully"] = grouped.trained_fully.median()
    table["of the whole"] = table[0.5] / whole
    if ("nsga2", "none") in table.index:
        table["of NSGA-II"] = table[0.5] / table.loc[("nsga2", "none"), 0.5]
    console = Console(width=120)
    console.print(table.round(2).to_string())
    console.print(f"{len(found)} searches in {seconds:.0f} s; the whole table: {whole} steps")


if __name__ == "__main__":
    main()
