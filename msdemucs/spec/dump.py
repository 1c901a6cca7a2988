"""Specs → plain data: canonical form, content hash, differences, single fields."""

import hashlib
import json
from typing import cast

from msdemucs.spec.merge import split_field
from msdemucs.spec.plan import Plan
from msdemucs.spec.planner import plan
from msdemucs.spec.schedules import expand
from msdemucs.spec.schema import Spec

Plain = dict[str, object]


def dump_spec(spec: Spec) -> Plain:
    """The spec with every default filled in; `parse_spec` reads it back equal."""
    return cast(Plain, spec.model_dump(mode="json"))


SCHEDULES = (
    "channels",
    "kernel_size",
    "stride",
    "waveform.kernel_size",
    "waveform.stride",
    "residual.depth",
    "norm.groups",
)
"""The fields that expand to a value a level."""


def expanded(spec: Spec) -> Plain:
    """The spec with schedules as lists and without what has no effect: equal for equal models."""
    data = dump_spec(spec)
    resolved: Plan = plan(spec)
    for field in SCHEDULES:
        *sections, name = field.split(".")
        owner, into = cast(object, spec), cast(Plain | None, data)
        for section in sections:
            owner, into = getattr(owner, section), cast(Plain, into)[section]  # type: ignore[assignment]
            if owner is None:
                break
        schedule = getattr(owner, name, None)
        if schedule is not None and into is not None:
            into[name] = list(expand(schedule, spec.depth))
    if resolved.fusion is None:
        cast(Plain, data["fusion"]).pop("bottleneck")
    if not spec.resolutions:
        data.pop("fusion")
    _resolve_inherited(data, resolved)
    _drop_idle(data, spec)
    return data


def _resolve_inherited(data: Plain, resolved: Plan) -> None:
    """Fill in what null takes from elsewhere: the waveform's schedules, the width of attention."""
    if waveform := cast(Plain | None, data["waveform"]):
        for name in ("kernel_size", "stride"):
            waveform[name] = waveform[name] or data[name]
    blocks = zip(cast(list[Plain], data["attention"]), resolved.blocks, strict=True)
    for block, sized in blocks:
        block["width"] = sized.width
        block["at"] = sorted(cast(list[str], block["at"]))


def _drop_idle(data: Plain, spec: Spec) -> None:
    """Drop sections that no level of the model uses."""
    if spec.norm and spec.norm.starts >= spec.depth:
        data["norm"] = None
    if spec.spectral and len(spec.resolutions) == 1:
        cast(Plain, data["spectral"])["share"] = False
    residual = spec.residual
    if residual and not (residual.encoder or residual.decoder):
        data["residual"] = None
    elif residual:
        for name in ("lstm", "attention"):
            options = getattr(residual, name)
            if options and options.starts >= spec.depth:
                cast(Plain, data["residual"])[name] = None


def spec_hash(spec: Spec) -> str:
    """Sixteen hexadecimal digits that name the architecture: the spec's own name is left out."""
    data = expanded(spec)
    data.pop("name")
    text = json.dumps(data, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def diff_specs(base: Spec, other: Spec) -> dict[str, tuple[object, object]]:
    """Dotted field → (the base's value, the other's value), for the fields that differ.

    The name is left out; a section that only one of them has is one entry.
    """
    left, right = dump_spec(base), dump_spec(other)
    left.pop("name")
    right.pop("name")
    return dict(_differences(left, right, ""))


def get_field(spec: Spec, field: str) -> object:
    """The plain value of a dotted field, `"attention.0.heads"`.

    Raises:
        KeyError: the spec has no such field.
    """
    return value_at(dump_spec(spec), field)


def value_at(plain: object, field: str) -> object:
    """What plain data have at a dotted field.

    Raises:
        KeyError: they have no such field.
    """
    value = plain
    for part in split_field(field):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise KeyError(field)
    return value


def _differences(left: object, right: object, path: str) -> list[tuple[str, tuple[object, object]]]:
    if left == right:
        return []
    if isinstance(left, dict) and isinstance(right, dict) and left.get("kind") == right.get("kind"):
        names = [*left, *(name for name in right if name not in left)]
        pairs = [(name, left.get(name), right.get(name)) for name in names]
        return [
            found
            for name, old, new in pairs
            for found in _differences(old, new, f"{path}.{name}".lstrip("."))
        ]
    if (
        path == "attention"  # blocks stand for themselves; other lists are values
        and isinstance(left, list)
        and isinstance(right, list)
        and len(left) == len(right)
    ):
        return [
            found
            for index, (old, new) in enumerate(zip(left, right, strict=True))
            for found in _differences(old, new, f"{path}.{index}")
        ]
    return [(path, (left, right))]
