"""Every registered kind of options, the field that takes it, and small valid options of it."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from msdemucs.spec import Section, Spec
from msdemucs.spec.sections import K, Kind
from msdemucs.train import Recipe

Options = dict[str, object]

GIVEN: dict[str, list[object]] = {
    "layer_scale": [1e-4, 0.1],  # half of the default would hide what it scales as well
}
"""Values of fields whose constraints and default say too little."""


@dataclass(frozen=True)
class Place:
    """A field that takes kinds.

    Attributes:
        document: whose field it is.
        field: dotted.
        takes_list: whether it takes several.
    """

    document: type[Section]
    field: str
    base: type[Kind]
    takes_list: bool

    def value(self, options: Options) -> object:
        """What the field is given."""
        return [options] if self.takes_list else options


def places(document: type[Section], section: type[Section], prefix: str = "") -> Iterator[Place]:
    """Every field of a document that takes kinds, however deep."""
    for name, field in section.model_fields.items():
        takes_list = get_origin(field.annotation) is tuple
        for inner in _classes(field.annotation):
            if issubclass(inner, Kind):
                yield Place(document, f"{prefix}{name}", inner, takes_list)
            elif issubclass(inner, Section):
                yield from places(document, inner, f"{prefix}{name}.")


def _classes(annotation: object) -> Iterator[type]:
    if isinstance(annotation, type):
        yield annotation
    for argument in get_args(annotation):
        yield from _classes(argument)


PLACES = [place for document in (Spec, Recipe) for place in places(document, document)]


@cache
def choices(kind: type[Kind]) -> dict[str, list[object]]:
    """For every field small valid values: each choice, two numbers, with and without."""
    schema = kind.model_json_schema()["properties"]
    return {name: _small_values(kind, name, schema[name]) for name in schema if name != "kind"}


def small_options(kind: type[Kind]) -> list[Options]:
    """Plain data in which every value of `choices` comes at least once; the smallest first."""
    fields = choices(kind)
    count = max([1, *map(len, fields.values())])
    return [
        {
            "kind": kind.model_fields["kind"].default,
            **{name: values[index % len(values)] for name, values in fields.items()},
        }
        for index in range(count)
    ]


@cache
def small_kinds(kind: type[K]) -> list[K]:
    """The same as options."""
    return [kind.model_validate_json(json.dumps(options)) for options in small_options(kind)]


def _small_values(kind: type[Kind], name: str, schema: Mapping[str, object]) -> list[object]:
    def is_valid(value: object) -> bool:
        try:
            kind.model_validate_json(json.dumps({name: value}))
        except ValidationError as error:
            return all(problem["loc"][:1] != (name,) for problem in error.errors())
        return True

    candidates = GIVEN.get(name) or _candidates(schema, schema.get("default"), is_valid)
    values: list[object] = []
    for value in filter(is_valid, candidates):
        if value not in values:
            values.append(value)
    if not values:
        raise AssertionError(
            f"{kind.__name__}.{name}: no small value follows from its constraints; "
            "give the field a bound (ge=1) or a default, or its values in GIVEN of tests/kinds.py"
        )
    return values


def _candidates(
    schema: Mapping[str, Any], default: Any, is_valid: Callable[[object], bool]
) -> Iterator[object]:
    """What is valid by a field's JSON Schema; only the field itself knows of odd numbers."""
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    match schema.get("type"):
        case "boolean":
            yield from (False, True)
        case "null":
            yield None
        case "integer" if low is not None:
            least = low + ("exclusiveMinimum" in schema)
            yield from islice(filter(is_valid, (least, 2 * least or 1, 2 * least + 1)), 2)
        case "number" if default is not None:
            yield from (default, ((low or 0.0) + (default if high is None else high)) / 2)
        case "array" if default is not None:
            yield from (default[: schema.get("minItems", 0)] or default, default)
        case _:
            for alternative in schema.get("anyOf", ()):
                yield from _candidates(alternative, default, is_valid)
            yield from schema.get("enum", () if default is None else (default,))
