"""Who proposes trials, and how a proposal becomes fields of a spec."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import optuna
from optuna.exceptions import ExperimentalWarning
from pydantic import JsonValue

from msdemucs.errors import SpecError
from msdemucs.spec import Spec, dump_spec, get_field, parse_spec
from msdemucs.study.space import Sampler, Search
from msdemucs.study.variations import Scalar, Variation


@contextmanager
def known_experiments() -> Iterator[None]:
    """Without the warnings about the two experimental features of Optuna in use here."""
    with warnings.catch_warnings():
        for feature in ("group", "set_metric_names"):
            warnings.filterwarnings("ignore", f".*{feature}", category=ExperimentalWarning)
        yield


def make_sampler(options: Sampler, *, drawn: int) -> optuna.samplers.BaseSampler:
    """The sampler of a study.

    Args:
        options: which one, and its seed.
        drawn: trials that the study has already; added to the seed, since a continued study
            would otherwise repeat its first proposals.
    """
    seed = options.seed + drawn
    if options.kind == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if options.kind == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed)
    with known_experiments():
        return optuna.samplers.TPESampler(
            multivariate=True, group=True, constant_liar=True, seed=seed
        )


def propose(
    trial: optuna.Trial, vary: Mapping[str, Variation], *, only: Mapping[str, Scalar] | None = None
) -> dict[str, JsonValue]:
    """Dotted field → value for one trial, drawn by the sampler or as enqueued.

    Args:
        trial: the trial to draw for.
        vary: what can be drawn.
        only: for a baseline, the parameters that it can express; nothing else is drawn, since
            its other fields are its own.
    """
    fields = vary if only is None else only
    return {field: vary[field].suggest(trial, field) for field in fields}


def expressed(search: Search, baseline: str) -> dict[str, Scalar]:
    """The parameters of a baseline: varied fields whose value the search space could draw."""
    spec = search.baselines[baseline]
    found: dict[str, Scalar] = {}
    for field, variation in search.space.vary.items():
        try:
            value = get_field(spec, field)
        except KeyError:
            continue
        for label in _labels(spec, field, variation, value):
            found[field] = label
            break
    return found


def _labels(spec: Spec, field: str, variation: Variation, value: object) -> Iterator[Scalar]:
    """What Optuna would store for the value that the spec has: at most one label."""
    if variation.contains(value):
        assert isinstance(value, int | float)
        yield value
    for label, option in variation.options:
        if option == value or _dumped(spec, field, option) == value:
            yield label


def _dumped(spec: Spec, field: str, option: JsonValue) -> object:
    """A choice as a spec dumps it: `[4096]` is a list of {n_fft, hop_length}."""
    try:
        return get_field(parse_spec(dump_spec(spec), overrides={field: option}), field)
    except SpecError:
        return None
