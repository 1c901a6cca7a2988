"""A latency that was measured while others kept the cores busy counts nowhere, and is marked."""

from dataclasses import replace

import pytest

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.fronts import best_trials, front
from msdemucs.analysis.measure import measure_of
from msdemucs.analysis.noise import pool
from msdemucs.columns import MOST_BUSY
from msdemucs.errors import UsageError
from msdemucs.report.sentences import text_of
from msdemucs.report.statements import describe_trade, statements
from msdemucs.report.tables import trial_table
from msdemucs.study.records import StudyRecord
from tests.records import amend, make_record

FASTEST = 3
"""The trial that is first on the front of quality against latency."""

LATENCY = measure_of("latency_ms_p50")


@pytest.fixture
def busy() -> StudyRecord:
    """Quality against latency, the fastest trial timed beside others."""
    record = amend(make_record(), FASTEST, latency_busy=0.45)
    directions = {"usdr_db": "maximize", "latency_ms_p50": "minimize"}
    return replace(record, directions=directions)  # type: ignore[arg-type]


def test_a_busy_time_is_on_no_front_and_no_figure_of_latency(busy: StudyRecord) -> None:
    quiet = amend(busy, FASTEST, latency_busy=MOST_BUSY)
    assert FASTEST in Findings(quiet).front
    assert FASTEST in {point.trial for point in Findings(quiet).trade(LATENCY).front}
    findings = Findings(busy)
    assert FASTEST not in findings.front
    assert FASTEST not in set(front(busy).trial)
    assert FASTEST not in {point.trial for point in findings.trade(LATENCY).points}


def test_it_stays_on_the_fronts_of_other_costs(busy: StudyRecord) -> None:
    front = Findings(busy).trade(measure_of("macs_per_second")).front
    assert FASTEST in {point.trial for point in front}


def test_it_is_in_no_hypervolume_of_latency(busy: StudyRecord) -> None:
    assert FASTEST not in Findings(busy).box_places
    assert FASTEST in Findings(amend(busy, FASTEST, latency_busy=0.0)).box_places
    of_macs = replace(busy, directions={"usdr_db": "maximize", "macs_per_second": "minimize"})
    assert FASTEST in Findings(of_macs).box_places


def test_the_report_says_how_many_are_left_out_and_why(busy: StudyRecord) -> None:
    findings = Findings(busy)
    sentence = (
        "The latency of 1 of 6 complete trials was measured while others kept more than 10 % of "
        "the cores busy: it counts on no front and in no hypervolume."
    )
    plain = [text_of(said).replace("\N{NO-BREAK SPACE}", " ") for said in statements(findings)]
    assert sentence in plain
    caption = text_of(describe_trade(findings.trade(LATENCY)))
    assert "1 complete trial timed on a busy machine: not drawn." in caption
    assert "without both numbers" not in caption


def test_a_study_whose_machine_was_never_quiet_says_so(busy: StudyRecord) -> None:
    record = replace(busy, trials=busy.trials.assign(latency_busy=0.5))
    texts = [text_of(said) for said in statements(Findings(record))]
    assert any("The latency of 6 of 6 complete trials" in text for text in texts)
    with pytest.raises(UsageError, match=r"no complete trial yet\. The latency of 6 of"):
        front(record)


def test_the_table_shows_the_time_and_marks_it(busy: StudyRecord) -> None:
    lines = {line.trial: line for line in trial_table(Findings(busy)).lines}
    texts = {cell.text for cell in lines[FASTEST].cells}
    assert {text for text in texts if text.endswith(", busy")} >= {"39.5\N{NO-BREAK SPACE}ms, busy"}
    assert not any(cell.text.endswith("busy") for cell in lines[FASTEST + 1].cells)


def test_a_mean_over_trainings_is_of_the_quiet_ones() -> None:
    record = make_record()
    twin = record.trials[record.trials.trial == FASTEST].assign(
        trial=90, seed=1, latency_ms_p50=943.0, latency_busy=0.86
    )
    frame = record.trials.copy()
    frame.loc[len(frame)] = twin.iloc[0]
    pooled = pool(replace(record, trials=frame)).record.trials.set_index("trial")
    assert 90 not in pooled.index
    assert pooled.latency_ms_p50[FASTEST] == 39.5


def test_a_limit_on_latency_is_met_by_quiet_times_alone(busy: StudyRecord) -> None:
    with pytest.raises(UsageError, match=r"smallest of the study is 61\. The latency of 1 of 6"):
        best_trials(busy, limits={"latency_ms_p50": 40})


def test_an_unknown_load_is_taken_for_quiet() -> None:
    record = make_record()
    assert "latency_busy" not in record.trials or record.trials.latency_busy.isna().all()
    assert pool(record).record is record
