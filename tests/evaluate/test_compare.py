"""Does a comparison pair tracks, say how sure it is, and refuse what is not alike?"""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

from msdemucs.errors import UsageError
from msdemucs.evaluate.evaluation import Evaluation, compare

SCORES = np.random.default_rng(0).normal(5, 2, 12)


def evaluation(scores: np.ndarray, **convention: object) -> Evaluation:
    tracks = pd.DataFrame(
        {
            "group": "toy",
            "track": [f"track {index}" for index in range(len(scores))] * 2,
            "source": ["bass"] * len(scores) + ["vocals"] * len(scores),
            "usdr_db": [*scores, *(scores + 1)],
        }
    )
    about = {"convention": {"metrics": ["usdr"], "overlap": 0.25, **convention}}
    return Evaluation(about, tracks)


def test_differences_are_paired_by_track() -> None:
    gain = np.linspace(-0.1, 1.0, 12)
    second = evaluation(SCORES + gain)
    shuffled = Evaluation(second.about, second.tracks.sample(frac=1, random_state=0))
    found = compare(evaluation(SCORES), shuffled).summary.set_index("source")
    assert list(found.index) == ["bass", "vocals", "all"]
    for source in found.index:
        row = found.loc[source]
        assert row.mean_difference_db == pytest.approx(gain.mean())
        assert row.better == 10
        assert row.low_db < row.mean_difference_db < row.high_db
        assert row.wilcoxon_p == pytest.approx(wilcoxon(gain).pvalue)


def test_the_interval_is_that_of_the_mean() -> None:
    rng = np.random.default_rng(1)
    gain = rng.normal(0.5, 0.3, 12)
    row = compare(evaluation(SCORES), evaluation(SCORES + gain)).summary.iloc[0]
    error = gain.std(ddof=0) / math.sqrt(12)  # of a bootstrap mean
    assert row.low_db == pytest.approx(gain.mean() - 1.96 * error, abs=0.03)
    assert row.high_db == pytest.approx(gain.mean() + 1.96 * error, abs=0.03)


def test_the_same_seed_gives_the_same_interval() -> None:
    pair = (evaluation(SCORES), evaluation(SCORES[::-1]))
    pd.testing.assert_frame_equal(compare(*pair, seed=3).summary, compare(*pair, seed=3).summary)


def test_equal_scores_are_no_difference() -> None:
    row = compare(evaluation(SCORES), evaluation(SCORES)).summary.iloc[0]
    assert (row.mean_difference_db, row.better, row.wilcoxon_p) == (0, 0, 1)


def test_too_few_tracks_have_no_test() -> None:
    row = compare(evaluation(SCORES[:5]), evaluation(SCORES[:5] + 1)).summary.iloc[0]
    assert math.isnan(row.wilcoxon_p)
    assert row.tracks == 5


def test_silent_references_are_left_out() -> None:
    first, second = evaluation(SCORES), evaluation(SCORES + 1)
    second.tracks.loc[0, "usdr_db"] = math.nan
    row = compare(first, second).summary.iloc[0]
    assert row.tracks == 11
    assert row.mean_difference_db == pytest.approx(1)


def test_unlike_conventions_are_refused() -> None:
    with pytest.raises(UsageError, match=r"unlike conventions: overlap: 0.25 and 0.5"):
        compare(evaluation(SCORES), evaluation(SCORES, overlap=0.5))


def test_a_lower_distance_is_better() -> None:
    first, second = (
        Evaluation(found.about, found.tracks.rename(columns={"usdr_db": "lsd_db"}))
        for found in (evaluation(scores, metrics=["lsd_db"]) for scores in (SCORES, SCORES - 1))
    )
    row = compare(first, second).summary.iloc[0]
    assert (row.metric, row.mean_difference_db, row.better) == ("lsd_db", pytest.approx(-1), 12)


def test_short_names_of_older_evaluations_are_those_of_newer_ones() -> None:
    first, second = evaluation(SCORES), evaluation(SCORES + 1, metrics=["usdr_db"])
    assert compare(first, second).summary.better[0] == 12


@pytest.mark.parametrize(("part", "metric"), [("chunk", "chunk_sdr_db"), ("window", "csdr_db")])
def test_the_length_of_frames_matters_to_metrics_that_have_them(part: str, metric: str) -> None:
    of_tracks = [evaluation(SCORES, **{part: seconds}) for seconds in (1.0, 5.0)]
    assert compare(*of_tracks).summary.mean_difference_db[0] == 0
    of_frames = [evaluation(SCORES, metrics=[metric], **{part: seconds}) for seconds in (1.0, 5.0)]
    with pytest.raises(UsageError, match=f"unlike conventions: {part}: 1.0 and 5.0"):
        compare(*of_frames)


def test_unlike_tracks_are_refused() -> None:
    with pytest.raises(UsageError, match="2 pairs of track and source are in one evaluation alone"):
        compare(evaluation(SCORES), evaluation(SCORES[:-1]))
