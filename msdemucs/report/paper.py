"""A study's tables for a paper or a pull request: Markdown or LaTeX, conventions as footnotes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Literal

from msdemucs.analysis.pooling import pooled
from msdemucs.report.answers import INTERACTION, answers_of
from msdemucs.report.findings import (
    describe_question,
    findings_of,
    main_cost,
    seeds_text,
    summarise_states,
)
from msdemucs.report.frames import (
    Row,
    costs_of,
    number,
    qualities_of,
    quality_of,
    rows_of,
    tracks_text,
    trial_number,
)
from msdemucs.report.fronts import Point, floor_of, trade_of
from msdemucs.report.judged import MIXTURE, TEST, describe_judged, judged_of, on_test
from msdemucs.report.measures import signed_percent, typeset
from msdemucs.report.optimism import NOTE, fall_of
from msdemucs.report.sentences import text_of
from msdemucs.report.tables import changes_text
from msdemucs.study.records import StudyRecord
from msdemucs.units import count

Format = Literal["md", "latex"]


@dataclass(frozen=True)
class PaperTable:
    """A table with a caption and its conventions.

    Attributes:
        key: names it in labels.
        caption: one sentence.
        header: over the columns.
        rows: as many cells as the header.
        is_number: whether a column is set flush right.
        notes: the conventions of its numbers, and how many of what they rest on.
    """

    key: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_number: tuple[bool, ...]
    notes: tuple[str, ...]


def paper_tables(record: StudyRecord) -> list[PaperTable]:
    """The front with the baselines, or an ablation's arms, and its effects."""
    tables = [front_table(record)] if trade_of(record, main_cost(record)).points else []
    tables += [judged_table(record)] if judged_of(record, quality_of(record)) else []
    return tables + ([effect_table(record)] if answers_of(record) else [])


def front_table(record: StudyRecord) -> PaperTable:
    """The front of quality and main cost with the baselines, or all of an ablation, by cost."""
    trade = trade_of(record, main_cost(record))
    is_ablation = isinstance(record.attrs.get("ablation"), Mapping)
    rows = {trial_number(row): row for row in rows_of(pooled(record))}
    costs = [cost for cost in costs_of(record) if _any(rows.values(), cost.column)]
    others = qualities_of(record)[1:]
    shown = [p for p in trade.points if is_ablation or p.is_front or p.is_baseline]
    lines = []
    for point in shown:
        row = rows[point.trial]
        interval = f" ± {point.half_width:.2f}" if isfinite(point.half_width) else ""
        lines.append(
            (
                f"{point.name}{standing(point)}",
                typeset(f"{point.y:.2f}{interval}"),
                *(typeset(f"{number(row, other.column):.2f}") for other in others),
                *(cost.text(number(row, cost.column)) for cost in costs),
                changes_text(row) or "–",
            )
        )
    noun = trade.noun.removeprefix("complete ")
    notes = [
        f"{measure.header}: {measure.convention}"
        for measure in (trade.y, *others, *costs)
        if measure.convention
    ]
    if any(point.n_seeds > 1 for point in shown):
        notes.append(f"A row is the mean over the seeds of one {noun}, {seeds_text(shown)}.")
    if trade.noise is not None:
        notes.append(
            f"±: 95 % t-interval of the mean over seeds, from a pooled σ of "
            f"{trade.y.text(trade.noise.sigma.value)} ({trade.noise.degrees} degrees of freedom)."
        )
        if fall_of(trade) is not None:
            notes.append(NOTE)
    else:
        notes.append(
            "Every spec was trained once: how much of a difference is chance is not known."
        )
    return PaperTable(
        "front",
        f"{record.title}: the front of {trade.y.header} against {trade.x.header}, and "
        f"{'all other arms' if is_ablation else 'baselines'}; {summarise_states(record)}",
        (
            noun,
            *(measure.label for measure in (trade.y, *others)),
            *(cost.header for cost in costs),
            "differs in",
        ),
        tuple(lines),
        (False, True, *(True for _ in (*others, *costs)), False),
        tuple(notes),
    )


def judged_table(record: StudyRecord) -> PaperTable:
    """The judged trials: each quality on the tracks that chose them, and on test tracks."""
    measures = qualities_of(record)
    judged = {measure: judged_of(record, measure) for measure in measures}
    weights = dict.fromkeys((one.trial, one.name) for own in judged.values() for one in own)
    values = {(m, one.trial, one.name): one for m, own in judged.items() for one in own}
    lines = []
    for trial, name in weights:
        found = [values.get((measure, trial, name)) for measure in measures]
        cells = [
            text
            for measure, one in zip(measures, found, strict=True)
            for text in (
                ("–", "–")
                if one is None
                else (measure.text(one.validation), on_test(measure).text(one.test))
            )
        ]
        lines.append((name, *cells))
    columns = [(measure, split) for measure in measures for split in (record.split, TEST)]
    floors = {(m, split): floor_of(record, m, split) for m, split in columns}
    if any(floors[measure, TEST] is not None for measure in measures):
        texts = [m.text(nan if (value := floors[m, s]) is None else value) for m, s in columns]
        lines.append((MIXTURE, *texts))
    heads = [label for measure in measures for label in (measure.label, on_test(measure).label)]
    return PaperTable(
        "judged",
        f"{record.title}: what test tracks say of the trials that were chosen on {record.split} "
        "tracks",
        ("trial", *heads),
        tuple(lines),
        (False, *(True for _ in heads)),
        tuple(text_of(said) for said in describe_judged(record)[-1:]),
    )


def standing(point: Point) -> str:
    """Why a shown point is not on the front; "" for one that is."""
    if point.beyond:
        return f" (beyond {', '.join(point.beyond)})"
    return "" if point.is_front else " (dominated)"


def effect_table(record: StudyRecord) -> PaperTable:
    """Each effect of an ablation with its interval, adjusted p and cost."""
    answers, quality = answers_of(record), quality_of(record)
    lines = tuple(
        (
            answer.label,
            answer.kind,
            typeset(f"{answer.effect:+.2f}") if isfinite(answer.effect) else "–",
            answer.interval or "–",
            f"{answer.p:.3f}" if isfinite(answer.p) else "–",
            signed_percent(answer.macs_change) if isfinite(answer.macs_change) else "–",
            answer.verdict,
        )
        for answer in answers
    )
    seeds = min(answer.n_seeds for answer in answers)
    tracks = min(answer.n_tracks for answer in answers)
    notes = [
        f"Effects on {quality.header}: {quality.convention} At least {count(seeds, 'seed')} and "
        f"{tracks_text(record, tracks)}.",
        "95 %: bootstrap over seeds and tracks. p: Wilcoxon's signed-rank test over tracks, "
        "adjusted by Holm's method.",
    ]
    if any(answer.kind == INTERACTION for answer in answers):
        notes.append("Interactions: how much more both give together than apart.")
    return PaperTable(
        "effects",
        f"{record.title}: the effect of each factor",
        ("factor", "kind", f"Δ {quality.named}", "95 %", "p", "Δ MACs", "verdict"),
        lines,
        (False, False, True, True, True, True, False),
        tuple(notes),
    )


def _any(rows: Iterable[Row], column: str) -> bool:
    return any(isfinite(number(row, column)) for row in rows)


def paper(record: StudyRecord, kind: Format, figures: Sequence[Path] = ()) -> str:
    """The study as Markdown or LaTeX.

    Args:
        record: the study.
        kind: the format.
        figures: pictures to show, as the text is to name them.
    """
    return (_markdown if kind == "md" else _latex)(record, figures)


def _markdown(record: StudyRecord, figures: Sequence[Path]) -> str:
    parts = [
        f"# {_md(record.title)}",
        _md(text_of(describe_question(record))),
        "\n".join(f"- {_md(text_of(found))}" for found in findings_of(record)),
        *(f"![{path.stem}]({path.as_posix()})" for path in figures),
    ]
    for table in paper_tables(record):
        head = _pipes([_md(cell) for cell in table.header])
        rule = _pipes(["--:" if flush else "---" for flush in table.is_number])
        body = [_pipes([_md(cell) for cell in row]) for row in table.rows]
        notes = " ".join(_md(note) for note in table.notes)
        parts += [
            f"**{_md(table.caption)}**",
            "\n".join([head, rule, *body]),
            f"<sub>{notes}</sub>",
        ]
    return "\n\n".join(parts) + "\n"


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _md(text: str) -> str:
    """Text with Markdown's and HTML's signs disarmed."""
    for sign in "\\`*_[]|#":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")


LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\N{NO-BREAK SPACE}": "~",
    "−": "$-$",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "Δ": r"$\Delta$",
    "σ": r"$\sigma$",
    "τ": r"$\tau$",
    "₁": r"$_1$",
    "₀": r"$_0$",
    "√": r"$\surd$",
    "·": r"$\cdot$",
    "∞": r"$\infty$",
    "–": "--",
    "…": r"\ldots{}",
    "“": "``",
    "”": "''",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\n": " ",
}


def _tex(text: str) -> str:
    """Text with LaTeX's signs disarmed, and signs outside ASCII that the reports use."""
    return "".join(LATEX.get(sign, sign) for sign in text)


def _latex(record: StudyRecord, figures: Sequence[Path]) -> str:
    parts = [
        r"% Needs \usepackage{booktabs} and, for figures, \usepackage{graphicx}.",
        *(f"% {' '.join(text_of(found).split())}" for found in findings_of(record)),
    ]
    for table in paper_tables(record):
        columns = "".join("r" if flush else "l" for flush in table.is_number)
        if table.key == "front":
            columns = columns[:-1] + r"p{0.3\linewidth}"  # the differences are long
        body = [_tex_row(row) for row in table.rows]
        width = len(table.header)
        notes = r" \\ ".join(
            rf"\multicolumn{{{width}}}{{p{{0.95\linewidth}}}}{{\footnotesize {_tex(note)}}}"
            for note in table.notes
        )
        parts.append(
            "\n".join(
                [
                    r"\begin{table}",
                    r"\centering",
                    rf"\caption{{{_tex(table.caption)}}}",
                    rf"\label{{tab:{table.key}}}",
                    rf"\begin{{tabular}}{{{columns}}}",
                    r"\toprule",
                    _tex_row(table.header),
                    r"\midrule",
                    *body,
                    r"\bottomrule",
                    rf"{notes} \\",
                    r"\end{tabular}",
                    r"\end{table}",
                ]
            )
        )
    parts += [_tex_figure(path) for path in figures]
    return "\n\n".join(parts) + "\n"


def _tex_row(cells: Sequence[str]) -> str:
    row = " & ".join(_tex(cell) for cell in cells)
    # a bracket or star would be taken for an option of the line break before it
    return ("{}" if row.startswith(("[", "*")) else "") + row + r" \\"


def _tex_figure(path: Path) -> str:
    lines = [
        r"\begin{figure}",
        r"\centering",
        rf"\includegraphics[width=\linewidth]{{{path.as_posix()}}}",
        rf"\caption{{{_tex(path.stem.replace('-', ' '))}}}",
        r"\end{figure}",
    ]
    return "\n".join(lines)


SUFFIXES: dict[Format, str] = {"md": ".md", "latex": ".tex"}
