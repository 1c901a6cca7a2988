"""Why trials are better: importances, marginals, parallel coordinates, an ablation's answers."""

from dataclasses import replace

import pandas as pd
import pytest

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.importance import marginal
from msdemucs.analysis.measure import measure_of
from msdemucs.report.figures.choices import MOST_LINES, paint_marginal, parallel_coordinates
from msdemucs.report.sentences import claim_text, effect_label, text_of
from msdemucs.report.statements import statements
from msdemucs.report.tables import chosen_text
from msdemucs.report.views import ablation_views, importance_note, importance_views
from msdemucs.study.records import StudyRecord
from tests.records import make_ablation, make_record, make_search, ranked

USDR = measure_of("usdr_db")


def test_what_decides_quality_is_the_most_important() -> None:
    found = {one.measure.column: one for one in Findings(make_search(24)).importances}
    assert list(found["usdr_db"].shares) == ["channels.start", "fusion.output"]
    assert found["usdr_db"].shares["channels.start"] > 0.6
    assert sum(found["usdr_db"].shares.values()) == pytest.approx(1)
    assert found["parameters"].shares["channels.start"] > 0.99
    assert found["usdr_db"].n == 24


def test_few_trials_have_no_importances_and_it_is_said(record: StudyRecord) -> None:
    assert Findings(record).importances == ()
    assert "at least 10" in importance_note(Findings(record))
    assert importance_note(Findings(make_search(24))) == ""
    assert importance_note(Findings(make_record([]))) == ""


def test_a_marginal_has_every_trial_over_its_value() -> None:
    search = make_search(24)
    width = marginal(Findings(search).complete_rows, "channels.start", USDR)
    assert width is not None
    assert width.values == ("4", "8", "12")  # numbers by size
    assert len(width.of(0)) == 8
    fusion = marginal(Findings(search).complete_rows, "fusion.output", USDR)
    assert fusion is not None
    assert fusion.values[-1] == "per_source"  # texts by their mean
    assert marginal(Findings(search).complete_rows, "no.such.field", USDR) is None


def drawn_rates(search: StudyRecord) -> StudyRecord:
    """The search with a learning rate that a sampler drew, logarithmically."""
    params = [
        {**own, "recipe.lr": 1e-3 * 1.1731 ** int(trial)}
        for trial, own in zip(search.trials["trial"], search.trials["params"], strict=True)
    ]
    return replace(search, trials=search.trials.assign(params=pd.Series(params)))


def test_drawn_numbers_lie_on_a_scale() -> None:
    search = drawn_rates(make_search(24))
    rates = marginal(Findings(search).complete_rows, "recipe.lr", USDR)
    assert rates is not None
    assert rates.is_scale
    figure = paint_marginal(rates)
    points = next(trace for trace in figure.data if trace.meta["role"] == "marginal")
    assert points.x[3] == pytest.approx(1e-3 * 1.1731**3)
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.yaxis.type != "log", "decibels are logarithms already"
    parallel = parallel_coordinates(Findings(search))
    assert parallel is not None
    axis = next(axis for axis in parallel.axes if axis.name == "recipe.lr")
    assert axis.scale is not None
    assert axis.scale.low == pytest.approx(1e-3)
    assert axis.scale.is_log
    assert len(axis.ticks) == 2
    assert chosen_text({"params": {"recipe.lr": 0.0024056476307992287}}) == "recipe.lr 0.002406"


def test_long_values_have_a_row_each() -> None:
    search = make_search(24)
    fusion = marginal(Findings(search).complete_rows, "fusion.output", USDR)
    assert fusion is not None
    long = replace(fusion, values=("1024+2048+4096+8192", "2048+4096+8192", "2048+8192"))
    figure = paint_marginal(long)
    assert list(figure.layout.yaxis.ticktext) == list(long.values)
    short = paint_marginal(fusion)
    assert list(short.layout.xaxis.ticktext) == list(fusion.values)


def test_parallel_coordinates_end_in_cost_and_quality() -> None:
    parallel = parallel_coordinates(Findings(make_search(24)))
    assert parallel is not None
    assert [axis.name for axis in parallel.axes] == [
        "channels.start", "fusion.output", "MACs/s", "uSDR"
    ]  # fmt: skip
    best = parallel.lines[0]
    assert (best.places[0], best.places[-1]) == (1.0, 1.0)
    assert all(0 <= place <= 1 for line in parallel.lines for place in line.places)
    many = parallel_coordinates(Findings(make_search(MOST_LINES + 10)))
    assert many is not None
    assert (len(many.lines), many.n_left_out) == (MOST_LINES, 10)
    assert parallel_coordinates(Findings(make_record([]))) is None


def test_every_kind_of_figure_is_painted_for_a_search() -> None:
    keys = [view.key for view in importance_views(Findings(make_search(24)))]
    assert keys == [
        "importances", "parallel", "marginal-channels.start", "marginal-fusion.output"
    ]  # fmt: skip
    assert importance_views(Findings(make_record([]))) == []


def test_an_ablations_answers_are_told_by_what_may_be_claimed() -> None:
    ablation = make_ablation()
    first, second, third = ranked(ablation)
    assert (effect_label(first), first.verdict) == ("fusion: per_source", "better")
    assert first.size == pytest.approx(0.5, abs=0.02)
    assert first.low < 0.5 < first.high
    assert first.is_claimed
    assert not second.is_claimed
    assert {second.kind, third.kind} == {"main", "interaction"}
    told = [text_of(said) for said in statements(Findings(ablation))]
    assert told[0].startswith("fusion per_source gains 0.50\N{NO-BREAK SPACE}dB")
    assert "over sum at +25.0\N{NO-BREAK SPACE}% MACs" in told[0]
    assert "not told apart from chance" in told[1]


def test_too_few_seeds_claim_nothing() -> None:
    (first, *_) = ranked(make_ablation(n_seeds=1))
    assert first.verdict == "too few"
    assert "too few seeds or tracks to claim it" in claim_text(first, USDR)


def test_an_ablation_has_a_forest_and_a_heat_map(record: StudyRecord) -> None:
    forest, interactions = ablation_views(Findings(make_ablation()))
    assert forest.figure is not None
    assert interactions.figure is not None
    (effects,) = [t for t in forest.figure["data"] if t["meta"]["role"] == "effects"]  # type: ignore[attr-defined]
    assert list(effects["y"]) == [0, 1]
    assert effects["x"][0] == pytest.approx(0.5, abs=0.02)
    assert "Arms differ in MACs" in forest.notes
    assert ablation_views(Findings(record)) == []
