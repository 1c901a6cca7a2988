"""Why trials are better: importances, marginals, parallel coordinates, an ablation's answers."""

from dataclasses import replace

import pandas as pd
import pytest

from msdemucs.report.answers import answers_of
from msdemucs.report.figures.why import paint_marginal
from msdemucs.report.findings import findings_of
from msdemucs.report.measures import measure_of
from msdemucs.report.parallel import MOST_LINES, parallel_of
from msdemucs.report.sentences import text_of
from msdemucs.report.tables import chosen_text
from msdemucs.report.views_why import answer_views, why_note, why_views
from msdemucs.report.why import importances_of, marginal_of
from msdemucs.study.records import StudyRecord
from tests.report.conftest import make_ablation, make_record, make_search

USDR = measure_of("usdr_db")


def test_what_decides_quality_is_the_most_important() -> None:
    found = {one.measure.column: one for one in importances_of(make_search(24))}
    assert list(found["usdr_db"].shares) == ["channels.start", "fusion.output"]
    assert found["usdr_db"].shares["channels.start"] > 0.6
    assert sum(found["usdr_db"].shares.values()) == pytest.approx(1)
    assert found["parameters"].shares["channels.start"] > 0.99
    assert found["usdr_db"].n == 24


def test_few_trials_have_no_importances_and_it_is_said(record: StudyRecord) -> None:
    assert importances_of(record) == ()
    assert "at least 10" in why_note(record)
    assert why_note(make_search(24)) == ""
    assert why_note(make_record([])) == ""


def test_a_marginal_has_every_trial_over_its_value() -> None:
    search = make_search(24)
    width = marginal_of(search, "channels.start", USDR)
    assert width is not None
    assert width.values == ("4", "8", "12")  # numbers by size
    assert len(width.of(0)) == 8
    fusion = marginal_of(search, "fusion.output", USDR)
    assert fusion is not None
    assert fusion.values[-1] == "per_source"  # texts by their mean
    assert marginal_of(search, "no.such.field", USDR) is None


def drawn_rates(search: StudyRecord) -> StudyRecord:
    """The search with a learning rate that a sampler drew, logarithmically."""
    params = [
        {**own, "recipe.lr": 1e-3 * 1.1731 ** int(trial)}
        for trial, own in zip(search.trials["trial"], search.trials["params"], strict=True)
    ]
    return replace(search, trials=search.trials.assign(params=pd.Series(params)))


def test_drawn_numbers_lie_on_a_scale() -> None:
    search = drawn_rates(make_search(24))
    marginal = marginal_of(search, "recipe.lr", USDR)
    assert marginal is not None
    assert marginal.is_scale
    figure = paint_marginal(marginal)
    points = next(trace for trace in figure.data if trace.meta["role"] == "marginal")
    assert points.x[3] == pytest.approx(1e-3 * 1.1731**3)
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.yaxis.type != "log", "decibels are logarithms already"
    parallel = parallel_of(search, ["recipe.lr"])
    assert parallel is not None
    axis = parallel.axes[0]
    assert axis.scale is not None
    assert axis.scale.low == pytest.approx(1e-3)
    assert axis.scale.is_log
    assert len(axis.ticks) == 2
    assert chosen_text({"params": {"recipe.lr": 0.0024056476307992287}}) == "recipe.lr 0.002406"


def test_long_values_have_a_row_each() -> None:
    search = make_search(24)
    fusion = marginal_of(search, "fusion.output", USDR)
    assert fusion is not None
    long = replace(fusion, values=("1024+2048+4096+8192", "2048+4096+8192", "2048+8192"))
    figure = paint_marginal(long)
    assert list(figure.layout.yaxis.ticktext) == list(long.values)
    short = paint_marginal(fusion)
    assert list(short.layout.xaxis.ticktext) == list(fusion.values)


def test_parallel_coordinates_end_in_cost_and_quality() -> None:
    parallel = parallel_of(make_search(24), ["channels.start", "fusion.output"])
    assert parallel is not None
    assert [axis.name for axis in parallel.axes] == [
        "channels.start", "fusion.output", "MACs/s", "uSDR"
    ]  # fmt: skip
    best = parallel.lines[0]
    assert (best.places[0], best.places[-1]) == (1.0, 1.0)
    assert all(0 <= place <= 1 for line in parallel.lines for place in line.places)
    many = parallel_of(make_search(MOST_LINES + 10), ["channels.start"])
    assert many is not None
    assert (len(many.lines), many.n_left_out) == (MOST_LINES, 10)
    assert parallel_of(make_record([]), []) is None


def test_every_kind_of_figure_is_painted_for_a_search() -> None:
    keys = [view.key for view in why_views(make_search(24))]
    assert keys == [
        "importances", "parallel", "marginal-channels.start", "marginal-fusion.output"
    ]  # fmt: skip
    assert why_views(make_record([])) == []


def test_an_ablations_answers_are_told_by_what_may_be_claimed() -> None:
    ablation = make_ablation()
    first, second, third = answers_of(ablation)
    assert (first.label, first.verdict) == ("fusion: per_source", "better")
    assert first.effect == pytest.approx(0.5, abs=0.02)
    assert first.low < 0.5 < first.high
    assert first.is_told
    assert not second.is_told
    assert {second.kind, third.kind} == {"main", "interaction"}
    told = [text_of(found) for found in findings_of(ablation)]
    assert told[0].startswith("fusion per_source gains 0.50\N{NO-BREAK SPACE}dB")
    assert "over sum at +25.0\N{NO-BREAK SPACE}% MACs" in told[0]
    assert "not told apart from chance" in told[1]


def test_too_few_seeds_claim_nothing() -> None:
    (first, *_) = answers_of(make_ablation(n_seeds=1))
    assert first.verdict == "too few"
    assert "too few seeds or tracks to claim it" in first.sentence


def test_an_ablation_has_a_forest_and_a_heat_map(record: StudyRecord) -> None:
    forest, interactions = answer_views(make_ablation())
    assert forest.figure is not None
    assert interactions.figure is not None
    (effects,) = [t for t in forest.figure["data"] if t["meta"]["role"] == "effects"]  # type: ignore[attr-defined]
    assert list(effects["y"]) == [0, 1]
    assert effects["x"][0] == pytest.approx(0.5, abs=0.02)
    assert "Arms differ in MACs" in forest.caption[0].text
    assert answer_views(record) == []
