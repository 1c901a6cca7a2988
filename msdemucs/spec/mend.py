"""The smallest change of one field with which a refused spec builds."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from msdemucs.errors import SpecError
from msdemucs.spec.fusion import OutputOptions
from msdemucs.spec.interchange import dump_spec, get_field, parse_spec
from msdemucs.spec.schema import Spec
from msdemucs.spec.sections import kinds_of

NUMBERS = (
    "depth",
    "channels",
    "kernel_size",
    "stride",
    "segment",
    "merge",
    "waveform.kernel_size",
    "waveform.stride",
    "waveform.resample",
    "spectral.resolutions",
    "norm.groups",
    "norm.starts",
    "rewrite.encoder",
    "rewrite.decoder",
    "residual.depth",
    "residual.attention.heads",
    "attention",
)
"""Fields whose whole numbers, on their own or inside, decide whether sizes work out."""

CHOICES: dict[str, tuple[object, ...]] = {
    "fusion.output.kind": tuple(kinds_of(OutputOptions)),
    "padding": ("same", "valid"),
    "decoder_start": ("bottleneck", "zeros"),
    "merge": (None,),
    "lstm": (None,),
    "waveform.estimate": ("add",),
}
"""Fields that have few values."""


@dataclass(frozen=True)
class Change:
    """One field, what it is and what it could be."""

    field: str
    old: object
    new: object

    def __str__(self) -> str:
        """`kernel_size: 7 → 8`."""
        old, new = ("null" if value is None else value for value in (self.old, self.new))
        return f"{self.field}: {old} → {new}"


def mend(spec: Spec, field: str) -> Change | None:
    """The smallest change of one field with which the spec builds; None where none is enough.

    A number's change is as large as the logarithm of its factor; changes of the refused field
    itself come before equal ones elsewhere, and other numbers before other kinds.

    Args:
        spec: valid in itself, but refused by its plan.
        field: the refused field.
    """

    def size(change: Change) -> tuple[float, bool, str]:
        old, new, factor = change.old, change.new, 10.0
        if isinstance(old, int | float) and isinstance(new, int | float):
            factor = abs(math.log2(new / old)) if old else float(new)
        is_near = change.field == field or change.field.startswith(f"{field}.")
        return factor, not is_near, change.field

    data = dump_spec(spec)
    for change in sorted(_changes(spec), key=size):
        try:
            parse_spec(data, overrides={change.field: change.new})
        except SpecError:
            continue
        return change
    return None


def _changes(spec: Spec) -> Iterator[Change]:
    for name in NUMBERS:
        try:
            value = get_field(spec, name)
        except KeyError:
            continue
        for field, number in _numbers(name, value):
            if isinstance(number, int):  # whole where the field's are
                around = {number + step for step in (-4, -3, -2, -1, 1, 2, 3, 4)}
                around |= {number * 2**power for power in (1, 2, 3, 4)} | {number // 2, number // 4}
                news: list[float] = sorted(new for new in around if new >= 1 and new != number)
            else:
                news = [number * 2**power for power in (1, 2, 3, 4)] if field == "segment" else []
            yield from (Change(field, number, new) for new in news)
    for field, choices in CHOICES.items():
        try:
            old = get_field(spec, field)
        except KeyError:
            continue
        yield from (Change(field, old, new) for new in choices if new != old)


def _numbers(field: str, value: object) -> Iterator[tuple[str, float]]:
    """Every number inside a field's value, by its dotted field."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield field, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _numbers(f"{field}.{name}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _numbers(f"{field}.{index}", inner)
