"""What a model is: validated plain data, and the plan it expands to; needs no torch."""

from msdemucs.errors import nearest
from msdemucs.spec.interchange import (
    diff_specs,
    dump_spec,
    expanded,
    find_spec,
    get_field,
    load_spec,
    parse_spec,
    spec_hash,
    zoo_names,
)
from msdemucs.spec.plan import Plan
from msdemucs.spec.planner import plan
from msdemucs.spec.schema import Resolution, Spec
from msdemucs.spec.sections import Section, load_validated, load_validated_text, validate_data
from msdemucs.spec.written import extending_yaml, whole_yaml, yaml_text

__all__ = [
    "Plan",
    "Resolution",
    "Section",
    "Spec",
    "diff_specs",
    "dump_spec",
    "expanded",
    "extending_yaml",
    "find_spec",
    "get_field",
    "load_spec",
    "load_validated",
    "load_validated_text",
    "nearest",
    "parse_spec",
    "plan",
    "spec_hash",
    "validate_data",
    "whole_yaml",
    "yaml_text",
    "zoo_names",
]
