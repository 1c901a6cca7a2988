"""A study's record as one HTML file that needs nothing else: no network, no second file."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from msdemucs import files
from msdemucs.errors import ReportError
from msdemucs.files import cause_of
from msdemucs.report.asked import facts_of
from msdemucs.report.audio import Excerpt
from msdemucs.report.details import Details
from msdemucs.report.embedded import embed_json, packed, page_data
from msdemucs.report.findings import (
    describe_question,
    findings_of,
    main_trades,
    summarise_states,
)
from msdemucs.report.frames import is_baseline, metric_of, quality_of, rows_of, trial_number
from msdemucs.report.fronts import noun_of, study_front
from msdemucs.report.judged import judged_of
from msdemucs.report.measures import measure_of_quality, percent
from msdemucs.report.optimism import NOTE, fall_of
from msdemucs.report.paper import judged_table
from msdemucs.report.tables import all_measures, source_table, trial_table
from msdemucs.report.views import curves_view, trade_views
from msdemucs.report.views_why import answer_views, progress_views, size_view, why_note, why_views
from msdemucs.study.records import StudyRecord

MOST_DELTAS = 1000
"""Of studies with more trials, only the listed ones have their spec as a file that extends the
base: it is loaded and compared with the trial's before it is shown."""

MOST_LISTED = 60
"""Trials that the page lists one below the other; of more, only those on the front and the
baselines, and whichever a reader asks for."""


def write_report(
    record: StudyRecord,
    path: Path,
    *,
    live_seconds: float = 0.0,
    excerpts: Mapping[int, Excerpt] | None = None,
) -> Path:
    """Write the report and return its path; a report that is already there is replaced whole.

    Args:
        record: the study.
        path: of the file.
        live_seconds: the page loads itself again after so many; 0: never.
        excerpts: what trials sound like, by trial.

    Raises:
        ReportError: the file cannot be written.
    """
    return write_text(render(record, live_seconds=live_seconds, excerpts=excerpts), path)


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


def default_path(record: StudyRecord, suffix: str = ".html") -> Path:
    """reports/<study>.html."""
    return Path("reports") / f"{file_stem(record.name)}{suffix}"


def file_stem(name: str) -> str:
    """A name for files: other characters than letters, digits, ".", "-", "_" become "-"."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "study"


def render(
    record: StudyRecord,
    *,
    live_seconds: float = 0.0,
    excerpts: Mapping[int, Excerpt] | None = None,
) -> str:
    """The page's HTML; see `write_report`."""
    figures = trade_views(record)
    curves = curves_view(record)
    progress, answers, why = progress_views(record), answer_views(record), why_views(record)
    sizes = size_view(record)
    views = [*answers, *figures, *progress, *why, curves, *([sizes] if sizes else [])]
    drawn = {view.key: view.figure for view in views if view.figure is not None}
    return (
        environment()
        .get_template("page.html")
        .render(
            record=record,
            live_seconds=live_seconds,
            question=describe_question(record),
            facts=facts_of(record),
            findings=findings_of(record),
            states=summarise_states(record),
            figures=figures,
            point_noun=noun_of(record).replace("complete", "sampled"),
            progress=progress,
            answers=answers,
            why=why,
            why_note=why_note(record),
            curves=curves,
            sizes=sizes,
            judged=judged_table(record) if judged_of(record, quality_of(record)) else None,
            optimism=NOTE if any(map(fall_of, main_trades(record))) else "",
            trials=trial_table(record),
            sources=source_table(record),
            sources_label=measure_of_quality(metric_of(record), record.split).label,
            measures=[measure for measure in all_measures(record) if measure.convention],
            data_json=embed_json(page_data(record) | {"listed": listed(record)}),
            details_json=embed_json(packed(detail_pages(record, excerpts or {}))),
            figures_json=embed_json(drawn),
            plotly_js=Markup(get_plotlyjs()),  # noqa: S704 (a library's own script)
        )
    )


def listed(record: StudyRecord) -> list[int]:
    """The trials that stand on the page from the start; the others come when asked for."""
    rows = rows_of(record)
    if len(rows) <= MOST_LISTED:
        return [trial_number(row) for row in rows]
    front = study_front(record)
    kept = [trial_number(r) for r in rows if trial_number(r) in front or is_baseline(r)]
    return kept[:MOST_LISTED]


def detail_pages(record: StudyRecord, excerpts: Mapping[int, Excerpt]) -> list[str]:
    """What opens for each trial, as HTML, in the order of the record."""
    template = environment().get_template("detail.html")
    details, rows = Details(record, excerpts), rows_of(record)
    first = set(listed(record))
    return [
        template.render(
            item=details.of(row, has_delta=len(rows) <= MOST_DELTAS or trial_number(row) in first)
        )
        for row in rows
    ]


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
