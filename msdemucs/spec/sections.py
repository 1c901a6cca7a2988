"""Sections: what is written in YAML, as strict models, and every fault of a document at its line.

A *kind* is a section derived from the base of its sort, with `kind: Literal["its name"]`. Defining
the class is all it takes: validation, its messages and the JSON Schema look kinds up when they are
asked, so that a kind may also live in a user's own file.
"""

import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, PydanticKnownError, core_schema

from msdemucs.errors import Problem, SpecError, nearest
from msdemucs.spec.source import Node, nodes_of, read_yaml, read_yaml_file


class Section(BaseModel):
    """A frozen, strict mapping: unknown fields are refused, nothing is converted silently.

    A docstring below a field is the single text for JSON Schema, command-line help and docs.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )


class Kind(Section):
    """The base of all sorts of options that come in kinds."""

    kind: str
    """What YAML calls it."""


K = TypeVar("K", bound=Kind)


def kinds_of(base: type[K]) -> dict[str, type[K]]:
    """The kinds that are defined now, by name."""
    kinds: dict[str, type[K]] = {}
    for section in base.__subclasses__():
        default = section.model_fields["kind"].default
        if isinstance(default, str):
            kinds[default] = section
        kinds |= kinds_of(section)
    return kinds


@dataclass(frozen=True)
class OneOf:
    """An annotation: the field takes any kind of the sort."""

    base: type[Kind]

    def validate(self, value: object) -> Kind:
        """The options of the kind that the value names.

        Raises:
            PydanticKnownError: no kind, or one that is not defined.
        """
        if isinstance(value, self.base):
            return value
        if not isinstance(value, Mapping):
            raise PydanticKnownError("dict_type")
        known = kinds_of(self.base)
        name = value.get("kind")
        if name is None:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": "'kind'"})
        if not isinstance(name, str) or name not in known:
            context = {
                "discriminator": "'kind'",
                "tag": str(name),
                "expected_tags": ", ".join(f"'{kind}'" for kind in known),
            }
            raise PydanticKnownError("union_tag_invalid", context)
        # as JSON, in which strict mode takes lists for tuples
        return known[name].model_validate_json(json.dumps(value))

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validated and written by the kind itself."""
        del source, handler
        write = core_schema.plain_serializer_function_ser_schema(
            lambda kind: kind.model_dump(mode="json")
        )
        return core_schema.no_info_plain_validator_function(self.validate, serialization=write)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Any of the kinds that are defined now."""
        del schema
        members = [handler(kind.__pydantic_core_schema__) for kind in kinds_of(self.base).values()]
        return {"oneOf": members}


@dataclass(frozen=True)
class Document:
    """A kind of YAML file.

    Attributes:
        name: what people call it.
        marks: top-level fields that no other kind has.
        command: what takes it.
    """

    name: str
    marks: frozenset[str]
    command: str


DOCUMENTS = {
    "Spec": Document(
        "a spec",
        frozenset({"extends", "channels", "depth", "kernel_size", "stride", "spectral"})
        | {"waveform", "fusion", "attention", "sources", "norm", "merge", "lstm", "residual"},
        "msdemucs spec build FILE shows it, msdemucs train FILE trains it",
    ),
    "Recipe": Document(
        "a recipe",
        frozenset({"steps", "epochs", "batch_size", "lr", "optimiser", "schedule", "loss"})
        | {"ema", "clip_norm", "precision", "remix", "gain", "flip", "warmup_steps", "validation"},
        "msdemucs train SPEC --recipe FILE trains by it",
    ),
    "SearchSpace": Document(
        "a search space",
        frozenset({"base", "vary", "factors", "design", "baselines", "objectives", "trials"})
        | {"constraints", "fidelity", "sampler", "recipe", "data", "mode", "repeats", "title"},
        "msdemucs study run FILE runs it",
    ),
}
"""The kinds by the names of their models."""


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
        details = error.errors(include_url=False)
        places = [detail["loc"] for detail in details]
        causes = (  # a list may be too short because an entry of its own is wrong
            detail
            for detail in details
            if detail["type"] != "too_short"
            or not any(loc[:-1][: len(detail["loc"])] == detail["loc"] for loc in places)
        )
        raise SpecError([_problem(detail, node, model) for detail in causes]) from None


def refuse_other_documents(root: Node, model: type[BaseModel]) -> None:
    """Raise SpecError for a document of another kind, in place of a fault for every field.

    Raises:
        SpecError: by its fields it is a spec, a recipe or a search space, and not the model's.
    """
    fields = root.value.keys() if isinstance(root.value, dict) else set[str]()
    expected = DOCUMENTS.get(model.__name__)
    likeliest = max(DOCUMENTS.values(), key=lambda kind: len(kind.marks & fields))
    if expected and len(likeliest.marks & fields) > len(expected.marks & fields):
        message = f"is {likeliest.name}, and no {expected.name.removeprefix('a ')}"
        raise SpecError([root.place.problem(message, hint=likeliest.command)])


def validate_data(data: Mapping[str, object], model: type[Model], *, origin: str = "data") -> Model:
    """Plain data as a model; errors name `origin` in place of a file.

    Raises:
        SpecError: every fault with its field.
    """
    return validate(nodes_of(data, origin), model)


def _problem(detail: ErrorDetails, root: Node, model: type[BaseModel]) -> Problem:
    """One of pydantic's errors in our words, at the place that caused it."""
    kind, context = detail["type"], detail.get("ctx", {})
    node, field = _walk(root, detail["loc"])
    if kind == "extra_forbidden":
        name = field.rsplit(".", 1)[-1]
        hint = nearest(name, sorted(_fields_at(model, root, detail["loc"][:-1])))
        return node.problem("there is no such field", field=field, hint=hint)
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
        return child.problem("there is no such field", field=f"{field}.{name}", hint=hint)
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
    """What a value must be and what YAML's reader understood, and a hint where a name is near."""
    value = node.plain()
    kinds: dict[type, str] = {str: "text", dict: "fields", list: "a list"}
    kind, shown = kinds.get(type(value)), json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= 60 else shown[:57] + "…"
    shown_value = "nothing" if value is None else f"{shown} ({kind})" if kind else shown
    if detail["type"] == "too_short":
        return f"needs at least {detail['ctx']['min_length']}; found {shown_value}", ""
    text = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "literal_error":
        allowed = [
            name.strip(" '")
            for name in text.split("Input should be")[-1].replace(" or ", ",").split(",")
        ]
        hint = nearest(str(node.value), allowed)
        return f"must be one of {', '.join(allowed)}; found {shown_value}", hint
    text = text.replace("Input should be", "must be")
    for theirs, ours in WORDS.items():
        text = text.replace(theirs, ours)
    if "found" in text:
        return text, ""
    return f"{text}; found {shown_value}", ""


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
    sections: list[type[BaseModel]] = [model]
    node = root
    for part in loc:
        node = node.child(part) or node
        fields = [s.model_fields[str(part)] for s in sections if part in s.model_fields]
        if fields:
            sections = [section for field in fields for section in _sections(field.annotation)]
    kind = node.child("kind")
    named = [
        section
        for section in sections
        if kind
        and "kind" in section.model_fields
        and section.model_fields["kind"].default == kind.value
    ]
    return {name for section in named or sections for name in section.model_fields}


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
