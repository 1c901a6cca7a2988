"""A trial's spec as a person would write it: what differs from a system of the zoo."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import cast

import yaml

from msdemucs.analysis.trials import Row, mapping_of
from msdemucs.errors import MsdemucsError
from msdemucs.spec import Spec, dump_spec, load_spec, parse_spec, spec_hash, zoo_names
from msdemucs.spec.interchange import read_document
from msdemucs.spec.source import merge
from msdemucs.spec.source import Node, nodes_of
from msdemucs.spec.sections import validate

Plain = Mapping[str, object]


def difference_yaml(spec: Plain, *, base: str | None, name: str) -> str:
    """YAML that loads as the spec: `extends:` with what differs, or the whole where that is safer.

    The short form is loaded and compared before it is given out; a spec that this version of
    msdemucs cannot read is given out whole as well.

    Args:
        spec: canonical plain data.
        base: the zoo's name of the system that differences are taken from.
        name: what the spec is to be called.
    """
    whole = {**spec, "name": name}
    if base in _zoo():
        assert base is not None
        changes = _changes(_dumped(base), whole)
        short = {"extends": base, "name": name} | {k: v for k, v in changes.items() if k != "name"}
        for candidate in (_brief(short), short):
            if _is_equal(candidate, whole):
                return yaml_of(candidate)
    return yaml_of(whole)


def _brief(short: Plain) -> Plain:
    """The difference with attention blocks reduced to what is not their kind's default."""
    if "attention" not in short:
        return short
    changes = nodes_of({k: v for k, v in short.items() if k != "extends"}, "difference")
    try:
        blocks = validate(merge(_document(str(short["extends"])), changes), Spec).attention
    except MsdemucsError:
        return short
    named = [
        {"kind": block.model_dump()["kind"], **block.model_dump(mode="json", exclude_defaults=True)}
        for block in blocks
    ]
    return {**short, "attention": named}


@lru_cache(maxsize=1)
def _zoo() -> frozenset[str]:
    return frozenset(zoo_names())


@lru_cache(maxsize=32)
def _document(base: str) -> Node:
    return read_document(base)


@lru_cache(maxsize=32)
def _dumped(base: str) -> Plain:
    return dump_spec(load_spec(base))


def _is_equal(short: Plain, whole: Plain) -> bool:
    """Whether a difference is the whole; zoo files are read once, laid below as loaders do."""
    changes = nodes_of(
        {key: value for key, value in short.items() if key != "extends"}, "difference"
    )
    try:
        spec = validate(merge(_document(str(short["extends"])), changes), Spec)
        return spec_hash(spec) == spec_hash(parse_spec(whole))
    except MsdemucsError:
        return False


def _changes(base: Plain, spec: Plain) -> dict[str, object]:
    """What of a mapping differs, nested; another kind is given as a whole."""
    changed: dict[str, object] = {}
    for key, value in spec.items():
        old = base.get(key)
        if key in base and old == value:
            continue
        nested = isinstance(old, Mapping) and isinstance(value, Mapping)
        if nested and cast(Plain, old).get("kind") == cast(Plain, value).get("kind"):
            changed[key] = _changes(cast(Plain, old), cast(Plain, value))
        else:
            changed[key] = value
    return changed


def yaml_of(data: Plain) -> str:
    """Plain data as YAML, short lists and mappings on a line of their own."""
    return yaml.dump(
        dict(data),
        Dumper=yaml.CSafeDumper,
        sort_keys=False,
        allow_unicode=True,
        width=96,
        default_flow_style=None,
    )


def spec_yaml(row: Row, base: str | None) -> str:
    """A trial's spec as YAML that extends the study's base; "" for a trial without one."""
    spec = mapping_of(row, "spec")
    if not spec:
        return ""
    name = re.sub(r"[^\w.]+", "-", str(row["name"])).strip("-")
    return difference_yaml(spec, base=base, name=name)
