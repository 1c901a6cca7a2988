"""What the page's script works with: the table, the fields to colour by, the budgets, as JSON."""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite, nan
from numbers import Real

from markupsafe import Markup

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.trades import Budget, TradePoint
from msdemucs.analysis.trials import Row, mapping_of, number, trial_number
from msdemucs.report.details import spec_yaml
from msdemucs.report.tables import Table, shown_measures, source_table, trial_table
from msdemucs.study.records import STUDY_COLUMN
from msdemucs.units import format_value

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


def page_data(findings: Findings) -> Json:
    """Everything of a study that the page's script sorts, filters, colours and recommends by."""
    several = len({budget.quality for budget in findings.budgets}) > 1
    return {
        "study": findings.record.name,
        "axes": [findings.quality.column, findings.main_cost.column],
        "colour": "f0" if findings.studies else "",
        "tables": {
            "trials": table_data(trial_table(findings)),
            "sources": table_data(source_table(findings)),
        },
        "fields": list(colour_fields(findings)),
        "budgets": [budget_data(findings, budget, is_named=several) for budget in findings.budgets],
        "recipes": recommended_specs(findings),
        "order": [trial_number(row) for row in findings.rows],
        "arms": list(arms_data(findings)),
        "bars": bars_data(findings),
    }


def budget_data(findings: Findings, budget: Budget, *, is_named: bool) -> Json:
    """A budget with its steps as [trial, cost, texts of cost and quality].

    Args:
        findings: of the study.
        budget: of one cost.
        is_named: its label says of which quality it is.
    """
    after = {trial.trial: trial.long for trial in findings.promoted[budget.quality.column]}
    whose = f" for {budget.quality.header}" if is_named else ""
    return {
        "column": budget.cost.column,
        "label": budget.cost.header + whose,
        "unit": budget.cost.unit,
        "low": budget.low,
        "high": budget.high,
        "steps": [
            [
                point.trial,
                point.x,
                budget.cost.text(point.x),
                quality_text(budget, point, after.get(point.trial, nan)),
            ]
            for point in budget.steps
        ],
    }


def quality_text(budget: Budget, point: TradePoint, promoted: float) -> str:
    """What a budget buys, with its interval, and what it gave when trained for longer, if known."""
    text = budget.quality.text(point.y)
    if isfinite(point.half_width):
        text += f" ± {budget.quality.text(point.half_width)}"
    if point.n_seeds > 1:
        text += f", the mean of {point.n_seeds} seeds,"
    if isfinite(promoted):
        text += f" ({budget.quality.text(promoted)} trained for longer)"
    return text


def recommended_specs(findings: Findings) -> dict[int, str]:
    """The YAML of every trial that some budget recommends."""
    trials = {point.trial for budget in findings.budgets for point in budget.steps}
    return {
        trial_number(row): spec_yaml(row, findings.base)
        for row in findings.rows
        if trial_number(row) in trials
    }


def arms_data(findings: Findings) -> Iterable[Json]:
    """Each spec of several trials: all of them, the one of its points first; its numbers' means."""
    measures = shown_measures(findings)
    rows = {trial_number(row): row for row in findings.specs}
    for arm in findings.pool.repeated:
        row = rows[arm.trial]
        known = [measure for measure in measures if isfinite(number(row, measure.column))]
        means = {measure.header: measure.text(number(row, measure.column)) for measure in known}
        yield {"trials": sorted(arm.trials, key=lambda trial: trial != arm.trial), "means": means}


def bars_data(findings: Findings) -> Json:
    """What stands over a point of its quality: [text, points] for each text, as they are few."""
    trade = findings.main_trade
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


def colour_fields(findings: Findings) -> Iterable[Json]:
    """Each spec field that trials differ in: its distinct values, and each trial's one of them.

    A trial that does not differ from the base has the base's value; one without a spec has -1.
    """
    rows = findings.rows
    if findings.studies:
        yield study_field(rows, findings.studies)
    chosen = {trial_number(row): values_of(row) for row in rows}
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
            value = chosen[trial_number(row)].get(field, bases[field])
            text = format_value(value)
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


def study_field(rows: Sequence[Row], names: Sequence[str]) -> Json:
    """Whose each trial is, as a field to colour by; a study's colour is that of its name."""
    return {
        "name": STUDY_COLUMN,
        "values": list(names),
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
