"""A study's record as one HTML file that needs nothing else: no network, no second file."""

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
import yaml
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from msdemucs.errors import ReportError
from msdemucs.report.asked import facts_of
from msdemucs.report.figures import paint_curves, paint_trade
from msdemucs.report.findings import (
    Sentence,
    count,
    describe_trade,
    findings_of,
    main_cost,
    summarise_states,
)
from msdemucs.report.frames import (
    Row,
    Trade,
    complete_rows,
    costs_of,
    curves_of,
    left_out_of,
    mapping_of,
    number,
    rows_of,
    trade_of,
    trial_number,
)
from msdemucs.report.measures import Measure
from msdemucs.report.tables import (
    ScoreTable,
    all_measures,
    best_first,
    chosen_text,
    differences_of,
    measures_of,
    score_table,
    source_table,
    trial_table,
)
from msdemucs.study.records import StudyRecord

MOST_HOVER_DIFFERENCES = 10


@dataclass(frozen=True)
class FigureView:
    """A figure's place on the page; `figure` is None where there is nothing to draw."""

    key: str
    title: str
    is_wide: bool
    caption: Sentence
    n_front: int
    figure: Mapping[str, object] | None


@dataclass(frozen=True)
class Detail:
    """What opens below the tables for one trial.

    Attributes:
        trial: the trial's number.
        title: its name.
        facts: label and text of each of its numbers.
        reason: why it failed or was refused; "" where it was not.
        left_out: why each test track that its scores are without could not be used.
        chosen: what the sampler chose, on one line; "" for nothing.
        differences: field, value in the base, value here.
        scores: by track and source.
        spec: as YAML; "" where none could be made.
    """

    trial: int
    title: str
    facts: tuple[tuple[str, str], ...]
    reason: str
    left_out: tuple[str, ...]
    chosen: str
    differences: tuple[tuple[str, str, str], ...]
    scores: ScoreTable
    spec: str


def write_report(record: StudyRecord, path: Path) -> Path:
    """Write the report and return its path; a report that is already there is replaced whole.

    Raises:
        ReportError: the file cannot be written.
    """
    html = render(record)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            file.write(html)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
    except OSError as error:
        raise ReportError(f"{path}: cannot write the report: {error.strerror}") from error
    return path


def default_path(record: StudyRecord) -> Path:
    """reports/<study>.html; other characters than letters, digits, ".", "-", "_" become "-"."""
    stem = re.sub(r"[^\w.-]+", "-", record.name).strip(".-")
    return Path("reports") / f"{stem or 'study'}.html"


def render(record: StudyRecord) -> str:
    """The page's HTML."""
    measures = measures_of(record)
    hovers = {trial_number(row): hover_lines(row, measures) for row in complete_rows(record)}
    figures = [
        trade_view(trade_of(record, cost), hovers, is_main=cost == main_cost(record))
        for cost in costs_of(record)
    ]
    curves = curves_view(record)
    drawn = {view.key: view.figure for view in [*figures, curves] if view.figure is not None}
    return (
        environment()
        .get_template("page.html")
        .render(
            record=record,
            facts=facts_of(record),
            findings=findings_of(record),
            states=summarise_states(record),
            figures=figures,
            curves=curves,
            trials=trial_table(record),
            sources=source_table(record),
            measures=[measure for measure in all_measures(record) if measure.convention],
            details=[detail_of(record, row, all_measures(record)) for row in rows_of(record)],
            figures_json=embed_json(drawn),
            plotly_js=Markup(get_plotlyjs()),  # noqa: S704 (a library's own script)
        )
    )


@cache
def environment() -> jinja2.Environment:
    """Templates of this package; every value is escaped, and a missing one is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("msdemucs.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def embed_json(value: object) -> Markup:
    """JSON that may stand inside a script element: no character in it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 (json.dumps leaves ASCII only, without mark-up)


def trade_view(trade: Trade, hovers: Mapping[int, Sequence[str]], *, is_main: bool) -> FigureView:
    """A trade's figure; the study's main cost is drawn larger."""
    height = 440 if is_main else 380
    painted = paint_trade(trade, hovers, height=height).to_plotly_json() if trade.points else None
    return FigureView(
        f"front-{trade.x.column}",
        f"{trade.y.header} against {trade.x.header}",
        is_main,
        describe_trade(trade),
        len(trade.front),
        painted,
    )


def hover_lines(row: Row, measures: Sequence[Measure]) -> tuple[str, ...]:
    """A trial's name, its numbers with units, and its differences from the base."""
    numbers = tuple(
        f"{measure.header}: {measure.text(number(row, measure.column))}" for measure in measures
    )
    differences = differences_of(row)
    shown = tuple(f"{field}: {old} → {new}" for field, old, new in differences)
    if len(shown) > MOST_HOVER_DIFFERENCES:
        rest = len(shown) - MOST_HOVER_DIFFERENCES
        shown = (*shown[:MOST_HOVER_DIFFERENCES], f"… and {rest} more differences")
    left_out = left_out_of(row)
    scored = (f"{count(len(left_out), 'test track')} left out",) if left_out else ()
    return (str(row["name"]), *numbers, *scored, *(shown or ("as the base",)))


def curves_view(record: StudyRecord) -> FigureView:
    """All learning curves in one figure; the best trial is emphasised."""
    curves = curves_of(record)
    complete = complete_rows(record)
    best = trial_number(best_first(record)[0]) if complete else None
    painted = paint_curves(curves, best=best, height=400).to_plotly_json() if curves else None
    return FigureView("curves", "Learning curves", True, (), 0, painted)


def detail_of(record: StudyRecord, row: Row, measures: Sequence[Measure]) -> Detail:
    """A trial's numbers, differences, scores and spec."""
    facts = [("State", str(row["state"]))]
    facts += [
        (measure.header, measure.text(number(row, measure.column)))
        for measure in measures
        if number(row, measure.column) == number(row, measure.column)
    ]
    if (seed := number(row, "seed")) == seed:
        facts.append(("Seed", f"{seed:.0f}"))
    facts += [
        (column.replace("_", " ").capitalize(), text)
        for column in ("spec_hash", "started")
        if isinstance(text := row[column], str)
    ]
    spec = mapping_of(row, "spec")
    return Detail(
        trial_number(row),
        str(row["name"]),
        tuple(facts),
        failure if isinstance(failure := row["failure"], str) else "",
        left_out_of(row),
        chosen_text(row),
        differences_of(row),
        score_table(record, trial_number(row)),
        yaml.safe_dump(dict(spec), sort_keys=False, allow_unicode=True) if spec else "",
    )
