"""A spec with some of its fields changed: what a study's trial is made by, in about a millisecond.

A field is dotted, as `--set` takes it. Two things are added to what a spec's own overrides do:
schedules can be changed by entry (`kernel_size.2`), whatever their spelling, and by parameter
(`kernel_size.times`) where the base gives one number; and a mapping given for a schedule replaces
the one that is there.
"""

from collections.abc import Iterable, Mapping

from msdemucs.errors import Problem, SpecError
from msdemucs.spec import Spec, get_field
from msdemucs.spec.schema import SCHEDULES, AnySchedule, expand
from msdemucs.spec.sections import validate
from msdemucs.spec.source import Node, override, split_field

RECIPE = "recipe."
"""What a field of the recipe begins with."""


def changed_spec(document: Node, fields: Mapping[str, object]) -> Spec:
    """A document with dotted fields in place, as a spec whose sizes may not work out.

    Args:
        document: of a spec, `extends` resolved.
        fields: dotted field → plain value; outer ones are set before those inside them.

    Raises:
        SpecError: a field that is wrong.
    """
    entries = {field: value for field, value in fields.items() if _entry(field)}
    others = {field: value for field, value in fields.items() if field not in entries}
    document = _with_fields(document, others)
    if entries:
        document = _with_fields(document, _schedules(validate(document, Spec), entries))
    return validate(document, Spec)


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
        elif ".".join(parts[:-1]) in SCHEDULES:
            document = _with_start(document, parts[:-1])
        document = override(document, {field: value})
    return document


def _with_start(document: Node, parts: list[str]) -> Node:
    """The document with a schedule that is one number spelled {start: number}."""
    node: Node | None = document
    for part in parts:
        node = node.child(part) if node else None
    written = node.value if node else None
    if isinstance(written, int):
        return override(document, {".".join(parts): {"start": written}})
    return document


def _entry(field: str) -> tuple[str, int] | None:
    """(schedule, level) of a field that is one entry of a schedule."""
    *schedule, last = split_field(field)
    name = ".".join(schedule)
    return (name, int(last)) if name in SCHEDULES and last.isdigit() else None


def _schedules(spec: Spec, entries: Mapping[str, object]) -> dict[str, object]:
    """The schedules of which entries are given, as lists with the entries in place.

    Raises:
        SpecError: a schedule that the spec does not have, a level that it does not have.
    """
    lists: dict[str, list[object]] = {}
    for field, value in entries.items():
        found = _entry(field)
        assert found is not None
        name, level = found
        if name not in lists:
            lists[name] = list(_levels(spec, name, field))
        if level >= len(lists[name]):
            message = f"there is no level {level}; levels run from 0 to {len(lists[name]) - 1}"
            raise SpecError([Problem(message, field)])
        lists[name][level] = value
    return dict(lists)


def _levels(spec: Spec, name: str, field: str) -> tuple[int, ...]:
    """A schedule, level by level; the waveform branch's own is the spec's where it has none.

    Raises:
        SpecError: the spec has no such schedule, or it does not fit its levels.
    """
    *sections, last = name.split(".")
    owner: object = spec
    for section in sections:
        owner = getattr(owner, section)
        if owner is None:
            raise SpecError([Problem(f"the spec has no {section}", field)])
    schedule: AnySchedule | None = getattr(owner, last)
    if schedule is None:
        schedule = getattr(spec, last)
    assert schedule is not None
    try:
        return expand(schedule, spec.depth)
    except ValueError as error:
        raise SpecError([Problem(str(error), name)]) from None
