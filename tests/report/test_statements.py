"""What a study found, as the sentences that people read."""

from dataclasses import replace
from math import nan

import pytest

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.measure import measure_of
from msdemucs.report.sentences import text_of
from msdemucs.report.statements import (
    arranged_statements,
    describe_trade,
    statements,
    summarise_states,
)
from msdemucs.report.views import ablation_views
from msdemucs.study.records import StudyRecord
from tests.records import TOYS, amend, make_ablation, make_record, unfinished_row

MACS = measure_of("macs_per_second")


def sentences(record: StudyRecord) -> list[str]:
    """The findings, with common blanks."""
    return [
        text_of(found).replace("\N{NO-BREAK SPACE}", " ") for found in statements(Findings(record))
    ]


def test_the_best_is_set_against_the_best_of_the_others(record: StudyRecord) -> None:
    assert sentences(record)[0] == (
        "Best uSDR (validation; silence 0.00 dB, the mixture −5.75 dB): trial 4 with 2.31 dB at "
        "2.7 GMAC/s; the best baseline, htdemucs_nn, 8 channels, is 0.25 dB "
        "[0.25, 0.25; 3 of 3 tracks agree] below (2.06 dB at 3.61 GMAC/s)."
    )
    ahead = amend(record, 2, usdr_db=2.5)
    assert sentences(ahead)[0].startswith(
        "Best uSDR (validation; silence 0.00 dB, the mixture −5.75 dB): htdemucs_nn, 8 channels"
    )
    assert "the best sampled trial, trial 4, is 0.19 dB below" in sentences(ahead)[0]


def evidence(record: StudyRecord) -> list[str]:
    """What is said of how far to trust the findings, with common blanks."""
    said = arranged_statements(Findings(record)).evidence
    return [text_of(sentence).replace("\N{NO-BREAK SPACE}", " ") for sentence in said]


def test_at_most_three_sentences_lead_and_evidence_stands_apart(record: StudyRecord) -> None:
    said = arranged_statements(Findings(record))
    assert [text_of(sentence).split()[0] for sentence in said.leading] == ["Best", "trial", "3"]
    assert len(said.further) > 0
    assert statements(Findings(record)) == (*said.leading, *said.evidence, *said.further)
    several = [30.0, 90.0, float("nan"), 60.0, 60.0, 60.0, 20.0, float("nan")]
    timed = replace(record, trials=record.trials.assign(seconds=several))
    assert evidence(timed)[0] == "6 trials took 5 min 20 s."
    assert evidence(amend(timed, 6, state="stopped"))[0] == (
        "6 trials took 5 min 20 s, 17 % of them stopped at a rung."
    )


def test_what_scores_rest_on_is_evidence(record: StudyRecord) -> None:
    assert evidence(record)[1] == (
        "Scores rest on 30 steps of training and 3 validation tracks. Every spec was trained once, "
        "so that how much of a difference is chance is not known."
    )


def test_a_result_that_was_taken_over_is_no_training(record: StudyRecord) -> None:
    taken = amend(record, 1, spec_hash=f"{0:016x}", duplicate_of="toy/0")
    assert "Every spec was trained once" in evidence(taken)[1]


def test_unequal_trainings_and_repeated_specs_are_told(record: StudyRecord) -> None:
    curves = record.curves[(record.curves.trial != 0) | (record.curves.step <= 5)]
    repeated = amend(replace(record, curves=curves), 1, spec_hash=f"{0:016x}")
    assert evidence(repeated)[1] == (
        "Scores rest on up to 30 steps of training and 3 validation tracks. "
        "1 of 5 specs trained more than once."
    )


def test_a_front_is_told_by_its_ends(record: StudyRecord) -> None:
    assert sentences(record)[2] == (
        "3 of 6 complete trials are on the front of uSDR against MACs/s, from 0.71 dB at "
        "880 MMAC/s (trial 3) to 2.31 dB at 2.7 GMAC/s (trial 4)."
    )


def test_a_baseline_is_reached_by_the_cheapest_that_is_no_worse(record: StudyRecord) -> None:
    found = sentences(record)
    # 2.70 of 3.61 GMAC/s; trial 3 is cheaper and worse, trial 5 dearer
    assert (
        "trial 4 reaches htdemucs_n, 8 channels at 75 % of its MACs/s, with 0.44 dB "
        "[0.44, 0.44; 3 of 3 tracks agree] more."
    ) in found
    assert not any("reaches htdemucs, " in text for text in found)


def test_a_baseline_is_not_said_to_be_reached_where_that_has_no_interval(
    record: StudyRecord,
) -> None:
    of_one_track = record.scores[record.scores["track"] == record.scores["track"][0]]
    assert not any("reaches" in text for text in sentences(replace(record, scores=of_one_track)))


def test_the_floor_and_silence_are_counted(record: StudyRecord) -> None:
    quieter = amend(amend(record, 3, usdr_db=-0.5), 5, usdr_db=-9.0)
    assert sentences(quieter)[-1] == (
        "By uSDR, 5 of 6 complete trials beat the mixture itself as the estimate (−5.75 dB); "
        "4 beat silence (0.00 dB)."
    )


def test_names_link_to_their_trials(record: StudyRecord) -> None:
    links = [part for part in statements(Findings(record))[0] if part.trial is not None]
    assert [(part.text, part.trial) for part in links] == [
        ("trial 4", 4),
        ("htdemucs_nn, 8 channels", 2),
    ]


@pytest.mark.parametrize(
    ("trials", "sentence"),
    [
        ([4], "trial 4 is without validation tracks that could not be used: "
              "its scores do not compare with the others."),
        ([0, 4], "htdemucs, 8 channels; trial 4 are without validation tracks that could not be "
                 "used: their scores do not compare with the others."),
        (range(6), "All scores are without 1 validation track that could not be used."),
    ],
)  # fmt: skip
def test_left_out_test_tracks_are_told(
    record: StudyRecord, trials: list[int], sentence: str
) -> None:
    for trial in trials:
        record = amend(record, trial, left_out=["drums.wav: cannot be read (track “Low Tide”)"])
    assert evidence(record)[2] == sentence


def test_nothing_is_said_of_tracks_when_all_were_used(record: StudyRecord) -> None:
    assert not any("without" in sentence for sentence in sentences(record))


def test_many_trials_without_a_track_are_not_all_named() -> None:
    record = make_record([replace(TOYS[0], name=f"trial {i}") for i in range(11)])
    for trial in range(10):
        record = amend(record, trial, left_out=["drums.wav: cannot be read"])
    sentence = next(text for text in sentences(record) if "without validation tracks" in text)
    assert sentence.startswith("trial 0; trial 1; ")
    assert " and 2 more trials are without validation tracks" in sentence


def test_a_caption_names_the_front_and_what_is_not_drawn(record: StudyRecord) -> None:
    trade = Findings(amend(record, 5, macs_per_second=nan)).trade(MACS)
    assert text_of(describe_trade(trade)) == (
        "3 of 5 complete trials on the front of this pair: trial 3; htdemucs, 8 channels; "
        "trial 4. "
        "1 complete trial without both numbers."
    )


def test_the_first_objective_that_is_a_cost_is_the_main_one(record: StudyRecord) -> None:
    assert Findings(record).main_cost.column == "macs_per_second"
    slow = replace(record, directions={"usdr_db": "maximize", "latency_ms_p50": "minimize"})
    assert Findings(slow).main_cost.column == "latency_ms_p50"
    assert Findings(replace(record, directions={})).main_cost.column == "macs_per_second"


def test_states_are_summed_up_with_reasons(record: StudyRecord) -> None:
    assert summarise_states(Findings(record)) == (
        "8 trials: 6 complete, 1 failed (loss became NaN at step 12), "
        "1 infeasible (6.40 GMAC/s exceed the limit of 6 GMAC/s)."
    )
    reasons = ["no memory", "no memory", "NaN"]
    failed = [unfinished_row(i, "failed", reason) for i, reason in enumerate(reasons)]
    assert summarise_states(Findings(make_record([], unfinished=failed))) == (
        "3 trials: 3 failed (2 × no memory; NaN)."
    )


def test_of_many_reasons_the_commonest_are_told() -> None:
    reasons = ["no memory"] * 3 + [f"reason {i}" for i in range(6)]
    failed = [unfinished_row(i, "failed", reason) for i, reason in enumerate(reasons)]
    assert summarise_states(Findings(make_record([], unfinished=failed))) == (
        "9 trials: 9 failed (3 × no memory; reason 0; reason 1; reason 2; "
        "3 for other reasons, each in its row)."
    )


def test_a_study_that_was_never_run_says_so(empty_record: StudyRecord) -> None:
    said = ["Nothing can be compared yet. No trial has been started yet."]
    assert sentences(empty_record) == said


def test_a_study_of_failures_gives_their_reasons() -> None:
    failed = make_record([], unfinished=[unfinished_row(0, "failed", "no memory")])
    assert sentences(failed) == ["Nothing can be compared yet. 1 trial: 1 failed (no memory)."]
    assert (
        text_of(describe_trade(Findings(failed).trade(MACS)))
        == "No complete trial has both numbers."
    )


def test_scores_that_are_not_numbers_compare_nothing(record: StudyRecord) -> None:
    for trial in range(6):
        record = amend(record, trial, usdr_db=nan)
    assert sentences(record)[0].startswith("Nothing can be compared yet. 8 trials: 6 complete")


def test_one_trial_is_best_and_alone() -> None:
    found = sentences(make_record(TOYS[:1]))
    assert found[0] == (
        "Best uSDR (validation; silence 0.00 dB, the mixture −5.75 dB): htdemucs, 8 channels with "
        "1.42 dB at 1.93 GMAC/s."
    )
    assert found[1] == (
        "htdemucs, 8 channels alone is on the front of uSDR against MACs/s, of 1 complete trial."
    )


def test_stopped_trials_are_counted_by_the_step_at_which_they_stood() -> None:
    rows = [
        unfinished_row(n, "stopped", f"at step {step}: place {n} of 9") | {"stopped_at": step}
        for n, step in enumerate((10, 10, 30))
    ]
    assert summarise_states(Findings(make_record([], unfinished=rows))) == (
        "3 trials: 3 stopped (2 × behind at step 10; behind at step 30)."
    )


def test_an_ablation_that_shows_nothing_says_so_first() -> None:
    few = sentences(make_ablation(2))
    assert few[0] == "None of 3 effects may be claimed, with 2 seeds and 8 validation tracks."
    assert "together" not in few[1], "main effects come before interactions"
    assert not any("may be claimed, with" in text for text in sentences(make_ablation(3)))


def test_an_ablation_without_its_design_is_told_of_and_reported_all_the_same() -> None:
    ablation = make_ablation(3)
    bare = replace(ablation, attrs={**ablation.attrs, "ablation": {"levels": {}}})
    assert "records no design of its ablation" in sentences(bare)[0]
    assert ablation_views(Findings(bare)) == []
