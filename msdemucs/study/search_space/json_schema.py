"""The JSON Schema of search spaces: what editors complete and check as one writes.

What the schema refuses, `load_search_space` refuses. The other way round, it cannot know what rests
on several values at once (bounds in their order, steps that divide, names of a zoo, specs that
build).
"""

import copy
from typing import Any

from msdemucs.metrics import METRICS, Metric
from msdemucs.study.ablation.designs import Design
from msdemucs.study.records import COMPUTED, COSTS, MEASURED
from msdemucs.study.search_space.loading import WITHOUT_MEANING
from msdemucs.study.search_space.space import LONGEST_NAME, NAME, SearchSpace
from msdemucs.study.search_space.variations import WAYS

Schema = dict[str, Any]

NAMES: Schema = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
NULL: Schema = {"type": "null"}


def search_space_schema() -> Schema:
    """The schema of a whole file: every field, the short ways to write some, and `small`."""
    schema: Schema = copy.deepcopy(SearchSpace.model_json_schema())
    fields: dict[str, Schema] = schema["properties"]
    fields["name"] |= {"pattern": f"^{NAME}$", "maxLength": LONGEST_NAME}
    baseline = fields["baselines"]
    baseline["additionalProperties"] = {"anyOf": [baseline["additionalProperties"], NULL]}
    _also(baseline, NAMES)
    _objectives(fields["objectives"])
    fields["constraints"]["propertyNames"] = {"enum": [*COMPUTED, *MEASURED]}
    alternatives = fields["factors"]["additionalProperties"]
    alternatives["minProperties"] = alternatives.pop("minLength")
    _also(fields["design"], Design.model_json_schema()["properties"]["kind"])
    _variation(schema["$defs"]["Variation"])
    roots: dict[str, Schema] = schema["$defs"]["DataRoots"]["properties"]
    for root in roots.values():
        _also(root, {"type": "string"})
    fields["small"] = {
        "type": "object",
        "description": "What --small takes in place of the fields above; set, vary and factors "
        "entry by entry.",
        "properties": {name: field for name, field in fields.items() if name != "small"},
        "additionalProperties": False,
    }
    is_ablation = {"properties": {"mode": {"const": "ablation"}}, "required": ["mode"]}
    return schema | {"if": is_ablation, "then": _mode("ablation"), "else": _mode("search")}


def _mode(mode: str) -> Schema:
    """What a study of one mode needs and what it does not read."""
    empty: Schema = {"enum": [{}, [], None]}
    needed = ("factors",) if mode == "ablation" else ("vary", "baselines")
    some = {"minProperties": 1, "minItems": 1}
    return {
        "properties": dict.fromkeys(WITHOUT_MEANING[mode], empty),
        "anyOf": [{"required": [name], "properties": {name: some}} for name in needed],
    }


def _objectives(field: Schema) -> None:
    """One to four qualities and costs, each with the only direction that makes sense, or alone."""
    field["properties"] = {name: {"const": direction} for name, direction in COSTS.items()}
    field["patternProperties"] = {
        _pattern(metric): {"const": metric.direction} for metric in METRICS.values()
    }
    field |= {"additionalProperties": False, "minProperties": 1, "maxProperties": 4}
    patterns = [{"type": "string", "pattern": _pattern(metric)} for metric in METRICS.values()]
    name: Schema = {"anyOf": [{"enum": [*COSTS, *METRICS]}, *patterns]}
    _also(field, NAMES | {"items": name, "minItems": 1, "maxItems": 4})


def _pattern(metric: Metric) -> str:
    """How a quality of a metric is written."""
    return f"^{metric.name}(/|$)"


def _variation(variation: Schema) -> None:
    """Exactly one way to vary, with what belongs to it."""
    fields: dict[str, Schema] = variation["properties"]
    for way in ("choice", "subset"):
        listed, named, _ = fields[way]["anyOf"]
        listed["minItems"] = named["minProperties"] = 1
    for way in ("int", "float"):
        fields[way]["anyOf"][0] |= {"minItems": 2, "maxItems": 2}
    fields["step"]["anyOf"] = [{"type": "number", "exclusiveMinimum": 0}, NULL]
    foreign: dict[str, Schema] = {
        "choice": {"log": {"const": False}, "step": NULL, "least": NULL, "most": NULL},
        "subset": {"log": {"const": False}, "step": NULL},
        "int": {"least": NULL, "most": NULL},
        "float": {"least": NULL, "most": NULL},
    }
    variation["oneOf"] = [
        {
            "required": [way],
            "properties": {**dict.fromkeys(WAYS, NULL), way: {"not": NULL}, **foreign[way]},
        }
        for way in WAYS
    ]


def _also(field: Schema, other: Schema) -> None:
    """Let a field be written in another way, too."""
    kept = {name: field[name] for name in ("description", "default", "title") if name in field}
    others = {name: value for name, value in field.items() if name not in kept}
    field.clear()
    field.update(kept | {"anyOf": [others, other]})
