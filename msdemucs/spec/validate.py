"""Nodes → a validated model, or every fault of the document at its line, in the user's words."""

import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from msdemucs.errors import Problem, SpecError, nearest
from msdemucs.spec.documents import other_document
from msdemucs.spec.kinds import Kind, kinds_of
from msdemucs.spec.source import Node, Place, nodes_of, read_yaml, read_yaml_file

Model = TypeVar("Model", bound=BaseModel)


def load_validated(path: Path, model: type[Model]) -> Model:
    """A YAML file as a model.

    Raises:
        SpecError: every fault with file, line, column and field.
    """
    return validate(read_yaml_file(path), model)


def load_validated_text(text: str, path: str, model: type[Model]) -> Model:
    """A YAML document as a model; `path` is what errors call it.

    Raises:
        SpecError: every fault with file, line, column and field.
    """
    return validate(read_yaml(text, path), model)


def validate(node: Node, model: type[Model]) -> Model:
    """The node as a model.

    Raises:
        SpecError: every fault with file, line, column and field.
    """
    try:
        return model.model_validate_json(json.dumps(node.plain()))
    except ValidationError as error:
        refuse_other_documents(node, model)
        details = _causes(error.errors(include_url=False))
        raise SpecError([_problem(detail, node, model) for detail in details]) from None


def refuse_other_documents(root: Node, model: type[BaseModel]) -> None:
    """Raise SpecError for a document of another kind, in place of a fault for every field.

    Raises:
        SpecError: by its fields it is a spec, a recipe or a search space, and not the model's.
    """
    fields = root.value if isinstance(root.value, dict) else {}
    if other := other_document(fields, model.__name__):
        message, command = other
        raise SpecError([root.place.problem(message, hint=command)])


def validate_data(data: Mapping[str, object], model: type[Model], *, origin: str = "data") -> Model:
    """Plain data as a model; errors name `origin` in place of a file.

    Raises:
        SpecError: every fault with its field.
    """
    return validate(nodes_of(data, origin), model)


def locate(root: Node, field: str) -> Place:
    """The place of a dotted field, or of the nearest section that was written."""
    node = root
    for part in field.split("."):
        child = node.child(part)
        if child is None:
            break
        node = child
    return node.place


def _causes(details: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Pydantic's errors without lists that are too short because an entry of theirs is wrong."""
    places = [detail["loc"] for detail in details]
    for detail in details:
        own = detail["loc"]
        is_inside = any(len(loc) > len(own) and loc[: len(own)] == own for loc in places)
        if detail["type"] != "too_short" or not is_inside:
            yield detail


def _problem(detail: ErrorDetails, root: Node, model: type[BaseModel]) -> Problem:
    """One of pydantic's errors in our words, at the place that caused it."""
    kind, context = detail["type"], detail.get("ctx", {})
    node, field = _walk(root, detail["loc"])
    if kind == "extra_forbidden":
        name = field.rsplit(".", 1)[-1]
        hint = nearest(name, sorted(_fields_at(model, root, detail["loc"][:-1])))
        return (node.key or node.place).problem("there is no such field", field=field, hint=hint)
    if kind == "missing":
        missing = str(detail["loc"][-1])
        field = field if field.endswith(missing) else f"{field}.{missing}".lstrip(".")
        return node.place.problem("is required and was not given", field=field)
    if kind == "union_tag_not_found":
        message = f"needs {context['discriminator']}, which says the kind"
        return node.place.problem(message, field=field)
    if kind == "union_tag_invalid":
        tag = node.child(str(context["discriminator"]).strip("'")) or node
        allowed = [name.strip().strip("'") for name in str(context["expected_tags"]).split(",")]
        message = f"there is no kind “{context['tag']}”"
        hint = nearest(str(context["tag"]), allowed)
        return tag.place.problem(message, field=f"{field}.kind", hint=hint)
    if kind == "schedule_field":
        name = str(context["name"])
        child = node.child(name) or node
        hint = nearest(name, str(context["fields"]).split(", "))
        place = child.key or child.place
        return place.problem("there is no such field", field=f"{field}.{name}", hint=hint)
    message, hint = _sentence(detail, node)
    return node.place.problem(message, field=field, hint=hint)


WORDS = {
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text",
    "a valid boolean": "true or false",
    "a valid dictionary": "a mapping (field: value)",
    "a valid list": "a list",
    "a valid tuple": "a list",
    "a valid array": "a list",
    "an object": "a mapping (field: value)",
}
"""Pydantic's words and a YAML author's."""


def _sentence(detail: ErrorDetails, node: Node) -> tuple[str, str]:
    """What a value must be and what was found, and a hint where a name is near."""
    found = _show(node.plain())
    if detail["type"] == "too_short":
        return f"needs at least {detail['ctx']['min_length']}; found {found}", ""
    text = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "literal_error":
        allowed = [
            name.strip(" '")
            for name in text.split("Input should be")[-1].replace(" or ", ",").split(",")
        ]
        return f"must be one of {', '.join(allowed)}; found {found}", nearest(
            str(node.value), allowed
        )
    text = text.replace("Input should be", "must be")
    for theirs, ours in WORDS.items():
        text = text.replace(theirs, ours)
    if "found" in text:
        return text, ""
    return f"{text}; found {found}", ""


def _show(value: object) -> str:
    """A value as YAML's reader understood it, short."""
    kinds: dict[type, str] = {str: "text", dict: "fields", list: "a list", type(None): "nothing"}
    text = json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= 60 else text[:57] + "…"
    kind = kinds.get(type(value))
    return f"{text} ({kind})" if kind in ("text", "fields", "a list") else (kind or text)


def _walk(root: Node, loc: Sequence[str | int]) -> tuple[Node, str]:
    """The node and dotted field of pydantic's loc, which also holds tags and type names."""
    node, parts = root, []
    for index, part in enumerate(loc):
        child = node.child(part)
        if child is not None:
            node = child
            parts.append(str(part))
        elif index == len(loc) - 1 and isinstance(part, str) and "[" not in part:
            parts.append(part)
    return node, ".".join(parts)


def _fields_at(model: type[BaseModel], root: Node, loc: Sequence[str | int]) -> set[str]:
    """The fields that the section at `loc` may hold."""
    found: list[type[BaseModel]] = [model]
    node = root
    for part in loc:
        node = node.child(part) or node
        fields = [
            s.model_fields[part] for s in found if isinstance(part, str) and part in s.model_fields
        ]
        if fields:
            found = [section for field in fields for section in _sections(field.annotation)]
    kind = node.child("kind")
    named = [section for section in found if kind and _kind_of(section) == kind.value]
    return {name for section in named or found for name in section.model_fields}


def _kind_of(section: type[BaseModel]) -> object:
    kind = section.model_fields.get("kind")
    return kind.default if kind else None


def _sections(annotation: object) -> Iterator[type[BaseModel]]:
    """Every section class inside an annotation: unions, tuples, Annotated, kinds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        if issubclass(annotation, Kind):
            yield from kinds_of(annotation).values()
        return
    arguments = typing.get_args(annotation)
    for argument in arguments[:1] if typing.get_origin(annotation) is Annotated else arguments:
        yield from _sections(argument)
