"""Trials that were trained for longer: they lead the page, and stand in figures and tables."""

from dataclasses import replace

import pandas as pd
import pytest

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.followups import promoted_trials
from msdemucs.report.page import page_data, render
from msdemucs.report.sentences import text_of
from msdemucs.report.statements import arranged_statements
from msdemucs.report.tables import trial_table
from msdemucs.report.views import legend, trade_view
from msdemucs.study.records import LATER_COLUMNS, StudyRecord


def later(trial: int, value: float, *, steps: int = 4000, kind: str = "promotion") -> list[object]:
    detail = {"steps": steps, "recipe": {"name": "long"}}
    return [trial, kind, "usdr_db", value, 0, detail, "validation"]


@pytest.fixture
def promoted(record: StudyRecord) -> StudyRecord:
    """The best of the study, trial 4, falls when it is promoted; trial 5 becomes the best."""
    rows = [later(4, -0.01), later(5, 3.2), later(4, 9.0, steps=100), later(-1, 8.0, kind="noise")]
    return replace(record, later=pd.DataFrame(rows, columns=list(LATER_COLUMNS)))


def test_the_longest_promotion_counts_and_the_best_after_it_is_first(promoted: StudyRecord) -> None:
    quality = Findings(promoted).quality
    first, second = promoted_trials(
        promoted.later, Findings(promoted).rows, quality, promoted.split
    )
    assert (first.trial, first.short, first.long, first.steps, first.recipe) == (
        5, 1.55, 3.2, 4000, "long"
    )  # fmt: skip
    assert (second.trial, second.short, second.long) == (4, 2.31, -0.01)
    assert second.change(quality) == pytest.approx(-2.32)
    assert promoted_trials(promoted.later.iloc[:0], (), quality, "validation") == ()


def test_the_best_of_a_short_run_that_falls_does_not_lead(promoted: StudyRecord) -> None:
    leading = [
        text_of(said).replace("\N{NO-BREAK SPACE}", " ")
        for said in arranged_statements(Findings(promoted)).leading
    ]
    assert leading[0] == (
        "Trained for longer (4000 steps by the recipe “long”), the best by uSDR (validation; "
        "silence 0.00 dB, the mixture −5.75 dB) is trial 5 with 3.20 dB at 5.2 GMAC/s, of 2 (in "
        "the study 1.55 dB); trial 4 fell from 2.31 dB to −0.01 dB."
    )
    assert leading[1].startswith("As the study trained them, the best by uSDR (validation) is")


def test_promotions_are_drawn_with_their_points_and_stand_in_the_legend(
    promoted: StudyRecord, record: StudyRecord
) -> None:
    findings = Findings(promoted)
    figure = trade_view(findings, findings.main_trade).figure
    assert figure is not None
    traces = {trace["meta"]["role"]: trace for trace in figure["data"]}  # type: ignore[attr-defined]
    assert list(traces["promoted"]["customdata"]) == [5, 4]
    assert list(traces["promoted"]["y"]) == [3.2, -0.01]
    assert traces["promoted"]["marker"]["symbol"] == ["triangle-up", "triangle-down"]
    low, high = figure["layout"]["yaxis"]["range"]  # type: ignore[index]
    assert low < -0.01
    assert high > 3.2
    assert "promoted" in dict(legend(findings, findings.trades))
    assert "promoted" not in dict(legend(Findings(record), Findings(record).trades))
    assert "tied" not in dict(legend(Findings(record), Findings(record).trades)), (
        "nothing that is not there"
    )


def test_promotions_and_second_scores_are_columns(promoted: StudyRecord) -> None:
    again = replace(
        promoted,
        later=pd.concat(
            [promoted.later, pd.DataFrame([later(3, 0.5, kind="rescore")], columns=LATER_COLUMNS)]
        ),
    )
    table = trial_table(Findings(again))
    headers = [column.header for column in table.columns]
    cells = {line.trial: dict(zip(headers, line.cells, strict=True)) for line in table.lines}
    assert cells[4]["uSDR, promoted"].text == "−0.01\N{NO-BREAK SPACE}dB"
    assert cells[3]["uSDR, promoted"].text == "–"
    assert cells[3]["uSDR, rescored"].value == 0.5
    assert headers.index("uSDR, promoted") == headers.index("MACs/s") + 1


def test_a_budget_tells_what_its_trial_gave_when_trained_for_longer(promoted: StudyRecord) -> None:
    steps = page_data(Findings(promoted))["budgets"][0]["steps"]  # type: ignore[index]
    assert steps[-1][0] == 4
    assert "(−0.01 dB trained for longer)" in steps[-1][3].replace("\N{NO-BREAK SPACE}", " ")
    assert "fell from" in render(Findings(promoted))
