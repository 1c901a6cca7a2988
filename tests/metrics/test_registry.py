"""Does every entry of the registry keep its word? A new metric is tried without a new test."""

import json
import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from msdemucs.cli.app import app
from msdemucs.columns import FORMATS
from msdemucs.errors import UsageError
from msdemucs.evaluate.evaluation import evaluate
from msdemucs.evaluate.scoring import Convention
from msdemucs.metrics import METRICS, Metric, Quality, Stems, metrics_named
from tests.metrics.waveforms import RATE, leaky, music, noise, stems
from tests.toys import Scale, track
from tests.toys import noise as toy_noise

every_metric = pytest.mark.parametrize("metric", list(METRICS.values()), ids=list(METRICS))


def values(metric: Metric, track: Stems) -> list[float]:
    return [score.value for score in metric.of(track)]


@every_metric
def test_an_entry_says_what_it_is(metric: Metric) -> None:
    assert METRICS[metric.name] is metric
    assert metric.name.endswith(f"_{metric.unit.lower()}")
    assert metric.unit in FORMATS
    assert metric.label
    assert any(sign in metric.formula for sign in "Σ√")
    assert metric.convention
    assert not metric.convention.endswith(".")
    assert metric.source


@every_metric
def test_what_is_nearer_scores_better(metric: Metric) -> None:
    references = noise(3, 1)
    better = 1 if metric.direction == "maximize" else -1
    far, near, nearest = (
        np.array(values(metric, stems(references, leaky(references, amount))))
        for amount in (0.5, 0.1, 0.02)
    )
    assert np.isfinite([far, near, nearest]).all()
    assert (better * (near - far) > 1).all()  # in dB
    assert (better * (nearest - near) > 1).all()


@every_metric
@pytest.mark.parametrize("waveforms", [noise, music])
def test_floors_are_what_silence_and_the_mixture_score(
    metric: Metric, waveforms: Callable[..., np.ndarray]
) -> None:
    track = stems(waveforms(2, 1))
    for floor, idle in (
        (metric.silence, track.with_silence()),
        (metric.mixture, track.with_mixture()),
    ):
        found = values(metric, idle)
        if floor is None:
            assert np.isfinite(found).all()
            louder = stems(track.references * np.array([1.0, 3.0])[:, None, None])
            again = louder.with_silence() if idle.estimates.any() == 0 else louder.with_mixture()
            assert values(metric, again) != pytest.approx(found, abs=1e-3)  # the track's
        elif floor == math.inf:
            assert min(found) > 150  # what is left is the rounding of float64
        else:
            assert found == pytest.approx([floor] * 2, abs=1e-6, nan_ok=True)


@every_metric
def test_what_lacks_something_has_a_reason_and_no_score(metric: Metric) -> None:
    references = noise(2, 1)
    quiet, broken, made = references.copy(), leaky(references), leaky(references)
    quiet[1] = 0
    broken[0, 0, 5] = math.nan
    tracks = {
        "a silent reference": stems(quiet, made),
        "a silent estimate": stems(references, quiet),
        "one source": stems(references[:1], made[:1]),
        "no samples": stems(references[..., :0], made[..., :0]),
        "an estimate that is not finite": stems(references, broken),
        "a reference that is not finite": stems(broken, made),
        "one sample": stems(references[..., :1], made[..., :1]),
        "equal references": stems(references[[0, 0]], made),
    }
    for what, each in tracks.items():
        for score in metric.of(each):
            assert math.isnan(score.value) == bool(score.reason), what
    assert metric.of(tracks["a silent reference"])[1].reason
    assert all(score.reason for score in metric.of(tracks["no samples"]))
    assert metric.of(tracks["an estimate that is not finite"])[0].reason
    assert all(score.reason for score in metric.of(tracks["a reference that is not finite"]))


@every_metric
def test_float32_is_enough(metric: Metric) -> None:
    references = noise(2, 1)
    track = stems(references, leaky(references))
    narrow = stems(references.astype(np.float32), leaky(references).astype(np.float32))
    assert values(metric, narrow) == pytest.approx(values(metric, track), abs=1e-4)


@every_metric
def test_frames_are_those_that_the_entry_names(metric: Metric) -> None:
    references = noise(2, 1)
    for frames, options in (("chunk", {"chunk": 0.5}), ("window", {"window": 0.5})):
        for score in metric.of(stems(references, leaky(references), **options)):
            if metric.frames is None:
                assert score.frames is None
            else:
                assert score.frames is not None
                assert len(score.frames) == (6 if metric.frames == frames else 3)


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ("usdr_db", "its reference is silent"),
        ("si_sir_db", "its reference is silent"),
        ("csdr_db", "the reference of “bass” is silent throughout"),
    ],
)
def test_reasons_name_what_is_lacking(metric: str, reason: str) -> None:
    references = noise()
    references[1] = 0
    assert METRICS[metric].of(stems(references))[1].reason == reason
    leaks = METRICS["si_sir_db"].of(stems(references))
    assert leaks[0].reason == "no other reference is heard"
    lone = METRICS["si_sir_db"].of(stems(references[:1]))
    assert lone[0].reason == "it is the only source"
    artefacts = METRICS["si_sar_db"].of(stems(references, leaky(references)))
    assert math.isfinite(artefacts[0].value)  # all that is wrong
    (perfect,) = METRICS["csdr_db"].of(stems(references[:1]))
    assert perfect.reason == "no frame has a finite score"


def test_bsseval_is_computed_once_for_its_four_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    import museval.metrics

    calls = []
    original = museval.metrics.bss_eval

    def counted(*arguments: object, **options: object) -> object:
        calls.append(options)
        return original(*arguments, **options)

    monkeypatch.setattr(museval.metrics, "bss_eval", counted)
    references = noise(1, 1)
    track = stems(references, leaky(references), engine="museval", window=0.5)
    theirs = [values(METRICS[name], track) for name in metrics_named("bsseval")]
    assert calls == [{"window": RATE // 2, "hop": RATE // 2}]
    ours = stems(references, leaky(references), window=0.5)
    for name, expected in zip(metrics_named("bsseval"), theirs, strict=True):
        assert values(METRICS[name], ours) == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_importing_the_registry_loads_neither_torch_nor_pandas() -> None:
    code = "import sys, msdemucs.metrics; print({'torch', 'pandas', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# Names


def test_short_names_stand_for_metrics() -> None:
    assert metrics_named("csdr_db") == ("csdr_db",)
    assert metrics_named("sisdr") == ("si_sdr_db",)
    assert [name[:3] for name in metrics_named("bsseval")] == ["sdr", "isr", "sir", "sar"]
    assert set(Convention(("usdr", "bsseval", "usdr_db")).metrics) <= set(METRICS)
    assert len(Convention(("usdr", "usdr_db")).metrics) == 1


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="no metric “si_sdrdb”; did you mean “si_sdr_db”"):
        metrics_named("si_sdrdb")
    with pytest.raises(UsageError, match="no metric “x”; allowed: usdr_db, csdr_db, "):
        Convention(("x",))


# The command


def test_the_command_lists_every_metric() -> None:
    done = CliRunner().invoke(app, ["metrics"])
    assert done.exit_code == 0
    for metric in METRICS.values():
        assert f"\n{metric.name}  {metric.label}, {metric.unit}, " in f"\n{done.stdout}"
        assert metric.formula[1:] in done.stdout
        assert metric.source in done.stdout
    assert "Silence scores −∞ dB; the mixture scores ∞ dB." in done.stdout
    assert "Silence has no score; what the mixture scores depends on the track." in done.stdout
    assert done.stdout.count("lower is better") == 1


def test_the_list_as_json_is_strict_json() -> None:
    done = CliRunner().invoke(app, ["metrics", "--json"])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    rows = {row["name"]: row for row in json.loads(done.stdout, parse_constant=refuse)}
    assert list(rows) == list(METRICS)
    assert rows["usdr_db"]["silence"] == 0
    assert rows["usdr_db"]["mixture"] is None
    assert rows["si_sdr_db"]["silence"] == "-inf"
    assert rows["csdr_db"]["joined"] == (
        "median over frames, median over tracks, mean over sources"
    )
    assert rows["lsd_db"]["direction"] == "minimize"


# A new metric


def peak_error(stems: Stems) -> np.ndarray:
    """20 log₁₀ max |ŝ − s| over the whole track.

    Source: a test.
    """
    errors = np.abs(stems.estimates - stems.references).max((1, 2))
    decibels: np.ndarray = 20 * np.log10(errors)
    return decibels


def test_a_metric_that_is_one_function_and_one_row_is_listed_computed_and_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metric = Metric(
        "peak_db",
        "peak error",
        peak_error,
        "of whole tracks",
        tracks="median",
        direction="minimize",
    )
    monkeypatch.setitem(METRICS, metric.name, metric)
    listed = CliRunner().invoke(app, ["metrics"]).stdout
    assert "peak_db  peak error, dB, lower is better\n  20 log₁₀ max |ŝ − s|" in listed

    tracks = [
        track({"source0": toy_noise(seed=seed), "source1": toy_noise(seed=9)}, name=f"A - {seed}")
        for seed in (1, 2, 3)
    ]
    found = evaluate(Scale(0.9, 0.4), tracks, Convention(("usdr", "peak_db"))).tracks
    assert found.peak_db.between(-40, 20).all()
    scores = pd.DataFrame(
        {"seed": 0, **found[["group", "track", "source"]], "metric": "peak_db"}
    ).assign(value=found.peak_db)
    quality = Quality.parse("peak_db/source1", sources=["source0", "source1"], groups=["toy"])
    own = found.peak_db[found.source == "source1"]
    assert quality.of(scores) == own.median()
    assert (quality.label, quality.direction) == ("peak error of source1", "minimize")
