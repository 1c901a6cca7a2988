"""Who proposes trials, and at which rungs they are stopped: `sampler` and `fidelity` of a file.

Options of a sampler are the arguments of Optuna's class, or of the surrogate.
"""

import contextlib
import inspect
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import optuna
from optuna.exceptions import ExperimentalWarning
from pydantic import Field, JsonValue, model_validator

from msdemucs.spec import Section, nearest
from msdemucs.study.search_space.variations import Vary

LARGEST_SEED = 2**30
"""Repeats, processes and trials count on from a seed; samplers and databases hold 32 bits."""

Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]

EXHAUSTIVE = ("grid", "brute_force")
"""Samplers that end a study when everything was tried."""


class Sampler(Section):
    """Who proposes the next trial."""

    kind: Literal[
        "tpe", "nsga2", "nsga3", "gp", "qmc", "random", "grid", "brute_force", "surrogate"
    ] = "tpe"
    """tpe: tree-structured Parzen estimator, multivariate and grouped; nsga2, nsga3: evolution; gp:
    Gaussian processes, for some hundred trials; qmc: a Sobol sequence; grid, brute_force: every
    combination, without and with conditions, and then the study ends; surrogate: a model of all
    scores at all rungs, which also decides who goes on from a rung."""
    options: Mapping[str, JsonValue] = {}
    """Arguments of Optuna's sampler: {n_startup_trials: 20}."""
    seed: Seed = 0
    """Seed of the proposals; of trainings it is the study's."""
    control: Annotated[float, Field(ge=0, le=1)] = 0.1
    """The share of trials that are drawn at random, against which the search is reported; which
    ones they are depends on the seed and their number. None where all are random, or all tried."""


Thinning = Literal["epsilon_net", "crowding"]


class Fidelity(Section):
    """Rungs at which trials are judged, so that those behind are stopped early.

    Who goes on is decided by asynchronous successive halving, on fronts of (qualities at the rung,
    log costs): see msdemucs.study.samplers.rungs. Baselines and the control arm always go on.
    """

    rungs: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    """Optimiser steps after which a trial is judged, rising; the recipe's last step needs none."""
    eta: Annotated[float, Field(gt=1)] = 3.0
    """One trial in so many goes on from a rung."""
    survivors: Annotated[int, Field(ge=1)] = 4
    """At least so many go on from every rung."""
    delta_db: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """A quality counts as better from so much on. Where nothing is given: from one standard
    deviation of the difference of two trainings, as `study noise` measured it; from 0 before."""
    thinning: Thinning = "epsilon_net"
    """Which of a front go on first. epsilon_net: those that span it best; crowding: its ends and
    those with most room around them (NSGA-II)."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(
            later <= earlier for earlier, later in zip(self.rungs, self.rungs[1:], strict=False)
        ):
            raise ValueError(f"rungs must rise; found {list(self.rungs)}")
        return self


@dataclass(frozen=True)
class SurrogateOptions:
    """Options of the surrogate.

    Attributes:
        n_startup_trials: trials with a score before the model is asked.
        n_candidates: combinations among which it chooses; a finite space that has no more is
            taken as a whole.
        least_gain: a stopped trial goes on only where it is expected to add this share of the
            hypervolume at least.

    Raises:
        ValueError: one is out of its range.
    """

    n_startup_trials: int = 5
    n_candidates: int = 256
    least_gain: float = 0.01

    def __post_init__(self) -> None:
        for name in ("n_startup_trials", "n_candidates"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number from 1 on; found {value}")
        if not 0 <= self.least_gain < 1:
            raise ValueError(f"least_gain must be a share from 0 to 1; found {self.least_gain}")


OPTIONS: dict[str, Callable[..., object]] = {
    "tpe": optuna.samplers.TPESampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "nsga3": optuna.samplers.NSGAIIISampler,
    "gp": optuna.samplers.GPSampler,
    "qmc": optuna.samplers.QMCSampler,
    "random": optuna.samplers.RandomSampler,
    "grid": optuna.samplers.GridSampler,
    "brute_force": optuna.samplers.BruteForceSampler,
    "surrogate": SurrogateOptions,
}
"""Kind of sampler → what takes its options."""

USUAL: dict[str, dict[str, JsonValue]] = {
    "tpe": {"multivariate": True, "group": True, "constant_liar": True},
    "qmc": {
        "scramble": True,
        "warn_independent_sampling": False,
        "warn_asynchronous_seeding": False,  # each has the study's seed
    },
    "gp": {"warn_independent_sampling": False},
}
"""Options that differ from Optuna's own defaults: parameters drawn together, branches of a
conditional space apart, and the trials that others are running taken into account."""

OPTION_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "None": "null",
    "NoneType": "null",
}
"""The types of options as Python and as a YAML author calls them."""

OWN = ("self", "seed", "search_space")
"""Arguments that are not options: a study gives them."""


@contextlib.contextmanager
def known_experiments() -> Iterator[None]:
    """Without the warnings about the experimental features of Optuna in use here."""
    names = ("group", "set_metric_names", "GPSampler", "QMCSampler", "BruteForceSampler")
    with warnings.catch_warnings():
        for feature in (*names, "NSGAIIISampler"):
            warnings.filterwarnings("ignore", f".*{feature}", category=ExperimentalWarning)
        yield


def sampler_options(sampler: Sampler, vary: Vary) -> dict[str, object]:
    """The options of a sampler: the usual ones, those that are asked for, the fields of a grid."""
    options: dict[str, object] = {**USUAL.get(sampler.kind, {}), **sampler.options}
    if sampler.kind == "grid":
        options["search_space"] = {field: variation.values for field, variation in vary.items()}
    return options


def option_fault(sampler: Sampler) -> tuple[str, str, str] | None:
    """(an option that the sampler does not take, what is wrong with it, a hint); None for none."""
    kinds: dict[str, set[str]] = {}
    for name, parameter in inspect.signature(OPTIONS[sampler.kind]).parameters.items():
        types = set(re.findall(r"\w+", str(parameter.annotation))) - {"class", "typing", "Optional"}
        if name not in OWN and types <= set(OPTION_KINDS):  # others take an object
            kinds[name] = types
    known = [name for name, types in kinds.items() if types]
    for name, value in sampler.options.items():
        if name not in known:
            hint = nearest(name, known) if known else f"{sampler.kind} has no options"
            return name, f"{sampler.kind} has no such option", hint
        is_number = "float" in kinds[name] and type(value) is int
        if type(value).__name__ not in kinds[name] and not is_number:
            expected = " or ".join(sorted(OPTION_KINDS[kind] for kind in kinds[name]))
            return name, f"must be {expected}; found {json.dumps(value, ensure_ascii=False)}", ""
    return None
