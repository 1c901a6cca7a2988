"""What trials are called: by what they are, made of the fields in which the trials differ."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from msdemucs.analysis.trials import Row, is_baseline, mapping_of, rows_of, trial_number
from msdemucs.spec.interchange import value_at
from msdemucs.study.records import StudyRecord
from msdemucs.units import MISSING, format_value

WIDTH = "channels.start"
"""The field that scales a system: "8 channels"; a baseline is named with it."""

MOST_PARTS = 6
"""Choices in one name; of more, the first in the order of the search space."""


def named_by_choices(record: StudyRecord) -> StudyRecord:
    """The study with each trial named by its choices, and each baseline with its width.

    An ablation's arms keep their names, which say what they are; so does a trial that chose
    nothing in which trials differ. Different specs of one name have their numbers in it.
    """
    rows = rows_of(record.trials)
    fields = varied_fields(rows)
    shared = _shared_labels(rows, fields)
    names = [_name(row, fields, shared) for row in rows]
    specs = {(name, row.get("spec_hash")) for name, row in zip(names, rows, strict=True)}
    n_specs = Counter(name for name, _ in specs)
    unique = [
        name if n_specs[name] == 1 or name == row["name"] else f"{name}, trial {trial_number(row)}"
        for name, row in zip(names, rows, strict=True)
    ]
    return replace(record, trials=record.trials.assign(name=unique))


def varied_fields(rows: Sequence[Row]) -> tuple[str, ...]:
    """The fields whose choices differ between trials, in the order of the search space."""
    return tuple(field for field in _chosen_fields(rows) if _varies(rows, field))


def constant_choices(rows: Sequence[Row]) -> dict[str, str]:
    """Field → choice, of those that are the same in every trial that chose them."""
    fields = [field for field in _chosen_fields(rows) if not _varies(rows, field)]
    return {field: choice_text(_holding(rows, field)[0], field) for field in fields}


def choice_text(row: Row, field: str) -> str:
    """A trial's choice by the search space's name for it; a dash where it has none.

    What a baseline has that the search space does not offer is given as its spec has it.
    """
    choices = mapping_of(row, "params")
    if field in choices:
        return label_text(choices[field])
    return label_text(_field_in(mapping_of(row, "spec"), field)) if is_baseline(row) else MISSING


def label_text(label: object) -> str:
    """A choice as a person writes it: "2048+4096" for resolutions, "[4, 2, 2]" for a list."""
    if isinstance(label, list) and label and all(isinstance(item, Mapping) for item in label):
        sizes = [item.get("n_fft") for item in label]
        return "+".join(map(str, sizes)) if None not in sizes else format_value(label)
    if isinstance(label, list):
        return json.dumps(label, ensure_ascii=False)
    return format_value(rounded(label))


def rounded(value: object) -> object:
    """A number that was drawn, to the digits that a person reads; the record has all of them."""
    return float(f"{value:.4g}") if isinstance(value, float) and value == value else value


def short_field(field: str) -> str:
    """The last two names of a dotted field: "fusion.output", "attention.mechanism"."""
    return ".".join([part for part in field.split(".") if not part.isdigit()][-2:])


def _chosen_fields(rows: Sequence[Row]) -> list[str]:
    """All fields that trials chose; one that chose the most has them in the file's order."""
    choices = sorted((mapping_of(row, "params") for row in rows), key=len, reverse=True)
    return list(dict.fromkeys(field for fields in choices for field in fields))


def _holding(rows: Iterable[Row], field: str) -> list[Row]:
    return [row for row in rows if field in mapping_of(row, "params")]


def _varies(rows: Sequence[Row], field: str) -> bool:
    """Whether trials chose differently; a baseline that cannot express a field says nothing."""
    sampled = [row for row in rows if not is_baseline(row) and mapping_of(row, "params")]
    n_choosing = len(_holding(sampled, field))
    labels = {json.dumps(mapping_of(row, "params")[field]) for row in _holding(rows, field)}
    return len(labels) > 1 or 0 < n_choosing < len(sampled)


def _shared_labels(rows: Sequence[Row], fields: Sequence[str]) -> frozenset[str]:
    """The names of choices that several fields have, which alone would not say of what."""
    labels = Counter(
        label
        for field in fields
        for label in {choice_text(row, field) for row in _holding(rows, field)}
    )
    return frozenset(label for label, n in labels.items() if n > 1)


def _name(row: Row, fields: Sequence[str], shared: frozenset[str]) -> str:
    name = str(row["name"])
    if is_baseline(row):
        width = _field_in(mapping_of(row, "spec"), WIDTH)
        return name if width is None else f"{name}, {_part(WIDTH, width, shared)}"
    choices = mapping_of(row, "params")
    parts = [_part(field, choices[field], shared) for field in fields if field in choices]
    if not parts or name != f"trial {trial_number(row)}":
        return name
    return ", ".join([*parts[:MOST_PARTS], *(["…"] if len(parts) > MOST_PARTS else [])])


def _part(field: str, label: object, shared: frozenset[str]) -> str:
    """A choice in a name: what does not say of which field it is has the field's name before it."""
    text, last = label_text(label), short_field(field).split(".")[-1]
    if field == WIDTH:
        return f"{text} channels"
    if isinstance(label, bool):
        return last if label else f"no {last}"
    if label is None or text == "none":
        return f"no {short_field(field)}"
    is_plain = isinstance(label, str) and label[:1] not in "[{" and text not in shared
    return text if is_plain else f"{last} {text}"


def _field_in(spec: Mapping[str, object], field: str) -> object:
    """What a spec's plain data have at a dotted field; None where they have none."""
    try:
        return value_at(spec, field)
    except KeyError:
        return None
