"""The trials of a study as rows: what they are called, their states, their losses."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from numbers import Real

import pandas as pd

from msdemucs.columns import MOST_BUSY, TIMED
from msdemucs.spec.interchange import value_at
from msdemucs.study.records import STATES, StudyRecord
from msdemucs.units import MISSING, count, format_value, percent

Row = Mapping[str, object]
"""A trial: TRIAL_COLUMNS, and its qualities, by name."""


@dataclass(frozen=True)
class StateCount:
    """How many trials are in a state, and why, the commonest reason first."""

    state: str
    n: int
    reasons: tuple[tuple[str, int], ...]


def rows_of(trials: pd.DataFrame) -> tuple[Row, ...]:
    """A frame's rows, each a mapping of its columns."""
    return tuple(
        {str(column): value for column, value in row.items()} for row in trials.to_dict("records")
    )


def number(row: Row, column: str) -> float:
    """A row's finite number, or NaN for one that is absent, infinite or not a number."""
    value = row.get(column)
    if isinstance(value, bool) or not isinstance(value, Real) or not isfinite(value):
        return nan
    return float(value)


def trial_number(row: Row) -> int:
    """A row's trial number."""
    return int(number(row, "trial"))


def is_complete(row: Row) -> bool:
    """Whether the trial came to its end."""
    return row["state"] == "complete"


def is_baseline(row: Row) -> bool:
    """Whether the row is a named baseline; pandas may hold an absent name as NaN."""
    return isinstance(row.get("baseline"), str)


def is_copy(row: Row) -> bool:
    """Whether the trial took another's result, and trained nothing."""
    return isinstance(row.get("duplicate_of"), str)


def is_busy_time(row: Row, column: str) -> bool:
    """Whether a row's number is a time that was measured while others kept the cores busy."""
    return column in TIMED and number(row, "latency_busy") > MOST_BUSY


def without_busy_times(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials, those times unknown that were measured while others kept the cores busy.

    They tell more of the machine's load than of the spec.
    """
    if "latency_busy" not in trials:
        return trials
    is_busy = pd.to_numeric(trials["latency_busy"]) > MOST_BUSY
    if not is_busy.any():
        return trials
    times = [column for column in TIMED if column in trials]
    return trials.assign(**{column: trials[column].mask(is_busy, nan) for column in times})


def busy_times_text(trials: pd.DataFrame) -> str:
    """How many latencies of complete trials count for nothing, and why; "" where all count."""
    rows = [row for row in rows_of(trials) if is_complete(row)]
    n_busy = sum(is_busy_time(row, TIMED[0]) for row in rows)
    if not n_busy:
        return ""
    return (
        f"The latency of {n_busy} of {count(len(rows), 'complete trial')} was measured while "
        f"others kept more than {percent(MOST_BUSY)} of the cores busy: it counts on no front and "
        "in no hypervolume."
    )


def mapping_of(row: Row, column: str) -> Mapping[str, object]:
    """A row's mapping, empty where it has none."""
    value = row.get(column)
    return value if isinstance(value, Mapping) else {}


def exceeded_constraints(row: Row) -> tuple[str, ...]:
    """The constraints that a trial exceeds, as only a baseline can that was trained."""
    return tuple(mapping_of(row, "violations"))


def left_out_of(row: Row) -> tuple[str, ...]:
    """Why each track that a trial's scores are without could not be used."""
    value = row.get("left_out")
    return tuple(str(reason) for reason in value) if isinstance(value, list | tuple) else ()


def count_states(rows: Sequence[Row]) -> tuple[StateCount, ...]:
    """The states that occur, in the order of STATES, with the reasons that trials gave."""
    counts = []
    for state in STATES:
        in_state = [row for row in rows if row["state"] == state]
        reasons = Counter(_reason(row) for row in in_state if isinstance(row["failure"], str))
        if in_state:
            counts.append(StateCount(state, len(in_state), tuple(reasons.most_common())))
    return tuple(counts)


def _reason(row: Row) -> str:
    """Why a trial did not complete; where stopped ones stood at a rung is told in their rows."""
    step = number(row, "stopped_at")
    is_stopped = row["state"] == "stopped" and isfinite(step)
    return f"behind at step {step:.0f}" if is_stopped else str(row["failure"])


@dataclass(frozen=True)
class Curve:
    """The training loss of one trial."""

    trial: int
    name: str
    state: str
    is_baseline: bool
    steps: tuple[int, ...]
    losses: tuple[float, ...]


def learning_curves(curves: pd.DataFrame, rows: Sequence[Row]) -> tuple[Curve, ...]:
    """Every trial's finite losses by step; trials without one are left out.

    Args:
        curves: CURVE_COLUMNS.
        rows: the trials, in the order of the result.
    """
    finite = curves[curves["loss"].map(isfinite).astype(bool)]
    by_trial = dict(list(finite.sort_values("step").groupby("trial")))
    return tuple(
        Curve(
            trial,
            str(row["name"]),
            str(row["state"]),
            is_baseline(row),
            tuple(int(step) for step in by_trial[trial]["step"]),
            tuple(float(loss) for loss in by_trial[trial]["loss"]),
        )
        for row in rows
        if (trial := trial_number(row)) in by_trial
    )


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
    labels = Counter(
        label
        for field in fields
        for label in {choice_text(row, field) for row in _holding(rows, field)}
    )
    # what several fields' choices are called would not say alone of what it is
    shared = frozenset(label for label, n_fields in labels.items() if n_fields > 1)
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
