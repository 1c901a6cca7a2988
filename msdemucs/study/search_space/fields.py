"""Dotted fields: a trial's proposal, and the spec that it makes of the base in about a millisecond.

A field is dotted, as `--set` takes it. Two things are added to what a spec's own overrides do:
schedules can be changed by entry (`kernel_size.2`), whatever their spelling, and by parameter
(`kernel_size.times`) where the base gives one number; and a mapping given for a schedule replaces
the one that is there.
"""

from collections.abc import Iterable, Mapping

import optuna
from pydantic import JsonValue

from msdemucs.errors import Problem, SpecError
from msdemucs.spec import Spec, dump_spec, get_field, parse_spec
from msdemucs.spec.schema import SCHEDULES, expand
from msdemucs.spec.sections import validate
from msdemucs.spec.source import Node, override, split_field
from msdemucs.study.search_space.variations import Scalar, Vary, in_order, is_varied

RECIPE = "recipe."
"""What a field of the recipe begins with."""


def propose(
    trial: optuna.Trial, vary: Vary, *, only: Mapping[str, Scalar] | None = None
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


def expressed(spec: Spec, vary: Vary) -> dict[str, Scalar]:
    """The parameters of a baseline's spec: varied fields whose value could have been drawn."""

    def is_chosen(field: str, option: JsonValue, value: object) -> bool:
        if option == value:
            return True
        try:  # `[4096]` is dumped as a list of {n_fft, hop_length}
            dumped = parse_spec(dump_spec(spec), overrides={field: option})
            return get_field(dumped, field) == value
        except SpecError:
            return False

    params: dict[str, Scalar] = {}
    for field in in_order(vary):
        drawn = {other: vary[other].value_of(label) for other, label in params.items()}
        try:
            value = field_of(spec, field)
        except KeyError:
            continue
        if not is_varied(vary, field, drawn):
            continue
        if vary[field].contains(value):
            assert isinstance(value, int | float)
            params[field] = value
            continue
        for label, option in vary[field].options:
            if is_chosen(field, option, value):
                params[field] = label
                break
    return params


def changed_spec(document: Node, fields: Mapping[str, object]) -> Spec:
    """A document with dotted fields in place, as a spec whose sizes may not work out.

    Args:
        document: of a spec, `extends` resolved.
        fields: dotted field → plain value; outer ones are set before those inside them.

    Raises:
        SpecError: a field that is wrong.
    """
    entries = {field: entry for field in fields if (entry := _entry(field))}
    others = {field: value for field, value in fields.items() if field not in entries}
    document = _with_fields(document, others)
    spec = validate(document, Spec)
    if not entries:
        return spec
    schedules: dict[str, list[object]] = {}
    for field, (name, level) in entries.items():
        if name not in schedules:
            schedules[name] = list(_levels(spec, name, field))
        if level >= len(schedules[name]):
            message = f"there is no level {level}; levels run from 0 to {len(schedules[name]) - 1}"
            raise SpecError([Problem(message, field)])
        schedules[name][level] = fields[field]
    return validate(_with_fields(document, schedules), Spec)


def field_of(spec: Spec, field: str) -> object:
    """The plain value of a dotted field; of a schedule's entry, the level's, however it is spelled.

    Raises:
        KeyError: the spec has no such field.
    """
    entry = _entry(field)
    if entry is None:
        return get_field(spec, field)
    try:
        return _levels(spec, entry[0], field)[entry[1]]
    except (SpecError, IndexError):
        raise KeyError(field) from None


def recipe_fields(fields: Mapping[str, object]) -> dict[str, object]:
    """Those fields that are of the recipe, by their names there."""
    return {
        field.removeprefix(RECIPE): value
        for field, value in fields.items()
        if field.startswith(RECIPE)
    }


def spec_fields(fields: Mapping[str, object]) -> dict[str, object]:
    """Those fields that are of the spec."""
    return {field: value for field, value in fields.items() if not field.startswith(RECIPE)}


def described(problem: Problem, varied: str = "") -> str:
    """The message with the spec's field that it is about, unless that is the varied one."""
    is_other = problem.field and problem.field not in (varied, varied.removeprefix(RECIPE))
    return f"{problem.field}: {problem.message}" if is_other else problem.message


def inner_last(fields: Iterable[str]) -> list[str]:
    """Fields in their order, but each after those that it lies inside."""
    return sorted(fields, key=lambda field: len(split_field(field)))


def _with_fields(document: Node, fields: Mapping[str, object]) -> Node:
    for field in inner_last(fields):
        value = fields[field]
        parts = split_field(field)
        name = ".".join(parts)
        if name in SCHEDULES and isinstance(value, dict):
            document = override(document, {field: None})
        elif (schedule := ".".join(parts[:-1])) in SCHEDULES:
            written = document.below(*parts[:-1]).value
            if isinstance(written, int):  # one number is spelled {start: number}
                document = override(document, {schedule: {"start": written}})
        document = override(document, {field: value})
    return document


def _entry(field: str) -> tuple[str, int] | None:
    """(schedule, level) of a field that is one entry of a schedule."""
    *schedule, last = split_field(field)
    name = ".".join(schedule)
    return (name, int(last)) if name in SCHEDULES and last.isdigit() else None


def _levels(spec: Spec, name: str, field: str) -> tuple[int, ...]:
    """A schedule, level by level; the waveform branch's own is the spec's where it has none.

    Raises:
        SpecError: the spec has no such schedule, or it does not fit its levels.
    """
    section, _, last = name.rpartition(".")
    if section and getattr(spec, section) is None:
        raise SpecError([Problem(f"the spec has no {section}", field)])
    schedule = spec.schedule(name) or spec.schedule(last)
    assert schedule is not None
    try:
        return expand(schedule, spec.depth)
    except ValueError as error:
        raise SpecError([Problem(str(error), name)]) from None
