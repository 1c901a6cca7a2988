"""Names and files → specs: `extends:` resolved, overrides applied, validated and planned."""

from collections.abc import Mapping
from pathlib import Path

from msdemucs.errors import PlanError, Problem, SpecError, UsageError, nearest
from msdemucs.spec.merge import merge, override
from msdemucs.spec.planner import plan
from msdemucs.spec.schema import Spec
from msdemucs.spec.source import Node, nodes_of, read_yaml_file
from msdemucs.spec.validate import locate, validate

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
    return _finish(_resolve(find_spec(source), ()), overrides)


def load_unplanned(source: str | Path, *, overrides: Mapping[str, object] | None = None) -> Spec:
    """As `load_spec`, for a spec whose sizes may not work out.

    Raises:
        UsageError: neither a zoo name nor a file.
        SpecError: a field that is wrong, with file, line and column.
    """
    return validate(override(_resolve(find_spec(source), ()), overrides or {}), Spec)


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
    return _finish(_extended(node, Path.cwd(), ()), overrides)


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


def _finish(node: Node, overrides: Mapping[str, object] | None) -> Spec:
    node = override(node, overrides or {})
    spec = validate(node, Spec)
    try:
        plan(spec)
    except PlanError as error:
        placed = [_placed(node, problem) for problem in error.problems]
        raise PlanError(placed) from None
    return spec


def _placed(node: Node, problem: Problem) -> Problem:
    """The problem at the place that set its field."""
    place = locate(node, problem.field)
    return place.problem(problem.message, field=problem.field, hint=problem.hint)


def _resolve(path: Path, chain: tuple[Path, ...]) -> Node:
    path = path.resolve()
    if path in chain:
        circle = " → ".join(step.name for step in (*chain, path))
        raise SpecError([Problem(f"extends goes in a circle: {circle}", "extends", str(path))])
    return _extended(read_yaml_file(_short(path)), path.parent, (*chain, path))


def _extended(node: Node, folder: Path, chain: tuple[Path, ...]) -> Node:
    base = node.child("extends")
    if base is None:
        return node
    if not isinstance(base.value, str):
        problem = base.place.problem("must be a zoo name or a relative path", field="extends")
        raise SpecError([problem])
    candidate = folder / base.value
    try:
        found = candidate if candidate.is_file() else find_spec(base.value)
    except UsageError as error:
        raise SpecError([base.place.problem(str(error), field="extends")]) from None
    assert isinstance(node.value, dict)
    delta = Node({k: v for k, v in node.value.items() if k != "extends"}, node.place)
    return merge(_resolve(found, chain), delta)


def _short(path: Path) -> Path:
    """The path as a person would write it: relative to where they stand, when it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
