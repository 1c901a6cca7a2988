"""A search space's file, read: one setting of it, with every spec that it can name tried.

Base and baselines are specs by themselves; of varied fields every choice is tried, with values of
the others where it needs them. Each fault is told at its line.
"""

import difflib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from msdemucs.errors import PlanError, Problem, SpecError, UsageError
from msdemucs.metrics import USUAL
from msdemucs.spec import Spec, dump_spec, load_spec, nearest
from msdemucs.spec.sections import refuse_other_documents, validate
from msdemucs.spec.source import Node, read_text, read_yaml, split_field
from msdemucs.study.ablation.arms import with_arms
from msdemucs.study.records import COMPUTED, asked_quality, qualities_of
from msdemucs.study.search_space.fields import RECIPE, described, recipe_fields, spec_fields
from msdemucs.study.search_space.sampling import (
    EXHAUSTIVE,
    OPTIONS,
    known_experiments,
    option_fault,
    sampler_options,
)
from msdemucs.study.search_space.space import TASK_FIELDS, Search, SearchSpace, resolve
from msdemucs.study.search_space.variations import WAYS, combinations, fault, required

MOST_TRIED = 64
"""How many combinations with other fields' values are tried before a value is refused."""

WITHOUT_MEANING = {
    "search": ("factors", "design"),
    "ablation": ("vary", "baselines", "fidelity", "sampler"),
}
"""What belongs to a study of the other mode."""

LENGTHS = ("recipe.steps", "recipe.epochs", "recipe.steps_per_epoch")
"""Recipe fields that say how long a training is."""

MOST_GONE_THROUGH = 100_000
"""Of an exhaustive sampler: far more than anyone trains."""


def load_search_space(path: Path, *, small: bool = False) -> Search:
    """A search space from YAML, with every spec that it can name tried.

    Args:
        path: the file.
        small: take the fields under `small:` in place of the full setting's.

    Raises:
        SpecError: a field that is wrong, a baseline or choice that makes no valid spec.
    """
    if not path.exists():
        stems = {other.stem: other for other in sorted(path.parent.glob("[!.]*.yaml"))}
        close = difflib.get_close_matches(path.stem, stems, n=1)
        hint = f"did you mean “{stems[close[0]]}”?" if close else ""
        raise SpecError([Problem("there is no such file", path=str(path), hint=hint)])
    return parse_search_space(read_text(path), path, small=small)


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
    problems = []
    vary = node.child("vary")
    for name, written in vary.value.items() if vary and isinstance(vary.value, dict) else ():
        if isinstance(written.value, dict):
            continue
        value = written.plain()
        shown = json.dumps(value, ensure_ascii=False)
        hint = (
            f"{{choice: {shown if isinstance(value, list) else f'[{shown}]'}}} tries each of these "
            "values, {int: [low, high]} and {float: [low, high]} are ranges; what does not vary "
            "stands under set"
        )
        message = f"must say how it varies; found {shown}"
        problems.append(written.place.problem(message, field=f"vary.{name}", hint=hint))
    if problems:
        raise SpecError(problems)
    return validate(node, SearchSpace)


def problem_at(search: Search, field: str, message: str) -> Problem:
    """A problem with a field of the search space that only a later step could find."""
    root = read_yaml(search.text, str(search.path))
    node = setting_of(root, small=search.setting == "small")
    return node.below(*field.split(".")).place.problem(message, field=field)


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


def _check(node: Node, space: SearchSpace, *, text: str, path: Path, setting: str) -> Search:
    """The search space with its specs.

    Raises:
        SpecError: a base, baseline, field or choice that makes no valid spec, each at its line.
    """
    if problems := [*_name_problems(node, space)]:
        raise SpecError(problems)
    fields, source = spec_fields(space.set), resolve(space.base, path.parent)
    _refuse_field(node, source, fields)
    base = _spec_at(node.below("base"), "base", source, fields)
    baselines = _baselines(node, space, path.parent, base)
    written = {name: node.below("set", name) for name in space.set}
    search = Search(space, text, path, setting, base, baselines, written=written)
    search = _at_cost(node, search)
    problems = [*_field_problems(node, space, base.sources), *_sampler_problems(node, space)]
    for field in space.vary if not problems else ():
        problems += _value_problems(node.below("vary", field), field, search)
    if problems:
        raise SpecError(problems)
    return with_arms(search, node) if space.mode == "ablation" else search


# What only the whole shows to be wrong


def _name_problems(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """Fields that this mode does not read, or whose names are none or twice there; arms' names."""
    for name in WITHOUT_MEANING[space.mode]:
        written = node.child(name)
        if written and written.value not in ({}, [], None):
            message = f"has no meaning in a study of mode {space.mode}"
            if name == "factors":
                message += "; add the line “mode: ablation”, which trains them"
            yield node.problem_at((name,), message)
    places = [("vary",), ("set",), *(("baselines", name) for name in space.baselines)]
    for factor, alternatives in space.factors.items():
        for name in (factor, *alternatives):
            if re.search(r"[=,\n]", name) or not name.strip():
                message = f"the arms are called “factor=alternative, …”: “{name}” cannot be told"
                parts = ("factors", factor, *([name] if name != factor else []))
                yield node.problem_at(parts, message, "take letters, digits and spaces")
            elif name in alternatives:
                places.append(("factors", factor, name))
    for place in places:
        yield from _misnamed(node, place)


def _misnamed(node: Node, place: tuple[str, ...]) -> Iterator[Problem]:
    """What is wrong with the names of the fields in one section."""
    section = node
    for part in place:
        section = section.child(part) or Node({}, node.place)
    seen: dict[str, str] = {}
    for field in section.value if isinstance(section.value, dict) else ():
        plain = ".".join(split_field(field))
        if not plain or field.startswith(".") or field.endswith(".") or ".." in field:
            message = f"“{field}” is no field: names are joined by single dots"
            yield node.problem_at((*place, field), message)
        elif plain in seen:
            yield node.problem_at((*place, field), f"is the same field as “{seen[plain]}”")
        seen[plain] = field


def _field_problems(node: Node, space: SearchSpace, sources: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with qualities' sources, with conditions, and with what is varied beside rungs.

    Groups of qualities are known once there are tracks.
    """
    for name in qualities_of(space.objectives):
        try:
            asked_quality(name, sources=sources)
        except UsageError as error:
            yield node.problem_at(("objectives", name), str(error))
    for field in space.vary:
        if condition := fault(space.vary, field):
            other, message, hint = condition
            yield node.problem_at(("vary", field, "when", other), message, hint)
        if space.fidelity and field in LENGTHS:
            message = "rungs compare trials of one length: vary this in a study without fidelity"
            yield node.problem_at(("vary", field), message)


def _sampler_problems(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """What is wrong with the sampler's options, and with the space for the sampler."""
    kind = space.sampler.kind
    if option := option_fault(space.sampler):
        name, message, hint = option
        yield node.problem_at(("sampler", "options", name), message, hint)
        return
    if kind in EXHAUSTIVE:
        unfit = [*_endless(node, space)]
    else:
        unfit = [*_unmodelled(node, space)] if kind == "surrogate" else []
    yield from unfit
    if unfit or any(fault(space.vary, field) for field in space.vary):
        return
    try:
        with known_experiments():
            OPTIONS[kind](**sampler_options(space.sampler, space.vary))
    except (TypeError, ValueError, AttributeError) as error:
        yield node.problem_at(("sampler", "options"), f"{kind} refuses them: {error}")


def _endless(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """Fields that an exhaustive sampler cannot go through."""
    kind = space.sampler.kind
    for field, variation in space.vary.items():
        if variation.n_values is None:
            message = f"{kind} tries every value: a float range needs a step"
            yield node.problem_at(("vary", field, "float"), message)
        if variation.log:
            message = f"{kind} tries every value: list them as a choice in place of log"
            yield node.problem_at(("vary", field, "log"), message)
        if kind == "grid" and variation.when:
            message = "grid knows no conditions"
            yield node.problem_at(("vary", field, "when"), message, "use kind: brute_force")
    sizes = [variation.n_values for variation in space.vary.values()]
    if None in sizes or any(fault(space.vary, field) for field in space.vary):
        return
    is_large = any(size > MOST_GONE_THROUGH for size in sizes if size is not None)
    beyond = itertools.islice(combinations(space.vary), MOST_GONE_THROUGH, None)
    if is_large or next(beyond, None) is not None:
        message = f"{kind} would try more than {MOST_GONE_THROUGH:,} combinations: narrow vary"
        yield node.problem_at(("sampler", "kind"), message)


def _unmodelled(node: Node, space: SearchSpace) -> Iterator[Problem]:
    """What a surrogate cannot follow."""
    qualities = qualities_of(space.objectives)
    for name in space.objectives:
        if name not in (*qualities, *COMPUTED):
            message = (
                "surrogate models a quality beside costs that are known before a model is built"
            )
            yield node.problem_at(("objectives", name), message, f"leave {name} out")
    if not qualities:
        message = "surrogate needs a quality among the objectives"
        yield node.problem_at(("objectives",), message, f"add {USUAL}")
    for name in sorted(space.fidelity.model_fields_set - {"rungs"} if space.fidelity else ()):
        message = f"surrogate decides itself who goes on: {name} has no meaning beside it"
        yield node.problem_at(("fidelity", name), message, f"leave {name} out")


# The base and the baselines


def _refuse_field(node: Node, source: str | Path, fields: Mapping[str, object]) -> None:
    """Raise SpecError for a field of `set` at fault, unless the base itself is.

    Raises:
        SpecError: the first field of `set` that makes it no spec, at its line.
    """
    names = list(fields)
    for count in range(len(names) + 1 if names else 0):
        overrides = {name: fields[name] for name in names[:count]}
        try:
            load_spec(source, overrides=overrides)
        except PlanError:
            continue  # it may do together with the fields that follow
        except UsageError:
            return
        except SpecError as error:
            if not count:
                return
            name, first = names[count - 1], error.first
            message = described(first, name)
            raise SpecError([node.problem_at(("set", name), message, first.hint)]) from None


def _baselines(node: Node, space: SearchSpace, folder: Path, base: Spec) -> dict[str, Spec]:
    """Every baseline's spec.

    Raises:
        SpecError: a baseline that is no valid spec or has another task than the base.
    """
    specs: dict[str, Spec] = {}
    alike = spec_fields(space.set)
    for name, fields in space.baselines.items():
        listed = node.below("baselines", name)
        field = f"baselines.{name}"
        for key in recipe_fields(fields):
            message = "baselines are trained as all trials are: put it under set"
            at = listed.below(RECIPE + key)
            raise SpecError([at.problem(message, field=f"{field}.{RECIPE}{key}")])
        spec = _spec_at(listed, field, resolve(name, folder), {**alike, **fields})
        for task in TASK_FIELDS[1:]:
            here, there = getattr(spec, task), getattr(base, task)
            if here != there:
                shown, usual = (json.dumps(v, ensure_ascii=False) for v in (here, there))
                message = f"{task} is {shown}, but the base has {usual}: scores would not compare"
                raise SpecError([listed.place.problem(message, field=field)])
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
        raise SpecError([node.problem(str(error), field=field)]) from None
    except SpecError as error:
        problem = node.problem(described(error.first), field=field, hint=error.first.hint)
        raise SpecError([problem]) from None


def _at_cost(node: Node, search: Search) -> Search:
    """The search with its base and baselines at the cost that it asks for, if it asks for one.

    Raises:
        SpecError: one that no width brings near it, at the line that names it.
    """
    space, solved = search.space, dict[str, Spec]()
    if space.at_cost is None:
        return search
    for name, spec in {"": search.base, **search.baselines}.items():
        has_width = any("channels" in field for field in space.baselines.get(name, ()))
        try:
            solved[name] = spec if has_width else search.at_cost(spec)
        except SpecError as error:
            place = ("baselines", name) if name else ("base",)
            raise SpecError([node.problem_at(place, described(error.first))]) from None
    return replace(search, base=solved.pop(""), baselines=solved)


# Varied fields


def _value_problems(node: Node, field: str, search: Search) -> list[Problem]:
    """What is wrong with one varied field or with its values."""
    at = f"vary.{field}"
    if field.split(".")[0] in TASK_FIELDS:
        message = "belongs to the task: scores of trials that differ in it would not compare"
        return [node.problem(message, field=at)]
    if search.space.at_cost and field == "channels.start":
        return [node.problem("is solved for the cost that at_cost asks for", field=at)]
    refusals = [_refusal(search, field, value) for value in search.space.vary[field].corners()]
    plain, known = ".".join(split_field(field)), {*_dotted(dump_spec(search.base))}
    if all(refusals) and plain not in known:
        recipe = search.recipe({})
        of_recipe = (*_dotted(recipe.model_dump(mode="json")), *type(recipe).model_fields)
        known |= {RECIPE + name for name in of_recipe}
        if plain not in known:
            hint = nearest(field, sorted(known))
            return [node.problem("there is no such field in the base", field=at, hint=hint)]
    values = next((values for way in WAYS if (values := node.child(way))), node)
    entries = [*values.value.values()] if isinstance(values.value, dict) else values.value
    if node.child("subset") or not isinstance(entries, list):
        entries = [values] * len(refusals)
    return [
        entry.problem(described(refusal, field), field=at, hint=refusal.hint)
        for entry, refusal in zip(entries, refusals, strict=True)
        if refusal is not None
    ]


def _dotted(data: object, path: str = "") -> Iterator[str]:
    """Every dotted field of plain data, sections included."""
    if path:
        yield path
    listed = dict(enumerate(data)) if isinstance(data, list) else data
    for name, value in listed.items() if isinstance(listed, dict) else ():
        yield from _dotted(value, f"{path}.{name}".lstrip("."))


def _refusal(search: Search, field: str, value: object) -> Problem | None:
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
    attempts: itertools.chain[dict[str, object]] = itertools.chain(
        [{}],
        ({name: other} for name, values in others.items() for other in values),
        (dict(zip(others, values, strict=True)) for values in itertools.product(*others.values())),
    )
    for combination in itertools.islice(attempts, MOST_TRIED):
        try:
            make({**combination, **needed, field: value})
        except SpecError as error:
            first = first or error.first
        else:
            return None
    return first
