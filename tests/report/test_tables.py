"""The report's tables: what stands in each cell, and what it sorts by."""

from dataclasses import replace
from math import isnan, nan

import pandas as pd
import pytest

from msdemucs.analysis.combined import combine
from msdemucs.analysis.findings import Findings
from msdemucs.report.details import scores_of
from msdemucs.report.page import detail_pages, details_of
from msdemucs.report.paper import front_table
from msdemucs.report.tables import (
    Line,
    Table,
    constants_text,
    shown_measures,
    source_table,
    trial_table,
)
from msdemucs.study.records import RUNG_SCORE_COLUMNS, StudyRecord
from msdemucs.units import format_value
from tests.records import TOYS, amend, make_record, make_search, unfinished_row


def cell(table: Table, trial: int, header: str) -> str:
    column = next(i for i, c in enumerate(table.columns) if c.header.startswith(header))
    return line(table, trial).cells[column].text


def line(table: Table, trial: int) -> Line:
    return next(found for found in table.lines if found.trial == trial)


def test_every_trial_has_a_line_the_best_on_top_the_unscored_at_the_end(
    record: StudyRecord,
) -> None:
    table = trial_table(Findings(record))
    assert [found.trial for found in table.lines] == [4, 2, 1, 5, 0, 3, 6, 7]
    assert all(len(found.cells) == len(table.columns) for found in table.lines)
    assert [found.trial for found in table.lines if found.is_front] == [4, 0, 3]
    assert {found.trial for found in table.lines if found.is_baseline} == {0, 1, 2}


def test_numbers_have_units_and_sort_by_their_value(record: StudyRecord) -> None:
    table = trial_table(Findings(record))
    assert cell(table, 4, "uSDR") == "2.31\N{NO-BREAK SPACE}dB"
    assert cell(table, 4, "MACs/s") == "2.7\N{NO-BREAK SPACE}GMAC/s"
    assert cell(table, 4, "Latency p50") == "97.0\N{NO-BREAK SPACE}ms"
    assert line(table, 4).cells[2].value == 2.31
    missing = line(table, 6).cells[2]
    assert missing.text == "–"
    assert isinstance(missing.value, float)
    assert isnan(missing.value)


def test_negative_scores_have_a_true_minus(record: StudyRecord) -> None:
    assert (
        cell(trial_table(Findings(amend(record, 4, usdr_db=-0.04))), 4, "uSDR")
        == "−0.04\N{NO-BREAK SPACE}dB"
    )


def test_differences_stand_before_the_lesser_measures(record: StudyRecord) -> None:
    headers = [
        column.header for column in trial_table(Findings(record)).columns if not column.is_hidden
    ]
    assert headers == [
        "Trial", "State", "uSDR", "MACs/s", "uSDR on sample", "uSDR on synthetic", "Parameters",
        "Latency p50", "Differs from htdemucs_n in", "Training",
    ]  # fmt: skip


def test_each_varied_field_is_a_column_and_what_is_the_same_is_said_once() -> None:
    record = make_search(12)
    params = [{**own, "attention.0.mechanism": "linear"} for own in record.trials["params"]]
    findings = Findings(replace(record, trials=record.trials.assign(params=pd.Series(params))))
    table = trial_table(findings)
    assert [column.header for column in table.columns if column.kind == "choice"] == [
        "channels.start", "fusion.output",
    ]  # fmt: skip
    assert cell(table, 4, "fusion.output") == "weighted"
    assert cell(table, 4, "channels.start") == "8"
    (differs,) = [column for column in table.columns if column.header.startswith("Differs")]
    assert differs.is_hidden, "the choices say it shorter"
    assert constants_text(findings) == "The same in all: attention.mechanism linear."
    header = front_table(findings).header
    assert header[-2:] == ("channels.start", "fusion.output")


def test_an_objective_is_in_the_table_though_others_hide_it(record: StudyRecord) -> None:
    directed = replace(record, directions={"usdr_db": "maximize", "rtf": "minimize"})
    assert "rtf" in [measure.column for measure in shown_measures(Findings(directed))]
    assert "rtf" not in [measure.column for measure in shown_measures(Findings(record))]


def test_a_difference_names_field_and_both_values(record: StudyRecord) -> None:
    changes = cell(trial_table(Findings(record)), 3, "Differs")
    assert changes == "channels.start 8 → 4; attention[0].mechanism softmax → linear"
    assert cell(trial_table(Findings(record)), 1, "Differs") == "–"


def test_a_trial_without_a_spec_shows_what_was_chosen(record: StudyRecord) -> None:
    refused = amend(record, 7, spec=None, differences={}, params={"fusion.output": "weighted"})
    assert (
        cell(trial_table(Findings(refused)), 7, "Differs")
        == "no spec; chosen: fusion.output weighted"
    )


def test_a_state_has_its_reason(record: StudyRecord) -> None:
    table = trial_table(Findings(record))
    assert cell(table, 6, "State") == "failed: loss became NaN at step 12"
    assert line(table, 6).cells[1].value == "failed"
    assert cell(table, 0, "State") == "complete"


@pytest.mark.parametrize(("n", "tracks"), [(1, "1 track"), (2, "2 tracks")])
def test_a_state_tells_left_out_tracks(record: StudyRecord, n: int, tracks: str) -> None:
    marked = amend(record, 0, left_out=["a.wav: is damaged"] * n)
    assert cell(trial_table(Findings(marked)), 0, "State") == f"complete, without {tracks}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "true"),
        (0.25, "0.25"),
        ("sum", "sum"),
        ([], "[]"),
        ([1, 2], "1, 2"),
        ({"kind": "sum"}, "sum"),
        ({"kind": "weighted", "smoothing": 0.9}, "weighted (smoothing 0.9)"),
        ([{"n_fft": 8, "hop_length": 2}, {"n_fft": 4, "hop_length": 1}],
         "n_fft 8, 4; hop_length 2, 1"),
        ([{"n_fft": 8}, {"hop_length": 1}], "n_fft 8, hop_length 1"),
        ({}, "none"),
    ],
)  # fmt: skip
def test_a_specs_value_fits_on_a_line(value: object, text: str) -> None:
    assert format_value(value) == text


def test_sources_have_the_mean_over_tracks_and_the_trials_mean(record: StudyRecord) -> None:
    table = source_table(Findings(record))
    headers = [column.header for column in table.columns]
    assert headers == ["Trial", "drums", "bass", "other", "vocals", "mean"]
    assert [found.trial for found in table.lines] == [4, 2, 1, 5, 0, 3]  # complete ones only
    assert cell(table, 0, "drums") == "2.32\N{NO-BREAK SPACE}dB"  # 1.42 + 0.9 + (0.4+0.4-0.8)/3
    assert cell(table, 0, "mean") == "1.42\N{NO-BREAK SPACE}dB"


def test_scores_of_a_trial_have_a_row_a_track_and_a_dash_for_silence(record: StudyRecord) -> None:
    table = scores_of(Findings(record), 0)
    assert table.sources == ("drums", "bass", "other", "vocals")
    assert [track.group for track in table.tracks] == ["synthetic", "synthetic", "sample"]
    assert table.tracks[0].floors[0] == "−4.00\N{NO-BREAK SPACE}dB"
    assert table.tracks[2].scores[1] == "–"


def test_poor_studies_have_tables_too(empty_record: StudyRecord) -> None:
    assert trial_table(Findings(empty_record)).lines == ()
    assert source_table(Findings(empty_record)).lines == ()
    assert scores_of(Findings(empty_record), 0).tracks == ()

    failed = make_record([], unfinished=[unfinished_row(0, "failed", "no memory")])
    table = trial_table(Findings(failed))
    assert cell(table, 0, "State") == "failed: no memory"
    assert cell(table, 0, "uSDR") == "–"
    assert source_table(Findings(failed)).lines == ()

    one = make_record(TOYS[:1])
    assert [found.is_front for found in trial_table(Findings(one)).lines] == [True]

    unscored = amend(one, 0, usdr_db=nan)
    assert cell(trial_table(Findings(unscored)), 0, "uSDR") == "–"
    assert [found.is_front for found in trial_table(Findings(unscored)).lines] == [False]


def test_the_only_group_of_tracks_has_no_column_of_its_own(record: StudyRecord) -> None:
    def headers(of: StudyRecord) -> list[str]:
        return [column.header for column in trial_table(Findings(of)).columns]

    assert {"uSDR on synthetic", "uSDR on sample"} <= set(headers(record))
    single = replace(record, trials=record.trials.drop(columns=["usdr_db/sample"]))
    assert "uSDR" in headers(single)
    assert "uSDR on synthetic" not in headers(single)
    asked = replace(single, directions={"usdr_db/synthetic": "maximize"})
    assert "uSDR on synthetic" in headers(asked)


def test_a_stopped_trial_shows_what_it_had_at_its_rung(record: StudyRecord) -> None:
    scores = record.scores[record.scores.trial == 4]
    rungs = scores.assign(trial=7, step=10)[list(RUNG_SCORE_COLUMNS)]
    stopped = amend(replace(record, rung_scores=rungs), 7, state="stopped", stopped_at=10)
    table, own = scores_of(Findings(stopped), 7), scores_of(Findings(stopped), 4)
    assert (table.step, own.step) == (10, None)
    assert table.tracks == own.tracks
    pages = detail_pages(details_of(Findings(stopped), {}))
    assert (
        "uSDR (dB), validation tracks, by track and source at step 10, where it was stopped"
        in pages[7]
    )
    assert "Band 7 - Blue Hour" in pages[7]
    assert "where it was stopped" not in pages[4]
    assert "uSDR by track" not in pages[6]  # failed, without scores
    other = replace(record, name="other")
    both = combine([other, stopped])
    assert scores_of(Findings(both), 15).step == 10
