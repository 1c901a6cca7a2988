"""Fields that are varied only when others have certain values: in which order they are drawn."""

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from msdemucs.spec import nearest
from msdemucs.study.search_space.variations import Variation

Vary = Mapping[str, Variation]


def in_order(vary: Vary) -> list[str]:
    """The varied fields, each after those that its condition names; else as they were written."""
    left, found = list(vary), list[str]()
    while left:
        ready = [field for field in left if not set(vary[field].when) & set(left)]
        found += ready[:1] or left  # conditions in a circle are refused elsewhere
        left = [field for field in left if field not in found]
    return found


def is_varied(vary: Vary, field: str, drawn: Mapping[str, JsonValue]) -> bool:
    """Whether a field's condition holds, given the values that were drawn before it."""
    return all(
        other in drawn and vary[other].holds(wanted, drawn[other])
        for other, wanted in vary[field].when.items()
    )


def fault(vary: Vary, field: str) -> tuple[str, str, str] | None:
    """(the field at fault inside a condition, what is wrong with it, a hint); None for nothing."""
    for other, wanted in vary[field].when.items():
        if other not in vary:
            return other, f"there is no varied field “{other}”", nearest(other, sorted(vary))
        if other in _depends_on(vary, other) or field in {other, *_depends_on(vary, other)}:
            return other, "conditions go in a circle", ""
        if wanted == []:
            return other, "needs a value, or a list of some", ""
        for one in wanted if isinstance(wanted, list) else [wanted]:
            try:
                vary[other].allows(one)
            except ValueError as error:
                return other, f"{other} {error}", ""
    return None


def required(vary: Vary, field: str) -> dict[str, JsonValue]:
    """Values of other fields with which a field is varied."""
    found: dict[str, JsonValue] = {}
    for other, wanted in vary[field].when.items():
        found |= {**required(vary, other), other: vary[other].allows(wanted)}
    return found


def _depends_on(vary: Vary, field: str) -> set[str]:
    """All fields that a field's condition needs, directly or through others."""
    found: set[str] = set()
    waiting: Iterable[str] = vary[field].when
    while waiting:
        new = {other for other in waiting if other in vary} - found
        found |= new
        waiting = [further for other in new for further in vary[other].when]
    return found
