"""A search space's file, read: one setting of it, with every spec that it can name tried."""

import difflib
import itertools
from collections.abc import Iterator
from pathlib import Path

from msdemucs.errors import Problem, SpecError
from msdemucs.spec import dump_spec, get_field, nearest
from msdemucs.spec.sections import refuse_other_documents, validate
from msdemucs.spec.source import Node, read_text, read_yaml
from msdemucs.study.ablation.arms import with_arms
from msdemucs.study.search_space.base_specs import at_cost, base_of, baselines_of
from msdemucs.study.search_space.conditions import required
from msdemucs.study.search_space.fields import RECIPE
from msdemucs.study.search_space.locations import below, described, fault_of
from msdemucs.study.search_space.space import TASK_FIELDS, Search, SearchSpace, resolve
from msdemucs.study.search_space.validation import (
    condition_problems,
    form_problems,
    length_problems,
    mode_problems,
    name_problems,
    objective_problems,
    sampler_problems,
)

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
    root = read_yaml(text, str(path))
    refuse_other_documents(root, SearchSpace)
    if not small and root.child("small"):
        _validated(setting_of(root, small=True))  # its faults are told now, too
    node = setting_of(root, small=small)
    space = _validated(node)
    return _check(node, space, text=text, path=path, setting="small" if small else "full")


def _validated(node: Node) -> SearchSpace:
    """One setting of a document as a search space.

    Raises:
        SpecError: a field that is wrong.
    """
    if problems := [*form_problems(node)]:
        raise SpecError(problems)
    return validate(node, SearchSpace)


def problem_at(search: Search, field: str, message: str) -> Problem:
    """A problem with a field of the search space that only a later step could find."""
    root = read_yaml(search.text, str(search.path))
    node = setting_of(root, small=search.setting == "small")
    return below(node, *field.split(".")).place.problem(message, field=field)


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
    stems = {other.stem: other for other in sorted(path.parent.glob("[!.]*.yaml"))}
    close = difflib.get_close_matches(path.stem, stems, n=1)
    return f"did you mean “{stems[close[0]]}”?" if close else ""


def _check(node: Node, space: SearchSpace, *, text: str, path: Path, setting: str) -> Search:
    """The search space with its specs.

    Raises:
        SpecError: a base, baseline, field or choice that makes no valid spec, each at its line.
    """
    if problems := [*mode_problems(node, space), *name_problems(node, space)]:
        raise SpecError(problems)
    base = base_of(node, space, resolve(space.base, path.parent))
    baselines = baselines_of(node, space, path.parent, base)
    written = {name: below(node, "set", name) for name in space.set}
    search = Search(space, text, path, setting, base, baselines, written=written)
    search = at_cost(node, search)
    problems = [
        *objective_problems(node, space, base.sources),
        *condition_problems(node, space),
        *length_problems(node, space),
        *sampler_problems(node, space),
    ]
    if not problems:
        problems = [
            problem
            for field in space.vary
            for problem in _field_problems(below(node, "vary", field), field, search)
        ]
    if problems:
        raise SpecError(problems)
    return with_arms(search, node) if space.mode == "ablation" else search


def _field_problems(node: Node, field: str, search: Search) -> list[Problem]:
    """What is wrong with one varied field or with its values."""
    if field.split(".")[0] in TASK_FIELDS:
        message = "belongs to the task: scores of trials that differ in it would not compare"
        return [fault_of(node, message, f"vary.{field}")]
    if search.space.at_cost and field == "channels.start":
        return [fault_of(node, "is solved for the cost that at_cost asks for", f"vary.{field}")]
    values = search.space.vary[field].corners()
    faults = [_fault(search, field, value) for value in values]
    if all(faults) and not _has_field(search, field):
        known = [*_fields(dump_spec(search.base)), *(RECIPE + name for name in _recipe(search))]
        hint = nearest(field, sorted(known))
        return [fault_of(node, "there is no such field in the base", f"vary.{field}", hint)]
    return [
        fault_of(_value_node(node, index), described(fault, field), f"vary.{field}", fault.hint)
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
    """The dotted fields of the study's recipe, those that it does not write included."""
    recipe = search.recipe({})
    return list(
        dict.fromkeys((*_fields(recipe.model_dump(mode="json")), *type(recipe).model_fields))
    )


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
