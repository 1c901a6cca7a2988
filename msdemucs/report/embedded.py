"""What the page's script works with: the table, the fields to colour by, the budgets, as JSON."""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from numbers import Real

from markupsafe import Markup

from msdemucs.analysis.pooling import pooled, repeated
from msdemucs.report.budgets import ladders_of, recipes_of
from msdemucs.report.findings import main_cost
from msdemucs.report.frames import Row, mapping_of, number, rows_of, trial_number
from msdemucs.report.fronts import trade_of
from msdemucs.report.tables import Table, measures_of, plain, source_table, trial_table
from msdemucs.study.records import STUDY_COLUMN, StudyRecord

Json = dict[str, object]

PARCEL = 40
"""Details of so many trials are compressed together: they repeat each other."""

MOST_FIELDS = 60
"""Fields to colour by, at most: those with the most trials that differ."""


def embed_json(value: object) -> Markup:
    """JSON that may stand inside a script element: no character in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 (json.dumps leaves ASCII only, without mark-up)


def packed(texts: Sequence[str]) -> list[str]:
    """Texts in parcels of PARCEL: a JSON list each, deflated, in base 64."""
    parcels = [texts[start : start + PARCEL] for start in range(0, len(texts), PARCEL)]
    return [
        base64.b64encode(zlib.compress(json.dumps(parcel).encode(), 9)).decode()
        for parcel in parcels
    ]


def page_data(record: StudyRecord) -> Json:
    """Everything of a study that the page's script sorts, filters, colours and recommends by."""
    ladders = ladders_of(record)
    return {
        "study": record.name,
        "colour": "f0" if STUDY_COLUMN in record.trials else "",
        "tables": {
            "trials": table_data(trial_table(record)),
            "sources": table_data(source_table(record)),
        },
        "fields": list(fields_of(record)),
        "budgets": [
            {
                "column": ladder.column,
                "label": ladder.label,
                "unit": ladder.unit,
                "low": ladder.low,
                "high": ladder.high,
                "steps": [[step.trial, step.cost, *step.texts] for step in ladder.steps],
            }
            for ladder in ladders
        ],
        "recipes": recipes_of(record, ladders),
        "order": [trial_number(row) for row in rows_of(record)],
        "arms": list(arms_data(record)),
        "bars": bars_data(record),
    }


def arms_data(record: StudyRecord) -> Iterable[Json]:
    """Each spec of several trials: all of them, the one of its points first; its numbers' means."""
    measures = measures_of(record)
    rows = {trial_number(row): row for row in rows_of(pooled(record))}
    for arm in repeated(record):
        row = rows[arm.trial]
        known = [m for m in measures if number(row, m.column) == number(row, m.column)]
        means = {m.header: m.text(number(row, m.column)) for m in known}
        own = sorted(arm.trials, key=lambda trial: trial != arm.trial)
        yield {"trials": own, "means": means}


def bars_data(record: StudyRecord) -> Json:
    """What stands over a point of its quality: [text, points] for each text, as they are few."""
    trade = trade_of(record, main_cost(record))
    texts: dict[str, list[int]] = {}
    for point in trade.points:
        parts = [f"± {trade.y.text(point.half_width)}"] if isfinite(point.half_width) else []
        parts += [f"mean of {point.n_seeds} seeds"] if point.n_seeds > 1 else []
        if parts:
            texts.setdefault(", ".join(parts), []).append(point.trial)
    convention = "±: 95 % t-interval, pooled σ" if trade.noise else ""
    return {"quality": trade.y.header, "texts": list(texts.items()), "convention": convention}


def table_data(table: Table) -> Json:
    """A table as columns and rows; a row is [trial, state, front, baseline, texts, values].

    A value is null where it sorts last, and where it is the text itself.
    """
    return {
        "columns": [
            {
                "header": column.header,
                "kind": column.kind,
                "bestFirst": column.best_first,
                "key": column.key or column.header,
                "unit": column.unit,
                "hidden": column.is_hidden,
            }
            for column in table.columns
        ],
        "rows": [
            [
                line.trial,
                line.state,
                int(line.is_front),
                int(line.is_baseline),
                [cell.text for cell in line.cells],
                [_value(cell.value, cell.text) for cell in line.cells],
            ]
            for line in table.lines
        ],
    }


def _value(value: float | str, text: str) -> float | str | None:
    if isinstance(value, str):
        return None if value == text else value
    return value if value == value else None


def fields_of(record: StudyRecord) -> Iterable[Json]:
    """Each spec field that trials differ in: its distinct values, and each trial's one of them.

    A trial that does not differ from the base has the base's value; one without a spec has -1.
    """
    rows = rows_of(record)
    if STUDY_COLUMN in record.trials:
        yield study_field(rows)
    found = {trial_number(row): values_of(row) for row in rows}
    counts: dict[str, int] = {}
    bases: dict[str, object] = {}
    for row in rows:
        for field, pair in mapping_of(row, "differences").items():
            counts[field] = counts.get(field, 0) + 1
            bases[field] = pair[0] if isinstance(pair, list | tuple) and pair else None
    for field in sorted(counts, key=lambda name: (-counts[name], name))[:MOST_FIELDS]:
        values: dict[str, int] = {}
        numbers: dict[str, object] = {}
        codes = []
        for row in rows:
            has_spec = bool(mapping_of(row, "spec"))
            value = found[trial_number(row)].get(field, bases[field])
            text = plain(value)
            numbers[text] = value
            codes.append(values.setdefault(text, len(values)) if has_spec else -1)
        is_numeric = all(isinstance(v, Real) and not isinstance(v, bool) for v in numbers.values())
        yield {
            "name": field,
            "values": list(values),
            "numeric": is_numeric,
            "trials": [trial_number(row) for row in rows],
            "codes": codes,
        }


def study_field(rows: Sequence[Row]) -> Json:
    """Whose each trial is, as a field to colour by."""
    names = list(dict.fromkeys(str(row[STUDY_COLUMN]) for row in rows))
    return {
        "name": STUDY_COLUMN,
        "values": names,
        "numeric": False,
        "trials": [trial_number(row) for row in rows],
        "codes": [names.index(str(row[STUDY_COLUMN])) for row in rows],
        "ordered": True,
    }


def values_of(row: Row) -> Mapping[str, object]:
    """A trial's values of the fields in which it differs from the base."""
    return {
        field: pair[1]
        for field, pair in mapping_of(row, "differences").items()
        if isinstance(pair, list | tuple) and len(pair) == 2
    }
