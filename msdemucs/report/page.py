"""A study's record as one HTML file that needs nothing else: no network, no second file.

What its script works with (the table, the fields to colour by, the budgets) is in it as JSON.
"""

import base64
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import isfinite, nan
from numbers import Real
from pathlib import Path

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from msdemucs import files
from msdemucs.analysis.findings import Findings, findings_of
from msdemucs.analysis.measure import measure_of_quality
from msdemucs.analysis.trades import Budget
from msdemucs.analysis.trials import Row, is_baseline, mapping_of, number, trial_number
from msdemucs.errors import ReportError
from msdemucs.files import cause_of
from msdemucs.report.audio import Excerpt
from msdemucs.report.details import Detail, Details, configuration, spec_yaml
from msdemucs.report.paper import judged_table
from msdemucs.report.sentences import OPTIMISM
from msdemucs.report.statements import (
    arranged_statements,
    describe_heard,
    describe_question,
    summarise_states,
)
from msdemucs.report.tables import Table, constants_text, shown_measures, source_table, trial_table
from msdemucs.report.views import (
    ablation_views,
    curves_view,
    importance_note,
    importance_views,
    legend,
    progress_views,
    size_view,
    trade_views,
)
from msdemucs.study.records import STUDY_COLUMN, StudyRecord
from msdemucs.units import format_value, percent

MOST_DIFFERENCES = 1000
"""Of studies with more trials, only the listed ones have their spec as a file that extends the
base: it is loaded and compared with the trial's before it is shown."""

MOST_LISTED = 60
"""Trials that the page lists one below the other; of more, only those on the front and the
baselines, and whichever a reader asks for."""


def write_report(
    study: Findings | StudyRecord,
    path: Path,
    *,
    live_seconds: float = 0.0,
    excerpts: Mapping[int, Excerpt] | None = None,
) -> Path:
    """Write the report and return its path; a report that is already there is replaced whole.

    Args:
        study: its findings, or its record.
        path: of the file.
        live_seconds: the page loads itself again after so many; 0: never.
        excerpts: what trials sound like, by trial.

    Raises:
        ReportError: the file cannot be written.
    """
    findings = findings_of(study)
    return write_text(render(findings, live_seconds=live_seconds, excerpts=excerpts), path)


def write_text(html: str, path: Path) -> Path:
    """Write a file whole or not at all, and return its path.

    Raises:
        ReportError: the file cannot be written.
    """
    if path.is_dir():
        raise ReportError(f"{path} is a folder; name the file, such as {path / 'report.html'}")
    try:
        files.write_text(path, html)
    except FileExistsError as error:
        raise ReportError(f"{path}: cannot write the report: {path.parent} is no folder") from error
    except OSError as error:
        raise ReportError(f"{path}: cannot write the report: {cause_of(error)}") from error
    return path


def default_path(name: str, suffix: str = ".html") -> Path:
    """reports/<study>.html."""
    return Path("reports") / f"{file_stem(name)}{suffix}"


def file_stem(name: str) -> str:
    """A name for files: other characters than letters, digits, ".", "-", "_" become "-"."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "study"


def render(
    study: Findings | StudyRecord,
    *,
    live_seconds: float = 0.0,
    excerpts: Mapping[int, Excerpt] | None = None,
) -> str:
    """The page's HTML; see `write_report`."""
    findings = findings_of(study)
    figures = trade_views(findings)
    curves = curves_view(findings)
    progress, ablation = progress_views(findings), ablation_views(findings)
    importance, sizes = importance_views(findings), size_view(findings)
    views = [*ablation, *figures, *progress, *importance, curves, *([sizes] if sizes else [])]
    drawn = {view.key: view.figure for view in views if view.figure is not None}
    record = findings.record
    heroes = [*ablation[:1], *figures[:1]]
    heard = excerpts or {}
    details = details_of(findings, heard)
    return (
        environment()
        .get_template("page.html")
        .render(
            record=record,
            live_seconds=live_seconds,
            question=describe_question(findings),
            facts=configuration(findings),
            findings=arranged_statements(findings),
            states=summarise_states(findings),
            heroes=heroes,
            figures=figures[1:],
            legend=legend(findings, findings.trades[:1]),
            further_legend=legend(findings, findings.trades[1:]),
            progress=progress,
            ablation=ablation[1:],
            is_ablation=findings.is_ablation,
            importance=importance,
            importance_note=importance_note(findings),
            curves=curves,
            sizes=sizes,
            judged=judged_table(findings) if findings.judged[findings.quality.column] else None,
            optimism=OPTIMISM if any(trade.expected_fall for trade in findings.main_trades) else "",
            trials=trial_table(findings),
            constants=constants_text(findings),
            sources=source_table(findings),
            sources_label=measure_of_quality(findings.metric, record.split).label,
            measures=[measure for measure in findings.measures if measure.convention],
            heard=describe_heard(findings, heard),
            data_json=embed_json(
                page_data(findings)
                | {
                    "listed": listed(findings),
                    "specs": [d.system or (d.spec and findings.base) or "" for d in details],
                    "heard": [
                        (trial, [(source.source, source.score) for source in excerpt.sources])
                        for trial, excerpt in heard.items()
                    ],
                }
            ),
            details_json=embed_json(packed(detail_pages(details))),
            figures_json=embed_json(drawn),
            plotly_js=Markup(get_plotlyjs()),  # noqa: S704 (a library's own script)
        )
    )


def listed(findings: Findings) -> list[int]:
    """The trials that stand on the page from the start; the others come when asked for."""
    trials = {trial_number(row): row for row in findings.rows}
    if len(trials) <= MOST_LISTED:
        return list(trials)
    kept = [n for n, row in trials.items() if n in findings.front or is_baseline(row)]
    return kept[:MOST_LISTED]


def details_of(findings: Findings, excerpts: Mapping[int, Excerpt]) -> list[Detail]:
    """What opens for each trial, in the order of the record."""
    details, rows = Details(findings, excerpts), findings.rows
    first = set(listed(findings))
    has_all = len(rows) <= MOST_DIFFERENCES
    return [details.of(row, has_difference=has_all or trial_number(row) in first) for row in rows]


def detail_pages(details: Iterable[Detail]) -> list[str]:
    """What opens for each trial, as HTML."""
    template = environment().get_template("detail.html")
    return [template.render(item=detail) for detail in details]


@cache
def environment() -> jinja2.Environment:
    """Templates of this package; every value is escaped, and a missing one is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("msdemucs.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["percent"] = percent
    return made


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
    cost, quality = budget.cost, budget.quality
    promoted = {trial.trial: trial.long for trial in findings.promoted[quality.column]}
    steps = []
    for point in budget.steps:
        bought = quality.text(point.y)
        if isfinite(point.half_width):
            bought += f" ± {quality.text(point.half_width)}"
        if point.n_seeds > 1:
            bought += f", the mean of {point.n_seeds} seeds,"
        if isfinite(longer := promoted.get(point.trial, nan)):
            bought += f" ({quality.text(longer)} trained for longer)"
        steps.append([point.trial, point.x, cost.text(point.x), bought])
    return {
        "column": cost.column,
        "label": cost.header + (f" for {quality.header}" if is_named else ""),
        "unit": cost.unit,
        "low": budget.low,
        "high": budget.high,
        "steps": steps,
    }


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
    chosen: dict[int, dict[str, object]] = {trial_number(row): {} for row in rows}
    counts: dict[str, int] = {}
    bases: dict[str, object] = {}
    for row in rows:
        for field, pair in mapping_of(row, "differences").items():
            counts[field] = counts.get(field, 0) + 1
            bases[field] = pair[0] if isinstance(pair, list | tuple) and pair else None
            if isinstance(pair, list | tuple) and len(pair) == 2:
                chosen[trial_number(row)][field] = pair[1]
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
