"""The JSON Schema of search spaces: what editors complete and check as one writes."""

import copy
from typing import Any

from msdemucs.study.space.space import SearchSpace

Schema = dict[str, Any]

NAMES: Schema = {"type": "array", "items": {"type": "string"}}


def search_space_schema() -> Schema:
    """The schema of a whole file: every field, the short ways to write some, and `small`."""
    schema: Schema = copy.deepcopy(SearchSpace.model_json_schema())
    fields: dict[str, Schema] = schema["properties"]
    baselines = fields["baselines"]
    own = baselines["additionalProperties"]
    baselines["additionalProperties"] = {"anyOf": [own, {"type": "null"}]}
    for name in ("baselines", "objectives"):
        _also(fields[name], NAMES)
    roots: dict[str, Schema] = schema["$defs"]["DataRoots"]["properties"]
    for root in roots.values():
        _also(root, {"type": "string"})
    _also(fields["design"], {"type": "string"})
    fields["small"] = {
        "type": "object",
        "description": "What --small takes in place of the fields above; set, vary and factors "
        "entry by entry.",
        "properties": {name: field for name, field in fields.items() if name != "small"},
        "additionalProperties": False,
    }
    return schema


def _also(field: Schema, other: Schema) -> None:
    """Let a field be written in another way, too."""
    kept = {name: field[name] for name in ("description", "default", "title") if name in field}
    rest = {name: value for name, value in field.items() if name not in kept}
    field.clear()
    field.update(kept | {"anyOf": [rest, other]})
