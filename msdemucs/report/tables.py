"""The report's tables: cells with a text to read and a value to sort by."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import nan
from typing import Literal

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.followups import TEST
from msdemucs.analysis.measure import Measure, measure_of_quality
from msdemucs.analysis.trials import (
    Row,
    choice_text,
    is_baseline,
    is_busy_time,
    is_complete,
    left_out_of,
    mapping_of,
    number,
    rounded,
    short_field,
    trial_number,
)
from msdemucs.study.records import RESCORE
from msdemucs.units import MISSING, count, format_value

Kind = Literal["name", "state", "number", "choice", "text"]

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


def shown_measures(findings: Findings) -> tuple[Measure, ...]:
    """The measures whose column in the table of trials is shown from the start."""
    return tuple(measure for measure in findings.measures if not is_hidden(findings, measure))


def is_hidden(findings: Findings, measure: Measure) -> bool:
    """Whether a reader must ask for a measure's column."""
    return measure.column in HIDDEN and measure.column not in findings.record.directions


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


def number_text(row: Row, measure: Measure) -> str:
    """A trial's number with its unit, marked where it is a time of a busy machine."""
    text = measure.text(number(row, measure.column))
    return f"{text}, busy" if is_busy_time(row, measure.column) else text


def number_cell(value: float, measure: Measure) -> Cell:
    """A measured number, or a dash that sorts last."""
    return Cell(measure.text(value), value)


def differences_of(row: Row) -> tuple[tuple[str, str, str], ...]:
    """Field, value in the base, value in the trial, for each field that differs."""
    return tuple(
        (field, format_value(pair[0]), format_value(pair[1]))
        for field, pair in mapping_of(row, "differences").items()
        if isinstance(pair, list | tuple) and len(pair) == 2
    )


def chosen_text(row: Row) -> str:
    """What the sampler chose: "channels.start 8; fusion.output sum"."""
    return "; ".join(
        f"{field} {format_value(rounded(value))}"
        for field, value in mapping_of(row, "params").items()
    )


def changes_text(row: Row) -> str:
    """How a trial differs from the base; what was chosen, where no spec came of it."""
    if not mapping_of(row, "spec") and mapping_of(row, "params"):
        return f"no spec; chosen: {chosen_text(row)}"
    return "; ".join(f"{field} {old} → {new}" for field, old, new in differences_of(row))


def trial_table(findings: Findings) -> Table:
    """Every trial with its state, its numbers, its choices and how it differs from the base."""
    directions, measures = findings.record.directions, findings.measures
    last = [m for m in measures if m.column in LAST and m.column not in directions]
    first = [measure for measure in measures if measure not in last]
    objectives = [measure for measure in first if measure.column in directions]
    first = [measure for measure in first if measure not in objectives]
    afterwards, fields = afterwards_numbers(findings), findings.varied_fields
    notes = {
        key: header
        for key, header in NOTES.items()
        if any(note_of(row, key) for row in findings.rows)
    }
    columns = (
        Column("Trial", "name", key="name"),
        Column("State", "state", key="state"),
        *(number_column(measure) for measure in objectives),
        *(column for column, _, _ in afterwards),
        *(Column(short_field(field), "choice", title=field, key=field) for field in fields),
        *(number_column(measure, is_hidden=is_hidden(findings, measure)) for measure in first),
        Column(
            f"Differs from {findings.base or 'the base'} in",
            "text",
            key="differences",
            is_hidden=bool(fields),  # the choices say it shorter
        ),
        *(number_column(measure, is_hidden=is_hidden(findings, measure)) for measure in last),
        *(Column(header, "text", key=key, is_hidden=True) for key, header in notes.items()),
    )
    lines = []
    for row in findings.best_first:
        changes, trial, left_out = changes_text(row), trial_number(row), left_out_of(row)
        state = f"{row['state']}"
        state += f": {row['failure']}" if isinstance(row["failure"], str) else ""
        state += f", without {count(len(left_out), 'track')}" if left_out else ""
        cells = (
            Cell(str(row["name"]), str(row["name"])),
            Cell(state, str(row["state"])),
            *(
                Cell(number_text(row, measure), number(row, measure.column))
                for measure in objectives
            ),
            *(
                number_cell(by_trial.get(trial, nan), measure)
                for _, measure, by_trial in afterwards
            ),
            *(Cell(text, text) for text in (choice_text(row, field) for field in fields)),
            *(Cell(number_text(row, measure), number(row, measure.column)) for measure in first),
            Cell(changes or MISSING, changes),
            *(Cell(number_text(row, measure), number(row, measure.column)) for measure in last),
            *(Cell(text or MISSING, text) for text in (note_of(row, key) for key in notes)),
        )
        lines.append(
            Line(trial, str(row["state"]), trial in findings.front, is_baseline(row), cells)
        )
    return Table(columns, tuple(lines))


def afterwards_numbers(findings: Findings) -> list[tuple[Column, Measure, Mapping[int, float]]]:
    """What was computed after trials had ended: a column, its measure, and trial → number.

    Of each quality the score after the longest promotion and that on test tracks; then what
    trials were scored by again.
    """
    numbers: list[tuple[Column, Measure, Mapping[int, float]]] = []
    for quality in findings.qualities:
        promoted = findings.promoted[quality.column]
        judged = [trial for trial in findings.judged[quality.column] if not trial.recipe]
        steps = f"After {promoted[0].steps} steps of training" if promoted else ""
        kinds = (
            ("promoted", steps, {trial.trial: trial.long for trial in promoted}),
            ("test", "On test tracks", {trial.trial: trial.test for trial in judged}),
        )
        numbers += [
            (_afterwards_column(quality, kind, title), quality, by_trial)
            for kind, title, by_trial in kinds
            if by_trial
        ]
    later = findings.record.later
    again = later[later["kind"] == RESCORE] if len(later) else later
    for (name, split), rows in again.groupby(["convention", "split"], dropna=False):
        measure = findings.measure(str(name))
        by_trial = {
            int(str(trial)): float(v) for trial, v in rows.groupby("trial")["value"].mean().items()
        }
        kind = "rescored" + (f" on {split}" if split == TEST else "")
        numbers.append((_afterwards_column(measure, kind, "Scored again"), measure, by_trial))
    return numbers


def _afterwards_column(measure: Measure, kind: str, title: str) -> Column:
    column = number_column(measure)
    title = f"{title}. {column.title}"
    key = f"{measure.column} {kind}"
    return replace(column, header=f"{measure.header}, {kind}", title=title, key=key)


def constants_text(findings: Findings) -> str:
    """What all trials have in common of what could be chosen; "" for nothing."""
    shown = "; ".join(
        f"{short_field(field)} {text}" for field, text in findings.constant_choices.items()
    )
    return f"The same in all: {shown}." if shown else ""


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


def note_of(row: Row, key: str) -> str:
    """A text column's value; "" for nothing."""
    value = row.get(key)
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {format_value(item)}" for name, item in value.items())
    return value if isinstance(value, str) else ""


def source_table(findings: Findings) -> Table:
    """The metric of each source alone, for the complete trials, best first."""
    means, metric, split = findings.source_means, findings.metric, findings.record.split
    sources = [str(source) for source in means]
    whole, known = measure_of_quality(metric, split), str(metric)
    parts = [measure_of_quality(replace(metric, source=name), split) for name in sources]
    columns = (
        Column("Trial", "name"),
        *(
            Column(name, "number", part.sign > 0, f"{part.header}: {part.convention}")
            for name, part in zip(sources, parts, strict=True)
        ),
        Column("mean", "number", whole.sign > 0, whole.convention),
    )
    lines = []
    for row in findings.best_first:
        trial = trial_number(row)
        if not is_complete(row) or trial not in means.index:
            continue
        values = [float(value) for value in means.to_numpy()[means.index.get_loc(trial)]]
        mean = number(row, known) if known in row else findings.metric_means.get(trial, nan)
        cells = (
            Cell(str(row["name"]), str(row["name"])),
            *(number_cell(value, whole) for value in values),
            number_cell(mean, whole),
        )
        is_front = trial in findings.front
        lines.append(Line(trial, "complete", is_front, is_baseline(row), cells))
    return Table(columns, tuple(lines))
