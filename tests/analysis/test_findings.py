"""What a report shows, as values: fronts, floors, curves, states."""

from dataclasses import replace
from math import nan

import pytest

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.measure import measure_of
from msdemucs.analysis.trades import mixture_quality
from msdemucs.analysis.trials import left_out_of
from msdemucs.report.figures.trades import paint_trade
from msdemucs.report.page import render
from msdemucs.report.paper import front_table
from msdemucs.report.sentences import text_of
from msdemucs.report.statements import describe_trade, statements
from msdemucs.study.records import StudyRecord
from tests.records import TOYS, amend, make_record, unfinished_row

MACS = measure_of("macs_per_second")


def names(record: StudyRecord, column: str) -> list[str]:
    return [point.name for point in Findings(record).trade(measure_of(column)).front]


def test_a_front_holds_what_nothing_beats_in_both(record: StudyRecord) -> None:
    # by hand from the toys: 0.71 dB at 0.88, 1.42 at 1.93, 2.31 at 2.70 GMAC/s; the rest are beaten
    assert names(record, "macs_per_second") == ["trial 3", "htdemucs, 8 channels", "trial 4"]
    assert names(record, "latency_ms_p50") == ["trial 3", "htdemucs, 8 channels", "trial 4"]


def test_points_are_the_complete_trials_by_cost(record: StudyRecord) -> None:
    trade = Findings(record).trade(MACS)
    assert [point.trial for point in trade.points] == [3, 0, 4, 1, 2, 5]
    assert [point.is_baseline for point in trade.points] == [False, True, False, True, True, False]
    assert (trade.points[0].x, trade.points[0].y) == (0.88e9, 0.71)


def test_a_trial_without_a_score_is_counted_and_not_drawn(record: StudyRecord) -> None:
    trade = Findings(amend(record, 4, usdr_db=nan)).trade(MACS)
    assert 4 not in [point.trial for point in trade.points]
    assert trade.n_unmeasured == 1
    assert [point.trial for point in trade.front] == [
        3,
        0,
        2,
    ]  # 2 was beaten by 4; 1 costs as much as 2


def test_equal_trials_are_on_the_front_together() -> None:
    twins = make_record([TOYS[0], replace(TOYS[0], name="trial 1")])
    assert len(Findings(twins).trade(MACS).front) == 2
    assert Findings(twins).front == {0, 1}


def test_the_studys_front_is_of_its_own_objectives(record: StudyRecord) -> None:
    assert Findings(record).front == {3, 0, 4}
    by_score_alone = replace(record, directions={"usdr_db": "maximize"})
    assert Findings(by_score_alone).front == {4}
    assert Findings(replace(record, directions={})).front == frozenset()


def test_the_floor_is_the_mean_over_sources_of_the_mean_over_tracks(record: StudyRecord) -> None:
    # every track has the floors -4, -7.5, -5, -6.5; bass is silent in the sample and left out there
    assert Findings(record).floors[Findings(record).quality.column] == pytest.approx(-5.75)
    sample = measure_of("usdr_db/sample", record)
    assert mixture_quality(record.floors, sample) == pytest.approx((-4 - 5 - 6.5) / 3)


def test_a_group_can_be_the_objective(record: StudyRecord) -> None:
    directed = replace(record, directions={"usdr_db/sample": "maximize", "seconds": "minimize"})
    assert Findings(directed).quality.column == "usdr_db/sample"
    drawn = [cost.column for cost in Findings(directed).costs]
    assert drawn == [
        "macs_per_second", "parameters", "latency_ms_p50", "peak_memory_bytes", "seconds"
    ]  # fmt: skip


def test_curves_keep_finite_losses_in_the_order_of_steps(record: StudyRecord) -> None:
    rows = record.curves.sample(frac=1, random_state=0).reset_index(drop=True)
    rows.loc[(rows.trial == 6) & (rows.step == 11), "loss"] = nan
    curves = {curve.trial: curve for curve in Findings(replace(record, curves=rows)).curves}
    assert sorted(curves) == [0, 1, 2, 3, 4, 5, 6]  # the refused trial never trained
    assert curves[0].steps == tuple(range(1, 31))
    assert (curves[6].state, curves[6].steps[-1]) == ("failed", 10)


def test_states_are_counted_with_their_commonest_reason_first() -> None:
    reasons = ["no memory", "NaN", "no memory"]
    failed = [unfinished_row(i, "failed", reason) for i, reason in enumerate(reasons)]
    counts = Findings(make_record([], unfinished=[*failed, unfinished_row(3, "running")])).states
    assert [(count.state, count.n) for count in counts] == [("failed", 3), ("running", 1)]
    assert counts[0].reasons == (("no memory", 2), ("NaN", 1))


def test_means_by_source_leave_silent_references_out(record: StudyRecord) -> None:
    means = Findings(record).source_means
    assert list(means) == ["drums", "bass", "other", "vocals"]
    # trial 0 at 1.42: drums + 0.9 over two synthetic tracks (+0.4) and the sample (-0.8)
    assert means.loc[0, "drums"] == pytest.approx(1.42 + 0.9 + (0.4 + 0.4 - 0.8) / 3)
    assert means.loc[0, "bass"] == pytest.approx(1.42 - 0.3 + 0.4)  # silent in the sample


@pytest.mark.parametrize("value", [None, nan, []])
def test_a_row_without_left_out_tracks_has_none(record: StudyRecord, value: object) -> None:
    assert left_out_of(Findings(amend(record, 0, left_out=value)).rows[0]) == ()


def test_studies_without_a_complete_trial_have_empty_frames(empty_record: StudyRecord) -> None:
    failed = make_record([], unfinished=[unfinished_row(0, "failed", "no memory")])
    for poor in (empty_record, failed):
        trade = Findings(poor).trade(MACS)
        assert (trade.points, trade.front, trade.floor) == ((), (), None)
        assert Findings(poor).front == frozenset()
        assert Findings(poor).source_means.empty
    assert Findings(empty_record).curves == ()
    assert [curve.trial for curve in Findings(failed).curves] == [0]


def test_a_reference_beyond_a_constraint_is_no_answer() -> None:
    record = make_record()
    assert 4 in Findings(record).front
    beyond = amend(record, 4, violations={"macs_per_second": 0.7e9})
    assert 4 not in Findings(beyond).front
    assert Findings(beyond).front


def test_a_baseline_beyond_a_constraint_is_shown_and_on_no_front(record: StudyRecord) -> None:
    # trial 1 would be the best of all
    beyond = amend(record, 1, usdr_db=9.0, violations={"macs_per_second": 0.61e9})
    trade = Findings(beyond).trade(MACS)
    point = next(point for point in trade.points if point.trial == 1)
    assert point.beyond == ("macs_per_second",)
    assert not point.is_front
    assert names(beyond, "macs_per_second") == ["trial 3", "htdemucs, 8 channels", "trial 4"]
    budgets = Findings(beyond).budgets
    assert 1 not in {step.trial for budget in budgets for step in budget.steps}
    assert 1 not in Findings(beyond).front
    assert 1 not in Findings(beyond).box_places
    caption = text_of(describe_trade(trade))
    assert "on no front: htdemucs_n, 8 channels (MACs/s)." in caption
    first = text_of(statements(Findings(beyond))[0])
    assert ": trial 4 with 2.31" in first
    assert "Better, but beyond a constraint: htdemucs_n, 8 channels with 9.00" in first
    rows = {row[0] for row in front_table(Findings(beyond)).rows}
    assert "htdemucs_n, 8 channels (beyond MACs/s)" in rows
    painted = paint_trade(trade, height=400).data
    symbols = [symbol for trace in painted for symbol in (trace.marker.symbol or ())]
    assert symbols.count("x-thin") == 1


def test_a_study_of_references_alone_has_no_front(record: StudyRecord) -> None:
    for trial in range(6):
        record = amend(record, trial, violations={"parameters": 1.0})
    trade = Findings(record).trade(MACS)
    assert (len(trade.points), trade.front, trade.admitted) == (6, (), ())
    assert Findings(record).budgets == ()
    told = [text_of(said) for said in statements(Findings(record))]
    assert any("each exceeds a constraint" in text for text in told)
    assert "on no front" in render(Findings(record))
