"""Which tracks a number is of: validation, test, and studies that selected on test tracks."""

from dataclasses import replace

import pandas as pd
import pytest

from msdemucs.analysis.combined import combine
from msdemucs.analysis.findings import Findings
from msdemucs.analysis.measure import measure_of
from msdemucs.errors import UsageError
from msdemucs.report.page import detail_pages, details_of, render
from msdemucs.report.paper import judged_table, paper
from msdemucs.report.sentences import OPTIMISM, text_of
from msdemucs.report.statements import statements
from msdemucs.study.records import LATER_COLUMNS, LOOKS, SCORE_COLUMNS, StudyRecord
from tests.records import TOYS, amend, judged_by, make_eight, score_rows, with_seeds


def sentences(record: StudyRecord) -> list[str]:
    return [
        text_of(found).replace("\N{NO-BREAK SPACE}", " ") for found in statements(Findings(record))
    ]


def judged(
    record: StudyRecord, trials: list[int], *, lower_db: float = 0.3, promoted: str = ""
) -> StudyRecord:
    """The record with trials judged on test tracks, where each has so much less."""
    rows = []
    for trial in trials:
        scores = pd.DataFrame(score_rows(trial, TOYS[trial], shift_db=-lower_db))
        scores = scores.assign(split="test")[list(SCORE_COLUMNS)]
        kept = {"columns": list(SCORE_COLUMNS), "rows": scores.to_numpy().tolist()}
        value = TOYS[trial].usdr_db - lower_db
        detail = {"scores": kept, **({"promoted": promoted} if promoted else {})}
        rows.append([trial, "judge", "usdr_db", value, 0, detail, "test"])
    later = pd.DataFrame(rows, columns=list(LATER_COLUMNS))
    looks = [*record.attrs.get(LOOKS, ()), *trials]  # type: ignore[misc]
    return replace(
        record,
        later=pd.concat([record.later, later]) if len(record.later) else later,
        attrs={**record.attrs, LOOKS: looks},
    )


def of_test(record: StudyRecord) -> StudyRecord:
    """The record as one made before there were validation tracks."""
    scores, floors = (frame.assign(split="test") for frame in (record.scores, record.floors))
    return replace(record, scores=scores, floors=floors, attrs={})


def test_a_study_that_selected_on_test_tracks_says_so_first(record: StudyRecord) -> None:
    old = of_test(record)
    found = sentences(old)
    assert found[0].startswith("This study selected on its test tracks: ")
    assert found[1].startswith("Best uSDR (test; silence 0.00 dB, the mixture −5.75 dB): trial 4")
    assert any("3 test tracks" in text for text in found[2:])
    assert "validation" not in render(Findings(old))
    assert (
        paper(Findings(old), "md")
        .split("\n- ")[1]
        .startswith("This study selected on its test tracks")
    )
    assert not any("selected on" in text for text in sentences(record))


def test_scores_of_another_split_are_in_no_number(record: StudyRecord) -> None:
    both = replace(record, scores=pd.concat([record.scores, of_test(record).scores]))
    assert sentences(both) == sentences(record)


def test_judged_trials_stand_beside_what_chose_them(record: StudyRecord) -> None:
    looked = judged(judged(record, [4, 2]), [4], lower_db=0.5)
    trial, other = Findings(looked).judged[Findings(looked).quality.column]
    assert (trial.trial, trial.validation, trial.n_looks) == (4, 2.31, 2)
    # of the scores: 2.41 over all sources, 0.3 dB lower at the first look, 0.5 dB at the second
    assert trial.test == pytest.approx(2.41 - 0.4)
    assert other.trial == 2
    assert other.test == pytest.approx(2.16 - 0.3)
    found = sentences(looked)
    assert (
        "uSDR on test tracks: trial 4 2.01 dB (2.31 dB on validation); "
        "htdemucs_nn, 8 channels 1.86 dB (2.06 dB on validation)."
    ) in found
    assert (
        "The test tracks were looked at 3 times: the best of several looks is optimistic "
        "(scores of 2 trials)."
    ) in found
    table = judged_table(Findings(looked))
    assert table.header == ("trial", "uSDR (dB), validation tracks", "uSDR (dB), test tracks")
    assert [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in table.rows[0]] == [
        "trial 4", "2.31 dB", "2.01 dB"
    ]  # fmt: skip
    html = render(Findings(looked))
    assert 'id="judged"' in html
    assert 'id="judged"' not in render(Findings(record))
    later = detail_pages(details_of(Findings(looked), {}))[4].replace("\N{NO-BREAK SPACE}", " ")
    assert "judge: uSDR 2.01 dB, test tracks, seed 0" in later


def test_what_the_mixture_scores_on_test_tracks_stands_below_what_was_judged(
    record: StudyRecord,
) -> None:
    on_test = record.floors.assign(split="test", value=record.floors["value"] + 1)
    looked = judged(replace(record, floors=pd.concat([record.floors, on_test])), [4])
    findings = Findings(looked)
    quality = findings.quality
    before, now = (of[quality.column] for of in (findings.floors, findings.test_floors))
    assert before is not None
    assert now is not None
    assert now == pytest.approx(before + 1)
    text = quality.text(now).replace("\N{NO-BREAK SPACE}", " ")
    told = "uSDR on test tracks: trial 4 2.11 dB (2.31 dB on validation); the mixture itself "
    assert f"{told}{text}." in sentences(looked)
    assert judged_table(findings).rows[-1] == (
        "the mixture itself",
        quality.text(before),
        quality.text(now),
    )
    assert len(judged_table(Findings(judged(record, [4]))).rows) == 1


def test_what_has_no_score_is_told_once_with_its_reason(record: StudyRecord) -> None:
    lacking = {"usdr_db": {"bass": {"its reference is silent": 1}}}
    everywhere = replace(record, trials=record.trials.assign(unscored=pd.Series([lacking] * 8)))
    line = "there is no uSDR of bass on 1 track: its reference is silent"
    assert f"Of the validation tracks, {line}." in sentences(everywhere)
    once = replace(record, trials=record.trials.assign(unscored=pd.Series({0: lacking})))
    assert f"Of the validation tracks, {line} (1 trial)." in sentences(once)
    looked = judged(record, [4, 2])
    for detail in looked.later["detail"]:
        detail["unscored"] = lacking
    assert sentences(looked).count(f"Of the test tracks, {line}.") == 1


def test_a_look_without_its_scores_has_its_own_value_alone(record: StudyRecord) -> None:
    looked = judged(record, [4])
    bare = replace(looked, later=looked.later.assign(detail=pd.Series([{}])))
    (own,) = Findings(bare).judged["usdr_db"]
    assert own.test == pytest.approx(2.31 - 0.3)
    by_sample = replace(bare, directions={"usdr_db/sample": "maximize"})
    assert Findings(by_sample).judged == {"usdr_db/sample": ()}
    (vocals,) = Findings(judged_by(looked, ["usdr_db/vocals"])).judged["usdr_db/vocals"]
    assert vocals.test == pytest.approx(2.31 - 0.1 - 0.3)


def test_the_best_is_told_with_what_of_it_is_luck(record: StudyRecord) -> None:
    seeded = with_seeds(record, [-0.3, 0.0, 0.3])  # σ 0.3 dB, of means over three 0.17 dB
    trade = Findings(seeded).trade(measure_of("macs_per_second"))
    fall = trade.expected_fall
    assert fall is not None
    assert 0.03 < fall < 0.12
    said = (
        "The best of 6 noisy scores is optimistic: trained again with other seeds, expect trial 4 "
        f"to be {fall:.2f} dB worse, at {2.31 - fall:.2f} dB of uSDR."
    )
    assert said in sentences(seeded)
    html = render(Findings(seeded))
    assert "Expected fall" in html
    assert OPTIMISM[:40] in html
    assert OPTIMISM[:30] in paper(Findings(seeded), "latex")
    assert Findings(record).trade(measure_of("macs_per_second")).expected_fall is None
    assert "optimistic" not in "".join(sentences(record))


def test_a_leader_far_ahead_is_not_lucky(record: StudyRecord) -> None:
    ahead = amend(with_seeds(record, [-0.05, 0.05]), 4, usdr_db=9.0)
    assert not any("optimistic" in text for text in sentences(ahead))


def test_studies_of_different_splits_are_not_compared(record: StudyRecord) -> None:
    with pytest.raises(UsageError, match="other: test tracks"):
        combine([record, replace(of_test(make_eight()), name="other")])
    both = combine([record, replace(record, name="other")])
    assert len(both.floors) == len(record.floors)


def test_weights_of_a_promotion_are_judged_beside_the_trials_own(record: StudyRecord) -> None:
    looked = judged(judged(record, [4]), [4], lower_db=-1.0, promoted="long")
    longer, own = Findings(looked).judged[Findings(looked).quality.column]
    assert (longer.name, own.name) == ("trial 4, promoted by long", "trial 4")
    assert own.test == pytest.approx(2.41 - 0.3)
    assert longer.test == pytest.approx(2.41 + 1.0)
    assert (
        "uSDR on test tracks: trial 4, promoted by long 3.41 dB; "
        "trial 4 2.11 dB (2.31 dB on validation)."
    ) in sentences(looked)
    assert [row[0] for row in judged_table(Findings(looked)).rows] == [
        "trial 4, promoted by long",
        "trial 4",
    ]
