"""Seeds of one spec are one arm: nobody recommends the luckiest training."""

from dataclasses import replace
from math import sqrt

import pandas as pd
import pytest
from scipy.stats import t as students_t

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.fronts import best_trials, front
from msdemucs.analysis.measure import measure_of
from msdemucs.analysis.noise import pool
from msdemucs.report.figures.trades import paint_trade
from msdemucs.report.page import page_data
from msdemucs.report.paper import front_table
from msdemucs.report.sentences import text_of
from msdemucs.report.statements import describe_trade, statements
from msdemucs.report.tables import trial_table
from msdemucs.study.records import StudyRecord
from tests.records import TOYS, amend, make_lucky, make_record, with_seeds

MACS = measure_of("macs_per_second")

# make_lucky: trials 0 to 3 are the arms' first seeds, 4 to 7 their second, 8 to 11 their third
BASE, LUCKY, STEADY = 0, 1, 2


def test_an_arm_is_the_mean_of_its_seeds() -> None:
    trade = Findings(make_lucky()).trade(MACS)
    found = {point.trial: (point.name, point.n_seeds) for point in trade.points}
    assert found == {
        0: ("base", 3), 1: ("attention=softmax", 3), 2: ("fusion=per_source", 3),
        3: ("fusion=per_source, attention=softmax", 3),
    }  # fmt: skip
    by_trial = {point.trial: point for point in trade.points}
    # 1.0 with one seed 0.9 dB above the others, against three alike 0.4 dB above the base
    assert by_trial[LUCKY].y == pytest.approx(1.0 + 0.9 / 3)
    assert by_trial[STEADY].y == pytest.approx(1.4)
    assert trade.noun == "arm"


def test_the_luckiest_seed_is_neither_on_the_front_nor_recommended() -> None:
    record = make_lucky()
    singles = record.trials.set_index("trial")["usdr_db"]
    assert singles.idxmax() == 5  # of the arm LUCKY
    trade = Findings(record).trade(MACS)
    assert [point.trial for point in trade.front] == [BASE, STEADY]
    (step, *_, best) = Findings(record).budgets[0].steps
    assert (step.trial, best.trial) == (BASE, STEADY)
    assert best.n_seeds == 3
    told = [text_of(said) for said in statements(Findings(record))]
    assert any("fusion=per_source with 1.40" in text for text in told)
    picked = best_trials(record)
    assert (picked.trial.tolist(), picked.usdr_db.tolist()) == ([STEADY], [pytest.approx(1.4)])
    assert set(front(record).trial) == {BASE, STEADY}


def test_bars_and_ties_are_of_means_over_three_seeds() -> None:
    trade = Findings(make_lucky()).trade(MACS)
    assert trade.noise is not None
    # squares of 0.9 once in three: 2 / 3 × 0.81, in one of four arms of two degrees of freedom each
    sigma = sqrt(2 / 3 * 0.81 / 8)
    t = students_t.ppf(0.975, 8)
    assert trade.noise.sigma.value == pytest.approx(sigma)
    assert trade.points[0].half_width == pytest.approx(t * sigma / sqrt(3))
    # LUCKY is 0.1 dB, the arm of both 0.2 dB below the front: closer than t σ √(2 / 3) = 0.49 dB
    assert [point.trial for point in trade.tied] == [LUCKY, 3]
    caption = text_of(describe_trade(trade))
    assert "2 of 4 arms on the front" in caption
    assert "mean over the seeds of one arm, 3 seeds. Bars: 95 % t-interval" in caption


def test_every_row_of_an_arm_on_the_front_is_marked() -> None:
    record = make_lucky()
    assert Findings(record).front == {0, 4, 8, 2, 6, 10}
    lines = trial_table(Findings(record)).lines
    assert len(lines) == 12  # the table has every trial
    assert {line.trial for line in lines if line.is_front} == Findings(record).front


def test_hypervolumes_count_an_arm_once_it_is_complete() -> None:
    record = make_lucky()
    assert set(Findings(record).box_places) == {0, 1, 2, 3}
    (trace,) = Findings(record).hypervolumes
    assert trace.trials[-1] == 12
    assert trace.volumes[:9] == (0.0,) * 9  # no arm has all its seeds before the ninth trial
    assert trace.volumes[9] > 0
    assert trace.volumes[11] == trace.volumes[12]


def test_a_band_is_of_seeds_and_a_table_for_papers_of_arms() -> None:
    record = make_lucky()
    band = Findings(record).bands["usdr_db"]
    assert band is not None
    assert band.n_seeds == 3
    assert band.low[-1] == pytest.approx(1.4)
    assert band.high[-1] == pytest.approx(1.9)  # of the lucky seed
    table = front_table(Findings(record))
    assert table.header[0] == "arm"
    assert [row[0] for row in table.rows] == [
        "base",
        "fusion=per_source",
        "attention=softmax (dominated)",
        "fusion=per_source, attention=softmax (dominated)",
    ]
    assert any("mean over the seeds of one arm, 3 seeds" in note for note in table.notes)


def test_the_page_knows_whose_point_a_trial_is() -> None:
    data = page_data(Findings(make_lucky()))
    arms, bars = data["arms"], data["bars"]
    assert isinstance(arms, list)
    assert isinstance(bars, dict)
    assert [arm["trials"] for arm in arms][:2] == [[0, 4, 8], [1, 5, 9]]
    assert arms[1]["means"]["uSDR"] == "1.30\N{NO-BREAK SPACE}dB"
    ((text, trials),) = bars["texts"]
    assert text.endswith(", mean of 3 seeds")
    assert sorted(trials) == [0, 1, 2, 3]
    assert "t-interval" in bars["convention"]


def test_an_arms_cost_is_the_mean_over_its_trials() -> None:
    record = make_lucky()
    for trial, latency in zip((0, 4, 8), (50.0, 60.0, 100.0), strict=True):
        record = amend(record, trial, latency_ms_p50=latency)
    trade = Findings(record).trade(measure_of("latency_ms_p50"))
    assert next(p.x for p in trade.points if p.trial == 0) == pytest.approx(70.0)


def test_all_arms_are_named_beside_their_points() -> None:
    texts = [
        text
        for trace in paint_trade(Findings(make_lucky()).trade(MACS), height=400).data
        for text in trace.text or ()
    ]
    assert sum(bool(text) for text in texts) == 4


def test_copies_and_a_seeds_second_training_are_no_further_seeds() -> None:
    twins = make_record([TOYS[0], *(replace(TOYS[0], name=f"trial {n}") for n in (1, 2, 3))])
    copied = pd.Series([None, None, None, "multires/0"], dtype=object)
    trials = twins.trials.assign(
        spec_hash="a" * 16, seed=[0, 1, 1, 0], usdr_db=[1.0, 2.0, 9.0, 1.0],
        duplicate_of=copied,
    )  # fmt: skip
    record = replace(twins, trials=trials)
    (arm,) = pool(record).repeats
    assert (arm.trial, arm.trials, arm.trainings) == (0, (0, 1, 2, 3), (0, 1))
    (point,) = Findings(record).trade(MACS).points
    assert point.y == pytest.approx(1.5)
    assert (point.name, point.is_baseline) == ("htdemucs, 8 channels", True)
    assert Findings(record).noun == "spec"
    assert set(pool(record).record.scores["trial"]) == {0}


def test_trials_weigh_as_many_seeds_as_they_have() -> None:
    twins = make_record([TOYS[0], TOYS[0]])
    seeded = with_seeds(twins, [0.0, 0.0], [TOYS[0]])
    scores = pd.concat([seeded.scores, twins.scores[twins.scores.trial == 1].assign(seed=7)])
    trials = twins.trials.assign(spec_hash="a" * 16, seed=[0, 7], usdr_db=[1.0, 4.0])
    (point,) = Findings(replace(twins, trials=trials, scores=scores)).trade(MACS).points
    assert point.y == pytest.approx(2.0)
    assert point.n_seeds == 3


def test_a_record_without_repeats_is_its_own(record: StudyRecord) -> None:
    assert pool(record).record is record
    nameless = record.trials.assign(spec_hash=None)  # unknown specs are not one spec
    assert len(pool(replace(record, trials=nameless)).repeats) == 6
