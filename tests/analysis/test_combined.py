"""Several studies in one report."""

from dataclasses import replace

import pandas as pd
import pytest

from msdemucs.analysis.combined import combine
from msdemucs.analysis.findings import Findings
from msdemucs.analysis.measure import measure_of
from msdemucs.errors import UsageError
from msdemucs.report.page import colour_fields, render
from msdemucs.report.sentences import text_of
from msdemucs.report.statements import statements
from msdemucs.report.views import trade_views
from msdemucs.study.records import LATER_COLUMNS, STUDY_COLUMN, StudyRecord
from tests.records import make_record, make_search

MACS = measure_of("macs_per_second")


@pytest.fixture
def both(record: StudyRecord) -> StudyRecord:
    return combine([record, replace(make_search(12), name="search")])


def test_trials_are_numbered_anew_and_keep_their_rows(both: StudyRecord) -> None:
    assert both.trials["trial"].tolist() == list(range(8 + 12))
    assert both.trials[STUDY_COLUMN].tolist() == ["multires"] * 8 + ["search"] * 12
    assert both.trials["name"][8] == "search: 4 channels, sum, trial 0"
    own = both.scores[both.scores["trial"] == 8]["value"].dropna()
    alone = make_search(12).scores.query("trial == 0")["value"].dropna()
    assert own.tolist() == alone.tolist()
    assert set(both.rungs["trial"]) == set(range(8, 20))


def test_each_study_has_its_front_on_shared_axes(both: StudyRecord, record: StudyRecord) -> None:
    fronts = Findings(both).study_fronts(Findings(both).trade(MACS))
    assert [point.trial for point in fronts["multires"]] == [3, 0, 4]
    alone = Findings(make_search(12)).trade(MACS).front
    assert [point.trial - 8 for point in fronts["search"]] == [point.trial for point in alone]
    assert next(iter(colour_fields(Findings(both))))["values"] == ["multires", "search"]


def test_studies_of_other_data_are_not_compared_in_silence(record: StudyRecord) -> None:
    other = replace(record, name="other", attrs={**record.attrs, "data": {"musdb18hq": "50 test"}})
    told = [text_of(said) for said in statements(Findings(combine([record, other])))]
    assert told[0].startswith(
        "The studies multires, other differ in data: their scores do not compare."
    )
    alike = combine([record, replace(record, name="other")])
    assert "do not compare" not in text_of(statements(Findings(alike))[0])


def test_studies_must_have_names_of_their_own_and_an_objective_in_common(
    record: StudyRecord,
) -> None:
    with pytest.raises(UsageError, match="given twice"):
        combine([record, record])
    other = replace(record, name="other", directions={"parameters": "minimize"})
    with pytest.raises(UsageError, match="no objective in common"):
        combine([record, other])


def test_what_is_of_a_base_is_of_no_trial_of_another_study(record: StudyRecord) -> None:
    rows = [
        [trial, kind, "usdr_db", 1.0, 0, {"spec_hash": "a"}, "validation"]
        for trial, kind in ((-1, "noise"), (4, "promotion"))
    ]
    later = pd.DataFrame(rows, columns=list(LATER_COLUMNS))
    both = combine([replace(record, later=later), replace(record, name="other", later=later)])
    assert both.later["trial"].tolist() == [-1, 4, -1, 12]
    assert Findings(both).noise[measure_of("usdr_db").column] is None, "each study trained it once"


def test_an_empty_study_can_be_compared(record: StudyRecord) -> None:
    combined = combine([replace(make_record([]), name="new"), record])
    assert len(combined.trials) == 8
    assert "multires: trial 4" in render(Findings(combined))


def unlike(record: StudyRecord) -> StudyRecord:
    """Two studies of different data, the second 20 dB better for it."""
    trials = record.trials.assign(usdr_db=record.trials["usdr_db"] + 20.0)
    other = {**record.attrs, "data": {"musdb18hq": "50 test"}}
    return combine([record, replace(record, name="other", trials=trials, attrs=other)])


def test_scores_that_do_not_compare_have_no_common_front_best_or_budget(
    record: StudyRecord,
) -> None:
    findings = Findings(unlike(record))
    assert (findings.is_common, findings.unlike) == (False, ("data",))
    assert findings.front == frozenset()
    assert [trade.front for trade in findings.trades] == [()] * len(findings.trades)
    assert (findings.budgets, findings.hypervolumes, findings.importances) == ((), (), ())
    told = " ".join(text_of(said) for said in statements(findings))
    assert "their scores do not compare" in told
    assert not any(word in told for word in ("Best", "reaches", "on the front of"))
    fronts = findings.study_fronts(findings.main_trade)
    assert {name: [point.trial for point in front] for name, front in fronts.items()} == {
        "multires": [3, 0, 4],
        "other": [11, 8, 12],
    }
    figure = trade_views(findings)[0].figure
    assert figure is not None
    lines = [t for t in figure["data"] if t["meta"]["role"] == "front-line"]  # type: ignore[attr-defined]
    assert [line["meta"]["study"] for line in lines] == ["multires", "other"]


def test_studies_that_compare_have_a_common_front(record: StudyRecord) -> None:
    alike = Findings(combine([record, replace(record, name="other")]))
    assert alike.front == {0, 3, 4, 8, 11, 12}
    assert alike.budgets


def test_a_study_has_its_colour_by_its_name_wherever_it_lies(record: StudyRecord) -> None:
    # the second is cheaper: along every cost its points come first
    cheap = record.trials.assign(macs_per_second=record.trials["macs_per_second"] / 1e3)
    findings = Findings(combine([record, replace(record, name="cheap", trials=cheap)]))
    assert findings.studies == ("multires", "cheap")
    for trade in findings.trades:
        assert tuple(findings.study_fronts(trade)) == findings.studies
