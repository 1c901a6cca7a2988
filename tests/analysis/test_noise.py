"""What of a score is chance: seeds, intervals, ties, what single seeds attain, lucky bests."""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as students_t

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.measure import measure_of
from msdemucs.analysis.noise import expected_fall
from msdemucs.metrics import METRICS, Quality
from msdemucs.report.sentences import text_of
from msdemucs.report.statements import statements
from msdemucs.study.records import LATER_COLUMNS, StudyRecord
from tests.records import TOYS, amend, make_ablation, make_record, with_seeds

MACS, USDR = measure_of("macs_per_second"), measure_of("usdr_db")


def test_a_spec_trained_once_tells_nothing_of_chance(record: StudyRecord) -> None:
    assert Findings(record).noise[USDR.column] is None
    assert Findings(record).trade(MACS).tied == ()


def test_sigma_is_pooled_over_trials(record: StudyRecord) -> None:
    noise = Findings(with_seeds(record, [-0.1, 0.1])).noise[USDR.column]
    assert noise is not None
    # six trials of two seeds at ±0.1 each: squares of 0.02 a trial, one degree of freedom each
    assert noise.sigma.value == pytest.approx(0.1 * sqrt(2))
    assert noise.degrees == 6
    t = students_t.ppf(0.975, 6)
    assert noise.half_width(2) == pytest.approx(t * 0.1)
    assert noise.tie == pytest.approx(t * 0.2)


def test_equal_specs_of_two_trials_are_repeats_but_copied_results_are_not() -> None:
    twins = make_record([TOYS[0], replace(TOYS[0], usdr_db=1.62)])
    twins = amend(twins, 1, spec_hash=f"{0:016x}", seed=1)
    seeds = twins.scores["seed"].where(twins.scores["trial"] == 0, 1)
    twins = replace(twins, scores=twins.scores.assign(seed=seeds))
    noise = Findings(twins).noise[USDR.column]
    assert noise is not None
    assert noise.sigma.value == pytest.approx(0.1 * sqrt(2))
    assert Findings(amend(twins, 1, duplicate_of="multires/0")).noise[USDR.column] is None


def beside(record: StudyRecord, values: Sequence[float], **detail: object) -> StudyRecord:
    """The record with trainings of a spec that `study noise` added, one a seed from 7 on."""
    rows = [
        [-1, "noise", "usdr_db", value, 7 + i, detail, "validation"]
        for i, value in enumerate(values)
    ]
    return replace(record, later=pd.DataFrame(rows, columns=list(LATER_COLUMNS)))


def test_fronts_and_effects_have_one_noise() -> None:
    """A page once showed what `study noise` had found for its fronts, and another for effects."""
    record = beside(make_ablation(3), [0.0, 1.8], spec_hash="another", recipe={})
    noise = Findings(record).noise[USDR.column]
    found = Findings(record).effects
    assert found is not None
    assert found.noise == noise == Findings(record).trade(MACS).noise
    assert noise is not None
    alone = Findings(make_ablation(3)).noise[USDR.column]
    assert alone is not None
    # four arms of three seeds, and two trainings 1.8 dB apart: one degree of freedom more
    squares = alone.sigma.value**2 * 8 + 2 * 0.9**2
    assert (alone.degrees, noise.degrees) == (8, 9)
    assert noise.sigma.value == pytest.approx(sqrt(squares / 9))
    assert noise.source == "14 trainings of 5 specs, pooled"


def test_trainings_that_were_added_to_a_trials_spec_are_of_that_spec(record: StudyRecord) -> None:
    recipe: dict[str, object] = {"name": "demo", "steps": 30}
    trials = record.trials.assign(recipe=pd.Series([recipe] * len(record.trials)))
    own = record.scores[record.scores["trial"] == 0]
    score = Quality(METRICS["usdr_db"]).of(own)
    renamed = {**recipe, "name": "as demo"}
    known = replace(record, trials=trials)
    again = beside(known, [score + 0.2], spec_hash="0" * 16, recipe=renamed)
    noise = Findings(again).noise[USDR.column]
    assert noise is not None
    assert noise.degrees == 1
    assert noise.sigma.value == pytest.approx(0.1 * sqrt(2))
    other = beside(known, [score + 0.2], spec_hash="0" * 16, recipe={})
    assert Findings(other).noise[USDR.column] is None, "one training of another recipe is no repeat"


def test_a_track_that_one_seed_lacks_is_no_noise(record: StudyRecord) -> None:
    seeded = with_seeds(record, [0.0, 0.0])
    scores = seeded.scores
    missing = (scores["seed"] == 1) & (scores["group"] == "sample")
    noise = Findings(replace(seeded, scores=scores[~missing])).noise[USDR.column]
    assert noise is not None
    assert noise.sigma.value == pytest.approx(0.0, abs=1e-9)


def test_a_point_within_the_noise_of_the_front_is_tied(record: StudyRecord) -> None:
    # σ: 0.08 × √2; of means over two seeds each 2.447 × 0.08 × √2 = 0.28 dB may be chance, and
    # htdemucs_nn is 0.25 dB below trial 4, which is cheaper
    trade = Findings(with_seeds(record, [-0.08, 0.08])).trade(MACS)
    assert trade.noise is not None
    assert trade.noise.tie == pytest.approx(students_t.ppf(0.975, 6) * 0.16)
    assert trade.noise.tie_between(2, 2) == pytest.approx(students_t.ppf(0.975, 6) * 0.08 * sqrt(2))
    assert [point.name for point in trade.tied] == ["htdemucs_nn, 8 channels"]
    assert trade.points[0].half_width == pytest.approx(students_t.ppf(0.975, 6) * 0.08)


def test_the_noise_is_told(record: StudyRecord) -> None:
    told = [text_of(said) for said in statements(Findings(with_seeds(record, [-0.08, 0.08])))]
    assert any("differ by 0.11" in text and "1 trial may be on the front" in text for text in told)
    assert "6 of 6 specs trained more than once" in " ".join(told)


def test_a_gap_is_paired_over_tracks_and_seeds(record: StudyRecord) -> None:
    gap = Findings(with_seeds(record, [-0.3, 0.0, 0.3])).difference(USDR, 4, 2)
    assert gap is not None
    # the seeds' shifts are in both and cancel
    assert (gap.mean, gap.low, gap.high) == pytest.approx((0.25, 0.25, 0.25))
    assert (gap.n_tracks, gap.n_seeds, gap.n_agree) == (3, 3, 3)


def test_tracks_that_disagree_widen_a_gap(record: StudyRecord) -> None:
    scores = record.scores.copy()
    scores.loc[(scores.trial == 4) & (scores.track == "Band 7 - Blue Hour"), "value"] -= 1.0
    gap = Findings(replace(record, scores=scores)).difference(USDR, 4, 2)
    assert gap is not None
    assert gap.low < 0 < gap.high
    assert gap.n_agree == 1  # the mean is negative, as one track alone is
    assert gap.mean == pytest.approx(0.25 - (1 / 3 + 1 / 2 + 1 / 3 + 1 / 3) / 4)


def test_two_tracks_have_no_interval(record: StudyRecord) -> None:
    synthetic = measure_of("usdr_db/synthetic", record)
    gap = Findings(record).difference(synthetic, 4, 2)
    assert gap is not None
    assert gap.mean == pytest.approx(0.25)
    assert not gap.has_interval
    assert Findings(record).difference(USDR, 4, 6) is None  # trial 6 has no scores


def test_each_seed_has_its_quality(record: StudyRecord) -> None:
    values = Findings(with_seeds(record, [0.0, 0.5])).trainings[USDR.column]
    own = values[values.trial == 0].set_index("seed")["value"]
    assert own[1] - own[0] == pytest.approx(0.5)


def test_the_band_lies_between_the_fronts_of_single_seeds(record: StudyRecord) -> None:
    seeded = with_seeds(record, [-0.1, 0.2])
    trade = Findings(seeded).trade(MACS)
    band = Findings(seeded).bands[trade.y.column]
    assert band is not None
    assert band.x == (0.88e9, 1.93e9, 2.7e9, 3.61e9, 5.2e9)  # equal costs are one step
    best = (
        Findings(seeded).trainings[Findings(seeded).quality.column].groupby("seed")["value"].max()
    )
    assert (band.low[-1], band.high[-1]) == pytest.approx((best[0], best[1]))
    assert all(
        high - low == pytest.approx(0.3) for low, high in zip(band.low, band.high, strict=True)
    )
    assert Findings(record).bands[USDR.column] is None


def noisy(record: StudyRecord, values: Sequence[float]) -> list[str]:
    """What is told of a study whose base `study noise` trained several times."""
    known = Findings(beside(record, values, spec_hash="another", recipe={}))
    return [text_of(said).replace("\N{NO-BREAK SPACE}", " ") for said in statements(known)]


def test_what_study_noise_found_is_not_said_to_be_unknown(record: StudyRecord) -> None:
    told = noisy(record, [0.0, 0.02, 0.0, 0.02])  # σ 0.0115
    assert any("Every spec was trained once." in text for text in told)
    assert any("differ by 0.01 dB" in text and "none ties with the front" in text for text in told)
    assert not any("not known" in text for text in told)
    assert any("not known" in text_of(said) for said in statements(Findings(record)))


def test_nobody_is_told_apart_where_the_noise_covers_all(record: StudyRecord) -> None:
    (text,) = [text for text in noisy(record, [0.0, 2.0]) if "differ by" in text]
    # σ 1.41 with one degree of freedom: 25 dB, and all of the study lies within 1.6 dB
    assert text.endswith("may be equal, and all 6 trials may be as good as the best.")
    assert "none ties" not in text


def test_of_equal_truths_it_is_the_mean_of_the_maximum_of_the_noise() -> None:
    # of eight standard normals 1.4236 (tables of order statistics)
    assert expected_fall([1.0] * 8, [0.2] * 8) == pytest.approx(0.2 * 1.4236, rel=0.03)


def test_scores_that_lie_apart_by_the_noise_alone_are_of_equal_truths() -> None:
    spread = np.linspace(-1.0, 1.0, 8)
    scores = 0.2 * spread / spread.std(ddof=1)
    assert expected_fall(scores.tolist(), [0.2] * 8) == pytest.approx(0.2 * 1.4236, rel=0.03)


def test_a_leader_far_ahead_does_not_fall() -> None:
    assert expected_fall([0.0, 0.1, 9.0], [0.1] * 3) == pytest.approx(0.0, abs=0.005)


def test_one_score_and_scores_without_noise_do_not_fall() -> None:
    assert expected_fall([1.0], [0.3]) == 0.0
    assert expected_fall([1.0, 2.0], [0.0, 0.0]) == 0.0


def test_it_grows_with_the_noise_and_not_with_the_level() -> None:
    scores = [0.1, 0.4, 0.5, 0.9, 1.0]
    falls = [expected_fall(scores, [noise] * 5) for noise in (0.02, 0.1, 0.3)]
    assert falls == sorted(falls)
    moved = [score + 30.0 for score in scores]
    assert expected_fall(moved, [0.1] * 5) == pytest.approx(falls[1], abs=1e-9)


def test_the_best_of_simulated_studies_falls_as_far_as_it_says() -> None:
    rng, fell, said = np.random.default_rng(1), [], []
    for _ in range(150):
        truths = rng.normal(0, 0.2, 30)
        scores = truths + rng.normal(0, 0.15, 30)
        best = int(scores.argmax())
        fell.append(scores[best] - truths[best])
        said.append(expected_fall(scores.tolist(), [0.15] * 30))
    error = float(np.std(fell, ddof=1)) / len(fell) ** 0.5
    assert float(np.mean(said)) == pytest.approx(float(np.mean(fell)), abs=3 * error)
