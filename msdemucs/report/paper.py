"""A study's tables for a paper or a pull request: Markdown or LaTeX, conventions as footnotes."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Literal

from msdemucs.analysis.findings import Findings, findings_of
from msdemucs.analysis.measure import Measure
from msdemucs.analysis.trades import TradePoint
from msdemucs.analysis.trials import choice_text, number, short_field, trial_number
from msdemucs.report.sentences import (
    OPTIMISM,
    effect_label,
    limits_text,
    text_of,
    tracks_text,
)
from msdemucs.report.statements import (
    MIXTURE,
    describe_judged,
    describe_question,
    on_test,
    seeds_text,
    statements,
    summarise_states,
)
from msdemucs.report.tables import changes_text, constants_text
from msdemucs.study.records import StudyRecord
from msdemucs.units import MISSING, count, signed_percent, typeset

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


def paper_tables(findings: Findings) -> list[PaperTable]:
    """The front with the baselines, or an ablation's arms, and its effects."""
    tables = [front_table(findings)] if findings.main_trade.points else []
    tables += [judged_table(findings)] if findings.judged[findings.quality.column] else []
    return tables + ([effect_table(findings)] if findings.effects else [])


def front_table(findings: Findings) -> PaperTable:
    """The front of quality and main cost with the baselines, or all of an ablation, by cost."""
    trade, others = findings.main_trade, findings.qualities[1:]
    rows = {trial_number(row): row for row in findings.specs}
    costs = [
        cost
        for cost in findings.costs
        if any(isfinite(number(row, cost.column)) for row in rows.values())
    ]
    fields = findings.varied_fields
    is_whole = findings.is_ablation or not findings.is_common
    shown = [point for point in trade.points if is_whole or point.is_front or point.is_baseline]
    beside = "all other arms" if findings.is_ablation else "baselines"
    front = f"the front of {trade.y.header} against {trade.x.header}, and {beside}"
    all_points = f"{trade.y.header} and {trade.x.header} of {count(len(shown), 'trial')}"
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
                *(choice_text(row, field) for field in fields),
                *(() if fields else (changes_text(row) or MISSING,)),
            )
        )
    return PaperTable(
        "front",
        f"{findings.record.title}: {front if findings.is_common else all_points}; "
        f"{summarise_states(findings)}",
        (
            trade.noun.removeprefix("complete "),
            *(measure.label for measure in (trade.y, *others)),
            *(cost.header for cost in costs),
            *(map(short_field, fields) if fields else ("differs in",)),
        ),
        tuple(lines),
        (False, True, *(True for _ in (*others, *costs)), *(False for _ in fields or ("",))),
        tuple(_front_notes(findings, shown, (*others, *costs))),
    )


def _front_notes(
    findings: Findings, shown: Sequence[TradePoint], others: Sequence[Measure]
) -> list[str]:
    """The conventions of the front's numbers, and what they rest on."""
    trade = findings.main_trade
    notes = [f"{m.header}: {m.convention}" for m in (trade.y, *others) if m.convention]
    notes += [same] if (same := constants_text(findings)) and findings.varied_fields else []
    if any(point.n_seeds > 1 for point in shown):
        noun = trade.noun.removeprefix("complete ")
        notes.append(f"A row is the mean over the seeds of one {noun}, {seeds_text(shown)}.")
    if trade.noise is None:
        notes.append(
            "Every spec was trained once: how much of a difference is chance is not known."
        )
        return notes
    notes.append(
        f"±: 95 % t-interval of the mean over seeds, from a pooled σ of "
        f"{trade.y.text(trade.noise.sigma.value)} ({trade.noise.degrees} degrees of freedom)."
    )
    return notes + ([OPTIMISM] if trade.expected_fall is not None else [])


def judged_table(findings: Findings) -> PaperTable:
    """The judged trials: each quality on the tracks that chose them, and on test tracks."""
    measures, split = findings.qualities, findings.record.split
    scores = {
        (measure, trial.trial, trial.name): (
            measure.text(trial.validation),
            on_test(measure).text(trial.test),
        )
        for measure in measures
        for trial in findings.judged[measure.column]
    }
    lines = []
    for trial, name in dict.fromkeys((trial, name) for _, trial, name in scores):
        pairs = [scores.get((measure, trial, name), (MISSING, MISSING)) for measure in measures]
        lines.append((name, *(text for pair in pairs for text in pair)))
    floors = [(m, findings.floors[m.column], findings.test_floors[m.column]) for m in measures]
    if any(on_test is not None for _, _, on_test in floors):
        texts = [m.text(nan if v is None else v) for m, *values in floors for v in values]
        lines.append((MIXTURE, *texts))
    heads = [label for measure in measures for label in (measure.label, on_test(measure).label)]
    return PaperTable(
        "judged",
        f"{findings.record.title}: what test tracks say of the trials that were chosen on {split} "
        "tracks",
        ("trial", *heads),
        tuple(lines),
        (False, *(True for _ in heads)),
        tuple(text_of(said) for said in describe_judged(findings)[-1:]),
    )


def standing(point: TradePoint) -> str:
    """Why a shown point is not on the front; "" for one that is."""
    if point.beyond:
        return f" (beyond {limits_text(point)})"
    return "" if point.is_front else " (dominated)"


def effect_table(findings: Findings) -> PaperTable:
    """Each effect of an ablation with its interval, adjusted p and cost."""
    effects = findings.effects.ranked if findings.effects else ()
    quality = findings.quality
    lines = tuple(
        (
            effect_label(effect),
            effect.kind,
            typeset(f"{effect.size:+.2f}") if isfinite(effect.size) else MISSING,
            typeset(f"[{effect.low:.2f}, {effect.high:.2f}]") if isfinite(effect.low) else MISSING,
            f"{effect.p:.3f}" if isfinite(effect.p) else MISSING,
            signed_percent(effect.macs_change) if isfinite(effect.macs_change) else MISSING,
            effect.verdict,
        )
        for effect in effects
    )
    n_seeds, n_tracks = (min(getattr(e, name) for e in effects) for name in ("n_seeds", "n_tracks"))
    notes = [
        f"Effects on {quality.header}: {quality.convention} At least {count(n_seeds, 'seed')} and "
        f"{tracks_text(findings.record.split, n_tracks)}.",
        "95 %: bootstrap over seeds and tracks. p: Wilcoxon's signed-rank test over tracks, "
        "adjusted by Holm's method.",
    ]
    if any(effect.is_interaction for effect in effects):
        notes.append("Interactions: how much more both give together than apart.")
    return PaperTable(
        "effects",
        f"{findings.record.title}: the effect of each factor",
        ("factor", "kind", f"Δ {quality.named}", "95 %", "p", "Δ MACs", "verdict"),
        lines,
        (False, False, True, True, True, True, False),
        tuple(notes),
    )


def paper(study: Findings | StudyRecord, kind: Format, figures: Sequence[Path] = ()) -> str:
    """The study as Markdown or LaTeX.

    Args:
        study: its findings, or its record.
        kind: the format.
        figures: pictures to show, as the text is to name them.
    """
    findings = findings_of(study)
    return (_markdown if kind == "md" else _latex)(findings, figures)


def _markdown(findings: Findings, figures: Sequence[Path]) -> str:
    parts = [
        f"# {_md(findings.record.title)}",
        _md(text_of(describe_question(findings))),
        "\n".join(f"- {_md(text_of(said))}" for said in statements(findings)),
        *(f"![{path.stem}]({path.as_posix()})" for path in figures),
    ]
    for table in paper_tables(findings):
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


def _latex(findings: Findings, figures: Sequence[Path]) -> str:
    parts = [
        r"% Needs \usepackage{booktabs} and, for figures, \usepackage{graphicx}.",
        *(f"% {' '.join(text_of(said).split())}" for said in statements(findings)),
    ]
    for table in paper_tables(findings):
        columns = "".join("r" if flush else "l" for flush in table.is_number)
        if table.key == "front" and not findings.varied_fields:
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
    for path in figures:
        caption = _tex(path.stem.replace("-", " "))
        parts.append(
            "\n".join(
                [
                    r"\begin{figure}",
                    r"\centering",
                    rf"\includegraphics[width=\linewidth]{{{path.as_posix()}}}",
                    rf"\caption{{{caption}}}",
                    r"\end{figure}",
                ]
            )
        )
    return "\n\n".join(parts) + "\n"


def _tex_row(cells: Sequence[str]) -> str:
    row = " & ".join(_tex(cell) for cell in cells)
    # a bracket or star would be taken for an option of the line break before it
    return ("{}" if row.startswith(("[", "*")) else "") + row + r" \\"


SUFFIXES: dict[Format, str] = {"md": ".md", "latex": ".tex"}
