"""The report's tables: cells with a text to read and a value to sort by."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import nan
from typing import Literal

from msdemucs.columns import COLUMNS
from msdemucs.report.frames import (
    Row,
    complete_rows,
    is_baseline,
    left_out_of,
    mapping_of,
    means_of,
    metric_of,
    number,
    quality_of,
    rows_of,
    scores_of,
    source_means,
    trial_number,
)
from msdemucs.report.fronts import study_front
from msdemucs.report.measures import MISSING, Measure, measure_of, measure_of_quality
from msdemucs.study.records import StudyRecord
from msdemucs.units import count

Kind = Literal["name", "state", "number", "text"]

HIDDEN = (
    "seconds", "macs", "latency_ms_p05", "latency_ms_p95", "rtf", "training_bytes",
    "peak_memory_bytes", "steps", "cpu_seconds", "gpu_seconds",
)  # fmt: skip
"""Measures whose columns are shown only when a reader asks, unless they are objectives."""

LAST = ("inference_bytes", "train_seconds", *HIDDEN)
"""Measures to the right of the differences, which matter more, unless they are objectives."""


@dataclass(frozen=True)
class Column:
    """A column that a reader can sort by.

    Attributes:
        header: what stands above it.
        kind: how its cells look.
        best_first: the order of the first click puts large values on top.
        title: what the header means, in one sentence; "" when it says it.
        key: its name in the CSV; the header where it is "".
        unit: of its numbers, a key of `columns.FORMATS`; "" for texts.
        is_hidden: a reader sees it only after asking for it.
    """

    header: str
    kind: Kind
    best_first: bool = False
    title: str = ""
    key: str = ""
    unit: str = ""
    is_hidden: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell's text, and what it sorts by: a number (NaN stays last) or the text itself."""

    text: str
    value: float | str


@dataclass(frozen=True)
class Line:
    """A table's row for one trial.

    Attributes:
        trial: the trial's number.
        state: its state.
        is_front: it is non-dominated in all objectives of the study.
        is_baseline: it is a named baseline.
        cells: one a column.
    """

    trial: int
    state: str
    is_front: bool
    is_baseline: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """Columns, and lines in the order in which the page first shows them."""

    columns: tuple[Column, ...]
    lines: tuple[Line, ...]


@lru_cache(maxsize=8)
def all_measures(record: StudyRecord) -> tuple[Measure, ...]:
    """The objectives, and all numbers that some trial has: qualities first, then costs."""
    of_groups = {name for name, quality in record.qualities.items() if quality.group}
    redundant = of_groups if len(of_groups) == 1 else set()  # the only one says what the whole says
    others = sorted(name for name in record.qualities if name not in redundant)
    known = [name for name, column in COLUMNS.items() if column.direction is not None]
    objectives = [name for name in record.directions if name in record.qualities]
    named = [*objectives, *others, *known, *record.directions]
    return tuple(
        measure_of(column, record)
        for column in dict.fromkeys(named)
        if column in record.directions
        or any(number(row, column) == number(row, column) for row in rows_of(record))
    )


def measures_of(record: StudyRecord) -> tuple[Measure, ...]:
    """The measures whose column in the table of trials is shown from the start."""
    return tuple(measure for measure in all_measures(record) if not is_hidden(record, measure))


def is_hidden(record: StudyRecord, measure: Measure) -> bool:
    """Whether a reader must ask for a measure's column."""
    return measure.column in HIDDEN and measure.column not in record.directions


def number_column(measure: Measure, *, is_hidden: bool = False) -> Column:
    """The column of a measure."""
    return Column(
        measure.header,
        "number",
        measure.sign > 0,
        measure.convention or measure.label,
        measure.column,
        measure.unit,
        is_hidden,
    )


def number_cell(value: float, measure: Measure) -> Cell:
    """A measured number, or a dash that sorts last."""
    return Cell(measure.text(value), value)


def plain(value: object) -> str:
    """A value of a spec on one line.

    None reads "none". A choice of a kind reads "kind (its options)". Mappings in a list that all
    have the same keys read as one list a key: "n_fft 2048, 4096; hop_length 512, 1024".
    """
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        options = [f"{name} {plain(item)}" for name, item in value.items() if name != "kind"]
        if "kind" in value:
            return plain(value["kind"]) + (f" ({'; '.join(options)})" if options else "")
        return "; ".join(options) or "none"
    if isinstance(value, list | tuple) and value:
        if all(isinstance(item, Mapping) and item.keys() == value[0].keys() for item in value):
            keys = value[0].keys()
            return "; ".join(f"{key} {plain([item[key] for item in value])}" for key in keys)
        return ", ".join(plain(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def differences_of(row: Row) -> tuple[tuple[str, str, str], ...]:
    """Field, value in the base, value in the trial, for each field that differs."""
    return tuple(
        (field, plain(pair[0]), plain(pair[1]))
        for field, pair in mapping_of(row, "differences").items()
        if isinstance(pair, list | tuple) and len(pair) == 2
    )


def chosen_text(row: Row) -> str:
    """What the sampler chose: "channels.start 8; fusion.output sum"."""
    return "; ".join(
        f"{field} {plain(rounded(value))}" for field, value in mapping_of(row, "params").items()
    )


def rounded(value: object) -> object:
    """A number that was drawn, to the digits that a person reads; the record has all of them."""
    return float(f"{value:.4g}") if isinstance(value, float) and value == value else value


def changes_text(row: Row) -> str:
    """How a trial differs from the base; what was chosen, where no spec came of it."""
    if not mapping_of(row, "spec") and mapping_of(row, "params"):
        return f"no spec; chosen: {chosen_text(row)}"
    return "; ".join(f"{field} {old} → {new}" for field, old, new in differences_of(row))


def state_text(row: Row) -> str:
    """A trial's state with its reason, and how many tracks its scores are without."""
    failure, left_out = row["failure"], left_out_of(row)
    reason = f": {failure}" if isinstance(failure, str) else ""
    tracks = count(len(left_out), "track")
    return f"{row['state']}{reason}" + (f", without {tracks}" if left_out else "")


def best_first(record: StudyRecord) -> list[Row]:
    """All trials, the best quality on top, those without one at the end, by number."""
    quality = quality_of(record)

    def rank(row: Row) -> tuple[bool, float, int]:
        value = number(row, quality.column)
        missing = value != value
        return missing, 0.0 if missing else -quality.sign * value, trial_number(row)

    return sorted(rows_of(record), key=rank)


@lru_cache(maxsize=4)
def trial_table(record: StudyRecord) -> Table:
    """Every trial with its state, its numbers and how it differs from the base."""
    measures = all_measures(record)
    last = [m for m in measures if m.column in LAST and m.column not in record.directions]
    first = [measure for measure in measures if measure not in last]
    front = study_front(record)
    base = record.attrs.get("base")
    notes = note_columns(record)
    columns = (
        Column("Trial", "name", key="name"),
        Column("State", "state", key="state"),
        *(number_column(measure, is_hidden=is_hidden(record, measure)) for measure in first),
        Column(
            f"Differs from {base if isinstance(base, str) else 'the base'} in",
            "text",
            key="differences",
        ),
        *(number_column(measure, is_hidden=is_hidden(record, measure)) for measure in last),
        *(Column(header, "text", key=key, is_hidden=True) for key, header in notes.items()),
    )
    lines = []
    for row in best_first(record):
        changes = changes_text(row)
        cells = (
            Cell(str(row["name"]), str(row["name"])),
            Cell(state_text(row), str(row["state"])),
            *(number_cell(number(row, measure.column), measure) for measure in first),
            Cell(changes or MISSING, changes),
            *(number_cell(number(row, measure.column), measure) for measure in last),
            *(note_cell(row, key) for key in notes),
        )
        trial = trial_number(row)
        lines.append(Line(trial, str(row["state"]), trial in front, is_baseline(row), cells))
    return Table(columns, tuple(lines))


NOTES = {
    "arm": "Arm",
    "is_control": "Random control",
    "duplicate_of": "Result taken from",
    "violations": "Violations",
    "spec_hash": "Spec hash",
    "started": "Started",
    "git": "Revision",
}
"""Columns of texts that a reader can ask for, where some trial has one."""


def note_columns(record: StudyRecord) -> dict[str, str]:
    """The columns of NOTES that say anything, with their headers."""
    rows = rows_of(record)
    return {key: header for key, header in NOTES.items() if any(note_of(row, key) for row in rows)}


def note_of(row: Row, key: str) -> str:
    """A text column's value; "" for nothing."""
    value = row.get(key)
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {plain(item)}" for name, item in value.items())
    return value if isinstance(value, str) else ""


def note_cell(row: Row, key: str) -> Cell:
    """A text, or a dash that sorts last."""
    text = note_of(row, key)
    return Cell(text or MISSING, text)


def source_table(record: StudyRecord) -> Table:
    """The metric of each source alone, for the complete trials, best first."""
    means, front, overall = source_means(record), study_front(record), metric_of(record)
    sources = [str(source) for source in means]
    of_all = means_of(scores_of(record), overall)
    whole, known = measure_of_quality(overall, record.split), str(overall)
    parts = [measure_of_quality(replace(overall, source=name), record.split) for name in sources]
    columns = (
        Column("Trial", "name"),
        *(
            Column(name, "number", part.sign > 0, f"{part.header}: {part.convention}")
            for name, part in zip(sources, parts, strict=True)
        ),
        Column("mean", "number", whole.sign > 0, whole.convention),
    )
    complete = {trial_number(row) for row in complete_rows(record)}
    lines = []
    for row in best_first(record):
        trial = trial_number(row)
        if trial not in complete or trial not in means.index:
            continue
        values = [float(value) for value in means.to_numpy()[means.index.get_loc(trial)]]
        cells = (
            Cell(str(row["name"]), str(row["name"])),
            *(number_cell(value, whole) for value in values),
            number_cell(number(row, known) if known in row else of_all.get(trial, nan), whole),
        )
        lines.append(Line(trial, "complete", trial in front, is_baseline(row), cells))
    return Table(columns, tuple(lines))
