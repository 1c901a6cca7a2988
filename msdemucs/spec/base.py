"""The common ground of every section that a person writes in YAML."""

from pydantic import BaseModel, ConfigDict


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
