"""How a proposal becomes fields of a spec, and a spec parameters of a proposal."""

from collections.abc import Iterator, Mapping

import optuna
from pydantic import JsonValue

from msdemucs.errors import SpecError
from msdemucs.spec import Spec, dump_spec, get_field, parse_spec
from msdemucs.study.search_space.conditions import in_order, is_varied
from msdemucs.study.search_space.fields import field_of
from msdemucs.study.search_space.space import Search
from msdemucs.study.search_space.variations import Scalar, Variation


def propose(
    trial: optuna.Trial, vary: Mapping[str, Variation], *, only: Mapping[str, Scalar] | None = None
) -> dict[str, JsonValue]:
    """Dotted field → value for one trial, drawn by the sampler or as enqueued.

    Args:
        trial: the trial to draw for.
        vary: what can be drawn; a field whose condition does not hold is left out.
        only: for a baseline, the parameters that it can express; nothing else is drawn, since
            its other fields are its own.
    """
    drawn: dict[str, JsonValue] = {}
    for field in in_order(vary):
        if field in only if only is not None else is_varied(vary, field, drawn):
            drawn[field] = vary[field].suggest(trial, field)
    return drawn


def expressed(search: Search, baseline: str) -> dict[str, Scalar]:
    """The parameters of a baseline: varied fields whose value the search space could draw."""
    spec = search.baselines[baseline]
    found: dict[str, Scalar] = {}
    vary = search.space.vary
    for field in in_order(vary):
        values = {other: vary[other].value_of(label) for other, label in found.items()}
        try:
            value = field_of(spec, field)
        except KeyError:
            continue
        labels = list(_labels(spec, field, vary[field], value))
        if labels and is_varied(vary, field, values):
            found[field] = labels[0]
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
