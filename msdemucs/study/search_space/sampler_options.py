"""The options of a search space's sampler: those of Optuna's classes, or of the surrogate."""

import contextlib
import inspect
import json
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import optuna
from optuna.exceptions import ExperimentalWarning
from pydantic import JsonValue

from msdemucs.spec import nearest
from msdemucs.study.search_space.space import Sampler, SearchSpace


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


def sampler_options(space: SearchSpace) -> dict[str, object]:
    """Return the options of a space's sampler: the usual ones, the space's own, its fields."""
    options: dict[str, object] = {**USUAL.get(space.sampler.kind, {}), **space.sampler.options}
    if space.sampler.kind == "grid":
        options["search_space"] = {
            field: variation.values for field, variation in space.vary.items()
        }
    return options


def value_fault(space: SearchSpace) -> str:
    """Return why a space's sampler refuses the values of its options; "" where it takes them."""
    try:
        with known_experiments():
            OPTIONS[space.sampler.kind](**sampler_options(space))
    except (TypeError, ValueError, AttributeError) as error:
        return f"{space.sampler.kind} refuses them: {error}"
    return ""


def option_fault(asked: Sampler) -> tuple[str, str, str] | None:
    """(an option that the sampler does not take, what is wrong with it, a hint); None for none."""
    taken = inspect.signature(OPTIONS[asked.kind]).parameters
    kinds = {name: _plain_kinds(taken[name]) for name in taken if name not in OWN}
    known = [name for name, plain in kinds.items() if plain]
    for name, value in asked.options.items():
        if name not in known:
            hint = nearest(name, known) if known else f"{asked.kind} has no options"
            return name, f"{asked.kind} has no such option", hint
        is_number = "float" in kinds[name] and type(value) is int
        if type(value).__name__ not in kinds[name] and not is_number:
            expected = " or ".join(sorted(OPTION_KINDS[kind] for kind in kinds[name]))
            return name, f"must be {expected}; found {json.dumps(value, ensure_ascii=False)}", ""
    return None


def _plain_kinds(parameter: inspect.Parameter) -> set[str]:
    """The types of an option that YAML can hold; none for one that takes an object."""
    kinds = set(re.findall(r"\w+", str(parameter.annotation))) - {"class", "typing", "Optional"}
    return kinds if kinds <= set(OPTION_KINDS) else set()
