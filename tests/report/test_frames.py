"""What a report shows, as values: fronts, floors, curves, states."""

from dataclasses import replace
from math import nan

import pytest

from msdemucs.report.budgets import ladders_of
from msdemucs.report.figures.trades import paint_trade
from msdemucs.report.findings import describe_trade, findings_of
from msdemucs.report.frames import (
    costs_of,
    count_states,
    curves_of,
    left_out_of,
    quality_of,
    rows_of,
    source_means,
)
from msdemucs.report.fronts import floor_of, study_front, trade_of
from msdemucs.report.measures import measure_of
from msdemucs.report.page import render
from msdemucs.report.paper import front_table
from msdemucs.report.progress import places_of
from msdemucs.report.sentences import text_of
from msdemucs.study.records import StudyRecord
from tests.report.conftest import TOYS, amend, make_record, unfinished_row

MACS = measure_of("macs_per_second")


def names(record: StudyRecord, column: str) -> list[str]:
    return [point.name for point in trade_of(record, measure_of(column)).front]


def test_a_front_holds_what_nothing_beats_in_both(record: StudyRecord) -> None:
    # by hand from the toys: 0.71 dB at 0.88, 1.42 at 1.93, 2.31 at 2.70 GMAC/s; the rest are beaten
    assert names(record, "macs_per_second") == ["trial 3", "htdemucs", "trial 4"]
    assert names(record, "latency_ms_p50") == ["trial 3", "htdemucs", "trial 4"]


def test_points_are_the_complete_trials_by_cost(record: StudyRecord) -> None:
    trade = trade_of(record, MACS)
    assert [point.trial for point in trade.points] == [3, 0, 4, 1, 2, 5]
    assert [point.is_baseline for point in trade.points] == [False, True, False, True, True, False]
    assert (trade.points[0].x, trade.points[0].y) == (0.88e9, 0.71)


def test_a_trial_without_a_score_is_counted_and_not_drawn(record: StudyRecord) -> None:
    trade = trade_of(amend(record, 4, usdr_db=nan), MACS)
    assert 4 not in [point.trial for point in trade.points]
    assert trade.n_unmeasured == 1
    assert [point.trial for point in trade.front] == [
        3,
        0,
        2,
    ]  # 2 was beaten by 4; 1 costs as much as 2


def test_equal_trials_are_on_the_front_together() -> None:
    twins = make_record([TOYS[0], replace(TOYS[0], name="trial 1")])
    assert len(trade_of(twins, MACS).front) == 2
    assert study_front(twins) == {0, 1}


def test_the_studys_front_is_of_its_own_objectives(record: StudyRecord) -> None:
    assert study_front(record) == {3, 0, 4}
    by_score_alone = replace(record, directions={"usdr_db": "maximize"})
    assert study_front(by_score_alone) == {4}
    assert study_front(replace(record, directions={})) == frozenset()


def test_the_floor_is_the_mean_over_sources_of_the_mean_over_tracks(record: StudyRecord) -> None:
    # every track has the floors -4, -7.5, -5, -6.5; bass is silent in the sample and left out there
    assert floor_of(record, quality_of(record)) == pytest.approx(-5.75)
    sample = measure_of("usdr_db/sample", record)
    assert floor_of(record, sample) == pytest.approx((-4 - 5 - 6.5) / 3)


def test_a_group_can_be_the_objective(record: StudyRecord) -> None:
    directed = replace(record, directions={"usdr_db/sample": "maximize", "seconds": "minimize"})
    assert quality_of(directed).column == "usdr_db/sample"
    drawn = [cost.column for cost in costs_of(directed)]
    assert drawn == [
        "macs_per_second", "parameters", "latency_ms_p50", "peak_memory_bytes", "seconds"
    ]  # fmt: skip


def test_curves_keep_finite_losses_in_the_order_of_steps(record: StudyRecord) -> None:
    rows = record.curves.sample(frac=1, random_state=0).reset_index(drop=True)
    rows.loc[(rows.trial == 6) & (rows.step == 11), "loss"] = nan
    curves = {curve.trial: curve for curve in curves_of(replace(record, curves=rows))}
    assert sorted(curves) == [0, 1, 2, 3, 4, 5, 6]  # the refused trial never trained
    assert curves[0].steps == tuple(range(1, 31))
    assert (curves[6].state, curves[6].steps[-1]) == ("failed", 10)


def test_states_are_counted_with_their_commonest_reason_first() -> None:
    reasons = ["no memory", "NaN", "no memory"]
    failed = [unfinished_row(i, "failed", reason) for i, reason in enumerate(reasons)]
    counts = count_states(make_record([], unfinished=[*failed, unfinished_row(3, "running")]))
    assert [(count.state, count.n) for count in counts] == [("failed", 3), ("running", 1)]
    assert counts[0].reasons == (("no memory", 2), ("NaN", 1))


def test_means_by_source_leave_silent_references_out(record: StudyRecord) -> None:
    means = source_means(record)
    assert list(means) == ["drums", "bass", "other", "vocals"]
    # trial 0 at 1.42: drums + 0.9 over two synthetic tracks (+0.4) and the sample (-0.8)
    assert means.loc[0, "drums"] == pytest.approx(1.42 + 0.9 + (0.4 + 0.4 - 0.8) / 3)
    assert means.loc[0, "bass"] == pytest.approx(1.42 - 0.3 + 0.4)  # silent in the sample


@pytest.mark.parametrize("value", [None, nan, []])
def test_a_row_without_left_out_tracks_has_none(record: StudyRecord, value: object) -> None:
    assert left_out_of(rows_of(amend(record, 0, left_out=value))[0]) == ()


def test_studies_without_a_complete_trial_have_empty_frames(empty_record: StudyRecord) -> None:
    failed = make_record([], unfinished=[unfinished_row(0, "failed", "no memory")])
    for poor in (empty_record, failed):
        trade = trade_of(poor, MACS)
        assert (trade.points, trade.front, trade.floor) == ((), (), None)
        assert study_front(poor) == frozenset()
        assert source_means(poor).empty
    assert curves_of(empty_record) == ()
    assert [curve.trial for curve in curves_of(failed)] == [0]


def test_a_reference_beyond_a_constraint_is_no_answer() -> None:
    record = make_record()
    assert 4 in study_front(record)
    beyond = amend(record, 4, violations={"macs_per_second": 0.7e9})
    assert 4 not in study_front(beyond)
    assert study_front(beyond)


def test_a_baseline_beyond_a_constraint_is_shown_and_on_no_front(record: StudyRecord) -> None:
    # trial 1 would be the best of all
    beyond = amend(record, 1, usdr_db=9.0, violations={"macs_per_second": 0.61e9})
    trade = trade_of(beyond, MACS)
    point = next(point for point in trade.points if point.trial == 1)
    assert point.beyond == ("macs_per_second",)
    assert not point.is_front
    assert names(beyond, "macs_per_second") == ["trial 3", "htdemucs", "trial 4"]
    ladders = ladders_of(beyond)
    assert 1 not in {step.trial for ladder in ladders for step in ladder.steps}
    assert 1 not in study_front(beyond)
    assert 1 not in places_of(beyond)
    caption = text_of(describe_trade(trade))
    assert "on no front: htdemucs_n (macs_per_second)." in caption
    assert "Best uSDR (validation): trial 4" in text_of(findings_of(beyond)[0])
    rows = {row[0] for row in front_table(beyond).rows}
    assert "htdemucs_n (beyond macs_per_second)" in rows
    painted = paint_trade(trade, height=400).data
    symbols = [symbol for trace in painted for symbol in (trace.marker.symbol or ())]
    assert symbols.count("x-open") == 1


def test_a_study_of_references_alone_has_no_front(record: StudyRecord) -> None:
    for trial in range(6):
        record = amend(record, trial, violations={"parameters": 1.0})
    trade = trade_of(record, MACS)
    assert (len(trade.points), trade.front, trade.admitted) == (6, (), ())
    assert ladders_of(record) == ()
    told = [text_of(found) for found in findings_of(record)]
    assert any("each exceeds a constraint" in text for text in told)
    assert "on no front" in render(record)
