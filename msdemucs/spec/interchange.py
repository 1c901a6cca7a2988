"""Specs come in by name, file or plain data, and go out as plain data, hashes and differences.

On the way in `extends:` is resolved, overrides are applied, the result is validated and planned.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from msdemucs.errors import PlanError, Problem, SpecError, UsageError, nearest
from msdemucs.spec.planner import plan
from msdemucs.spec.schema import SCHEDULES, Spec, expand
from msdemucs.spec.sections import validate
from msdemucs.spec.source import Node, merge, nodes_of, override, read_yaml_file, split_field

Plain = dict[str, object]

ZOO = Path(__file__).parent.parent / "zoo"


def zoo_names() -> list[str]:
    """The names of the shipped specs, sorted."""
    return sorted(path.stem for path in ZOO.glob("[!.]*.yaml"))


def load_spec(source: str | Path, *, overrides: Mapping[str, object] | None = None) -> Spec:
    """A spec by zoo name or from a YAML file, checked for everything that a plan checks.

    Args:
        source: a zoo name (`htdemucs_n`) or the path of a YAML file.
        overrides: dotted field → value, applied last: {"channels.start": 24}.

    Raises:
        UsageError: neither a zoo name nor a file.
        SpecError: a field that is wrong, with file, line and column.
        PlanError: fields whose shapes do not work out, likewise.
    """
    return _planned(read_document(source), overrides)


def load_unplanned(source: str | Path, *, overrides: Mapping[str, object] | None = None) -> Spec:
    """As `load_spec`, for a spec whose sizes may not work out.

    Raises:
        UsageError: neither a zoo name nor a file.
        SpecError: a field that is wrong, with file, line and column.
    """
    return validate(override(read_document(source), overrides or {}), Spec)


def read_document(source: str | Path) -> Node:
    """The document of a zoo name or YAML file, `extends` resolved: a spec is made of it many times.

    Raises:
        UsageError: neither a zoo name nor a file.
        SpecError: no YAML, or `extends` that leads nowhere.
    """
    return _resolve(find_spec(source), ())


def parse_spec(
    data: Mapping[str, object], *, overrides: Mapping[str, object] | None = None
) -> Spec:
    """A spec from plain data, such as a trial's record.

    Raises:
        SpecError: a field that is wrong.
        PlanError: fields whose shapes do not work out.
    """
    node = nodes_of(data, "spec")
    return _planned(_extended(node, Path.cwd(), ()), overrides)


def find_spec(source: str | Path) -> Path:
    """The file of a zoo name or path.

    Raises:
        UsageError: neither a zoo name nor a file.
    """
    path = Path(source)
    if isinstance(source, str) and path.name == source and not path.suffix:
        shipped = ZOO / f"{source}.yaml"
        if shipped.is_file():
            return shipped
        if not path.is_file():
            hint = nearest(source, zoo_names())
            raise UsageError(f"there is no spec “{source}” in the zoo, nor a file; {hint}")
    if not path.is_file():
        raise UsageError(
            f"there is no file {path}; give a path or a zoo name: {', '.join(zoo_names())}"
        )
    return path


def _planned(node: Node, overrides: Mapping[str, object] | None) -> Spec:
    node = override(node, overrides or {})
    spec = validate(node, Spec)
    try:
        plan(spec)
    except PlanError as error:
        problems = error.problems
        places = [node.below(*problem.field.split(".")).place for problem in problems]
        placed = [
            place.problem(problem.message, field=problem.field, hint=problem.hint)
            for place, problem in zip(places, problems, strict=True)
        ]
        raise PlanError(placed) from None
    return spec


def _resolve(path: Path, chain: tuple[Path, ...]) -> Node:
    path = path.resolve()
    if path in chain:
        circle = " → ".join(step.name for step in (*chain, path))
        raise SpecError([Problem(f"extends goes in a circle: {circle}", "extends", str(path))])
    here = Path.cwd()  # a file below it is named as a person would write it
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return _extended(read_yaml_file(shown), path.parent, (*chain, path))


def _extended(node: Node, folder: Path, chain: tuple[Path, ...]) -> Node:
    base = node.child("extends")
    if base is None:
        return node
    if not isinstance(base.value, str):
        problem = base.place.problem("must be a zoo name or a relative path", field="extends")
        raise SpecError([problem])
    candidate = folder / base.value
    try:
        parent = candidate if candidate.is_file() else find_spec(base.value)
    except UsageError as error:
        raise SpecError([base.place.problem(str(error), field="extends")]) from None
    assert isinstance(node.value, dict)
    delta = Node({k: v for k, v in node.value.items() if k != "extends"}, node.place)
    return merge(_resolve(parent, chain), delta)


def dump_spec(spec: Spec) -> Plain:
    """The spec with every default filled in; `parse_spec` reads it back equal."""
    return cast(Plain, spec.model_dump(mode="json"))


def expanded(spec: Spec) -> Plain:
    """The spec with schedules as lists and without what has no effect: equal for equal models."""
    data = dump_spec(spec)
    resolved = plan(spec)
    for field in SCHEDULES:
        schedule, (*section, name) = spec.schedule(field), field.split(".")
        if schedule is not None:
            into = cast(Plain, value_at(data, ".".join(section)))
            into[name] = list(expand(schedule, spec.depth))
    if resolved.fusion is None:
        cast(Plain, data["fusion"]).pop("bottleneck")
    if not spec.resolutions:
        data.pop("fusion")
    # what null takes from elsewhere: the waveform's schedules, the width of attention
    if waveform := cast(Plain | None, data["waveform"]):
        for name in ("kernel_size", "stride"):
            waveform[name] = waveform[name] or data[name]
    blocks = zip(cast(list[Plain], data["attention"]), resolved.blocks, strict=True)
    for block, sized in blocks:
        block["width"] = sized.width
        block["at"] = sorted(cast(list[str], block["at"]))
    _drop_idle(data, spec)
    return data


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
