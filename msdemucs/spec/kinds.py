"""Fields that take one of several kinds of options, told apart by `kind`.

A kind is a class derived from the base of its sort, with `kind: Literal["its name"]`. Defining the
class is all it takes: validation, its messages and the JSON Schema look kinds up when they are
asked, so that a kind may also live in a user's own file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from msdemucs.spec.base import Section


class Kind(Section):
    """The base of all sorts of options that come in kinds."""

    kind: str
    """What YAML calls it."""


K = TypeVar("K", bound=Kind)


def kinds_of(base: type[K]) -> dict[str, type[K]]:
    """The kinds that are defined now, by name."""
    found: dict[str, type[K]] = {}
    for section in base.__subclasses__():
        default = section.model_fields["kind"].default
        if isinstance(default, str):
            found[default] = section
        found |= kinds_of(section)
    return found


@dataclass(frozen=True)
class OneOf:
    """An annotation: the field takes any kind of the sort."""

    base: type[Kind]

    def validate(self, value: object) -> Kind:
        """The options of the kind that the value names.

        Raises:
            PydanticKnownError: no kind, or one that is not defined.
        """
        if isinstance(value, self.base):
            return value
        if not isinstance(value, Mapping):
            raise PydanticKnownError("dict_type")
        known = kinds_of(self.base)
        name = value.get("kind")
        if name is None:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": "'kind'"})
        if not isinstance(name, str) or name not in known:
            context = {
                "discriminator": "'kind'",
                "tag": str(name),
                "expected_tags": ", ".join(f"'{kind}'" for kind in known),
            }
            raise PydanticKnownError("union_tag_invalid", context)
        # as JSON, in which strict mode takes lists for tuples
        return known[name].model_validate_json(json.dumps(value))

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validated and written by the kind itself."""
        del source, handler
        write = core_schema.plain_serializer_function_ser_schema(_plain)
        return core_schema.no_info_plain_validator_function(self.validate, serialization=write)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Any of the kinds that are defined now."""
        del schema
        members = [handler(kind.__pydantic_core_schema__) for kind in kinds_of(self.base).values()]
        return {"oneOf": members}


def _plain(options: Kind) -> dict[str, object]:
    return options.model_dump(mode="json")
