"""A study's record as one HTML file that needs nothing else: no network, no second file."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from msdemucs import files
from msdemucs.analysis.findings import Findings, findings_of
from msdemucs.analysis.measure import measure_of_quality
from msdemucs.analysis.trials import is_baseline, trial_number
from msdemucs.errors import ReportError
from msdemucs.files import cause_of
from msdemucs.report.audio import Excerpt
from msdemucs.report.details import Detail, Details
from msdemucs.report.embedded import embed_json, packed, page_data
from msdemucs.report.paper import judged_table
from msdemucs.report.run_configuration import configuration
from msdemucs.report.sentences import OPTIMISM
from msdemucs.report.statements import (
    arranged_statements,
    describe_heard,
    describe_question,
    summarise_states,
)
from msdemucs.report.tables import constants_text, source_table, trial_table
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
from msdemucs.study.records import StudyRecord
from msdemucs.units import percent

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
