"""A search space's file, read: one setting of it, with every spec that it can name tried."""

import difflib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from msdemucs.errors import Problem, SpecError, UsageError
from msdemucs.spec import Spec, dump_spec, get_field, load_spec, nearest
from msdemucs.spec.source import Node, read_text, read_yaml
from msdemucs.spec.validate import validate
from msdemucs.study.space.arms import with_arms
from msdemucs.study.space.checks import condition_problems, length_problems, sampler_problems
from msdemucs.study.space.conditions import required
from msdemucs.study.space.fields import RECIPE, spec_fields
from msdemucs.study.space.space import TASK_FIELDS, Search, SearchSpace, resolve

MOST_COMBINATIONS = 64
"""How many combinations with other fields' values are tried before a value is refused."""


def load_search_space(path: Path, *, small: bool = False) -> Search:
    """A search space from YAML, with every spec that it can name tried.

    Args:
        path: the file.
        small: take the fields under `small:` in place of the full setting's.

    Raises:
        SpecError: a field that is wrong, a baseline or choice that makes no valid spec.
    """
    return parse_search_space(_read(path), path, small=small)


def parse_search_space(text: str, path: Path, *, small: bool = False) -> Search:
    """A search space from the text of its file, which need not be there.

    Raises:
        SpecError: as `load_search_space`.
    """
    node = setting_of(read_yaml(text, str(path)), small=small)
    space = validate(node, SearchSpace)
    return _check(node, space, text=text, path=path, setting="small" if small else "full")


def problem_at(search: Search, field: str, message: str) -> Problem:
    """A problem with a field of the search space that only a later step could find."""
    root = read_yaml(search.text, str(search.path))
    node = setting_of(root, small=search.setting == "small")
    return _child(node, *field.split(".")).place.problem(message, field=field)


def setting_of(root: Node, *, small: bool) -> Node:
    """The document in one setting: the fields of `small` replace the others.

    Within `set`, `vary` and `factors` they are replaced entry by entry. The small setting's study
    is called <name>-small unless it has a name of its own.

    Raises:
        SpecError: the small setting is asked for and is not there, or is no mapping.
    """
    assert isinstance(root.value, dict)
    fields = {name: node for name, node in root.value.items() if name != "small"}
    if not small:
        return Node(fields, root.place, root.key)
    delta = root.child("small")
    if delta is None or not isinstance(delta.value, dict):
        place = root.place if delta is None else delta.place
        message = "there is no small setting here: fields under small: that replace the others"
        raise SpecError([place.problem(message, field="small")])
    name = fields.get("name")
    if name and isinstance(name.value, str):
        fields["name"] = Node(f"{name.value}-small", name.place, name.key)
    for key, node in delta.value.items():
        old = fields.get(key)
        if (
            key in ("set", "vary", "factors")
            and old
            and isinstance(old.value, dict)
            and isinstance(node.value, dict)
        ):
            node = Node({**old.value, **node.value}, node.place, node.key)
        fields[key] = node
    return Node(fields, root.place, root.key)


def _read(path: Path) -> str:
    """The file's text.

    Raises:
        SpecError: it cannot be read.
    """
    if not path.exists():
        problem = Problem("there is no such file", path=str(path), hint=_similar(path))
        raise SpecError([problem])
    return read_text(path)


def _similar(path: Path) -> str:
    """The file beside it whose name is nearly the same, or "" for none."""
    stems = {other.stem: other for other in sorted(path.parent.glob("*.yaml"))}
    close = difflib.get_close_matches(path.stem, stems, n=1)
    return f"did you mean “{stems[close[0]]}”?" if close else ""


def _check(node: Node, space: SearchSpace, *, text: str, path: Path, setting: str) -> Search:
    """The search space with its specs.

    Raises:
        SpecError: a base, baseline, field or choice that makes no valid spec, each at its line.
    """
    alike = spec_fields(space.set)
    base = _spec_at(_child(node, "base"), "base", resolve(space.base, path.parent), alike)
    baselines = _baselines(node, space, path.parent, base)
    search = Search(space, text, path, setting, base, baselines)
    search = _at_cost(node, search)
    problems = [
        *condition_problems(node, space),
        *length_problems(node, space),
        *sampler_problems(node, space),
    ]
    if not problems:
        problems = [
            problem
            for field in space.vary
            for problem in _field_problems(_child(node, "vary", field), field, search)
        ]
    if problems:
        raise SpecError(problems)
    return with_arms(search, node) if space.mode == "ablation" else search


def _at_cost(node: Node, search: Search) -> Search:
    """The search with its base and baselines at the cost that it asks for, if it asks for one.

    Raises:
        SpecError: one that no width brings near it, at the line that names it.
    """
    space = search.space
    if space.at_cost is None:
        return search
    solved: dict[str, Spec] = {}
    own = {name for name, fields in space.baselines.items() if any("channels" in f for f in fields)}
    for name, spec in {"": search.base, **search.baselines}.items():
        field = f"baselines.{name}" if name else "base"
        try:
            solved[name] = spec if name in own else search.at_cost(spec)
        except SpecError as error:
            place = _child(node, *(("baselines", name) if name else ("base",)))
            raise SpecError([_at(place, _message(error.first), field)]) from None
    return replace(search, base=solved.pop(""), baselines=solved)


def _baselines(node: Node, space: SearchSpace, folder: Path, base: Spec) -> dict[str, Spec]:
    """Every baseline's spec.

    Raises:
        SpecError: a baseline that is no valid spec or has another task than the base.
    """
    specs: dict[str, Spec] = {}
    alike = spec_fields(space.set)
    for index, (name, fields) in enumerate(space.baselines.items()):
        listed = _child(node, "baselines")
        place = listed.child(name) or listed.child(index) or listed
        field = f"baselines.{name}"
        spec = _spec_at(place, field, resolve(name, folder), {**alike, **fields})
        for task in TASK_FIELDS[1:]:
            here, there = getattr(spec, task), getattr(base, task)
            if here != there:
                message = f"{task} is {here}, but the base has {there}: scores would not compare"
                raise SpecError([place.place.problem(message, field=field)])
        specs[name] = spec
    return specs


def _spec_at(node: Node, field: str, source: str | Path, overrides: Mapping[str, object]) -> Spec:
    """A named spec.

    Raises:
        SpecError: what is wrong with it, at the place that names it.
    """
    try:
        return load_spec(source, overrides=overrides)
    except UsageError as error:
        raise SpecError([_at(node, str(error), field)]) from None
    except SpecError as error:
        first = error.first
        raise SpecError([_at(node, _message(first), field, first.hint)]) from None


def _field_problems(node: Node, field: str, search: Search) -> list[Problem]:
    """What is wrong with one varied field or with its values."""
    if field.split(".")[0] in TASK_FIELDS:
        message = "belongs to the task: scores of trials that differ in it would not compare"
        return [_at(node, message, f"vary.{field}")]
    if search.space.at_cost and field == "channels.start":
        return [_at(node, "is solved for the cost that at_cost asks for", f"vary.{field}")]
    values = search.space.vary[field].corners()
    faults = [_fault(search, field, value) for value in values]
    if all(faults) and not _has_field(search, field):
        known = [*_fields(dump_spec(search.base)), *(RECIPE + name for name in _recipe(search))]
        hint = nearest(field, sorted(known))
        return [_at(node, "there is no such field in the base", f"vary.{field}", hint)]
    return [
        _at(_value_node(node, index), _message(fault, field), f"vary.{field}", fault.hint)
        for index, fault in enumerate(faults)
        if fault is not None
    ]


def _has_field(search: Search, field: str) -> bool:
    if field.startswith(RECIPE):
        return field.removeprefix(RECIPE) in _recipe(search)
    try:
        get_field(search.base, field)
    except KeyError:
        return False
    return True


def _recipe(search: Search) -> list[str]:
    """The dotted fields of the study's recipe."""
    return list(_fields(search.recipe({}).model_dump(mode="json")))


def _fields(data: object, path: str = "") -> Iterator[str]:
    """Every dotted field of plain data, sections included."""
    if path:
        yield path
    listed = dict(enumerate(data)) if isinstance(data, list) else data
    for name, value in listed.items() if isinstance(listed, dict) else ():
        yield from _fields(value, f"{path}.{name}".lstrip("."))


def _fault(search: Search, field: str, value: object) -> Problem | None:
    """Why no spec can have this value, or None where some combination of the others works."""
    first: Problem | None = None
    vary, is_recipe = search.space.vary, field.startswith(RECIPE)
    make = search.recipe if is_recipe else search.spec
    needed = required(vary, field)
    others = {
        name: v.corners()
        for name, v in vary.items()
        if name != field and name not in needed and name.startswith(RECIPE) == is_recipe
    }
    combinations: itertools.chain[dict[str, object]] = itertools.chain(
        [{}],
        ({name: other} for name, values in others.items() for other in values),
        (dict(zip(others, values, strict=True)) for values in itertools.product(*others.values())),
    )
    for combination in itertools.islice(combinations, MOST_COMBINATIONS):
        try:
            make({**combination, **needed, field: value})
        except SpecError as error:
            first = first or error.first
        else:
            return None
    return first


def _message(problem: Problem, varied: str = "") -> str:
    """The message with the spec's field that it is about, unless that is the varied one."""
    is_other = problem.field and problem.field != varied
    return f"{problem.field}: {problem.message}" if is_other else problem.message


def _child(node: Node, *parts: str) -> Node:
    """The node of a field, or the nearest one above it."""
    for part in parts:
        node = node.child(part) or node
    return node


def _value_node(node: Node, index: int) -> Node:
    """The node of a variation's choice or bound, counted from 0."""
    if node.child("subset"):
        return node.child("subset") or node
    for way in ("choice", "int", "float"):
        values = node.child(way)
        if values is not None and isinstance(values.value, dict):
            return list(values.value.values())[index]
        if values is not None:
            return values.child(index) or values
    return node


def _at(node: Node, message: str, field: str, hint: str = "") -> Problem:
    return (node.key or node.place).problem(message, field=field, hint=hint)
