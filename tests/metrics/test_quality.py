"""Is a quality read as it is written, and is its number that of its metric's joining rule?"""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msdemucs.errors import UsageError
from msdemucs.metrics import METRICS, Quality

SOURCES, GROUPS = ("drums", "bass", "other", "vocals"), ("synthetic", "musdb18hq")


def parse(text: str) -> Quality:
    return Quality.parse(text, sources=SOURCES, groups=GROUPS)


@pytest.mark.parametrize(
    ("text", "source", "group", "label"),
    [
        ("usdr_db", "", "", "uSDR"),
        ("usdr_db/synthetic", "", "synthetic", "uSDR on synthetic"),
        ("usdr_db/vocals", "vocals", "", "uSDR of vocals"),
        ("si_sdr_db/vocals", "vocals", "", "SI-SDR of vocals"),
        ("csdr_db/drums/musdb18hq", "drums", "musdb18hq", "cSDR of drums on musdb18hq"),
    ],
)
def test_a_quality_is_read_and_written(text: str, source: str, group: str, label: str) -> None:
    quality = parse(text)
    assert (quality.source, quality.group, quality.label) == (source, group, label)
    assert quality.metric is METRICS[text.split("/")[0]]
    assert str(quality) == text
    assert parse(str(quality)) == quality


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("si_sdr_bd/bass", "/bass”: there is no metric “si_sdr_bd”; did you mean “si_sdr_db”?"),
        ("usdr", "there is no metric “usdr”; did you mean “usdr_db”?"),
        ("", "there is no metric “”; allowed: usdr_db, "),
        ("usdr_db/vocal", "there is no source or group “vocal”; did you mean “vocals”?"),
        ("usdr_db/synthetik", "there is no source or group “synthetik”; did you mean “synthetic”?"),
        ("usdr_db/", "there is no source or group “”; allowed: drums, bass, other, vocals, synth"),
        ("usdr_db/vocal/synthetic", "there is no source “vocal”; did you mean “vocals”?"),
        ("usdr_db/vocals/musdb18", "there is no group “musdb18”; did you mean “musdb18hq”?"),
        ("usdr_db/vocals/", "there is no group “”; allowed: synthetic, musdb18hq"),
        ("usdr_db/synthetic/bass", "the source comes first: usdr_db/bass/synthetic"),
        ("usdr_db/bass/synthetic/x", "there is no group “synthetic/x”; did you mean “synthetic”?"),
    ],
)  # fmt: skip
def test_what_is_unknown_names_the_nearest(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_a_source_goes_before_a_group_of_its_name() -> None:
    quality = Quality.parse("usdr_db/vocals", sources=["vocals"], groups=["vocals"])
    assert (quality.source, quality.group) == ("vocals", "")


def test_where_no_group_is_known_it_is_said() -> None:
    with pytest.raises(UsageError, match="there is no group “x”; none is known"):
        Quality.parse("usdr_db/vocals/x", sources=["vocals"], groups=[])


def test_direction_unit_floors_and_convention_are_the_metrics() -> None:
    assert (parse("usdr_db/bass").silence, parse("usdr_db").mixture) == (0, None)
    assert parse("si_sar_db/bass").mixture == math.inf
    assert parse("lsd_db").direction == "minimize"
    assert parse("usdr_db/bass").direction == "maximize"
    assert parse("usdr_db").unit == "dB"
    assert parse("csdr_db/bass/synthetic").convention.endswith(
        "; bass alone, the median over the tracks of synthetic alone"
    )
    assert parse("usdr_db").convention.endswith("; the mean over sources, the mean over tracks")


# Joining


def frame(rows: list[tuple[int, str, str, str, str, float]]) -> pd.DataFrame:
    names = ["seed", "group", "track", "source", "metric", "value"]
    return pd.DataFrame(rows, columns=names).assign(split="validation")


ROWS = frame(
    [
        (0, "synthetic", "one", "bass", "usdr_db", 1.0),
        (0, "synthetic", "two", "bass", "usdr_db", 3.0),
        (0, "musdb18hq", "one", "bass", "usdr_db", 8.0),
        (0, "synthetic", "one", "vocals", "usdr_db", 10.0),
        (0, "synthetic", "two", "vocals", "usdr_db", math.nan),  # a silent reference
        (0, "musdb18hq", "one", "vocals", "usdr_db", 20.0),
        (0, "synthetic", "one", "bass", "csdr_db", 1.0),
        (0, "synthetic", "two", "bass", "csdr_db", 3.0),
        (0, "musdb18hq", "one", "bass", "csdr_db", 8.0),
    ]
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("usdr_db", (4 + 15) / 2),  # the mean over sources of the mean over tracks
        ("usdr_db/bass", 4),
        ("usdr_db/vocals", 15),
        ("usdr_db/synthetic", (2 + 10) / 2),
        ("usdr_db/vocals/musdb18hq", 20),
        ("csdr_db/bass", 3),  # the median over tracks
        ("csdr_db", 3),
        ("usdr_db/drums", math.nan),
        ("si_sdr_db", math.nan),
    ],
)
def test_scores_are_joined_as_the_metric_says(text: str, value: float) -> None:
    assert parse(text).of(ROWS) == pytest.approx(value, nan_ok=True)


def test_trainings_are_joined_last() -> None:
    second = ROWS.assign(seed=1, value=ROWS["value"] + 2).query("group == 'synthetic'")
    both = pd.concat([ROWS, second])
    assert parse("usdr_db/bass").by_seed(both) == {0: pytest.approx(4), 1: pytest.approx(4)}
    assert parse("usdr_db").of(both) == pytest.approx((9.5 + 8) / 2)
    assert parse("usdr_db/bass/musdb18hq").by_seed(both) == {0: 8}


def test_an_estimate_without_anything_of_its_reference_is_not_overlooked() -> None:
    rows = ROWS.assign(metric="si_sdr_db", value=[1, -math.inf, 2, 3, 4, 5, 6, 7, 8])
    assert parse("si_sdr_db").of(rows) == -math.inf


def test_splits_are_not_mixed() -> None:
    both = pd.concat([ROWS, ROWS.assign(split="test")])
    with pytest.raises(ValueError, match="several splits: test, validation"):
        parse("usdr_db").of(both)


def test_an_empty_frame_has_no_value() -> None:
    assert math.isnan(parse("usdr_db").of(ROWS.iloc[:0]))
    assert parse("usdr_db").by_seed(ROWS.iloc[:0]) == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(GROUPS),
            st.sampled_from(SOURCES),
            st.one_of(st.none(), st.floats(-30, 30)),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_usdr_is_the_mean_over_sources_of_the_mean_over_tracks(
    rows: list[tuple[str, str, float | None]],
) -> None:
    scores = frame(
        [
            (0, group, f"track {index}", source, "usdr_db", np.nan if value is None else value)
            for index, (group, source, value) in enumerate(rows)
        ]
    )
    for wanted in ("", *GROUPS):
        by_source: dict[str, list[float]] = {}
        for group, source, value in rows:
            if value is not None and wanted in ("", group):
                by_source.setdefault(source, []).append(value)
        means = [sum(values) / len(values) for values in by_source.values()]
        expected = sum(means) / len(means) if means else math.nan
        found = parse(f"usdr_db/{wanted}".rstrip("/")).of(scores)
        assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)
