"""The front: what no other point beats, how a search came to it, what its hypervolume is."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.fronts import non_dominated, places_along
from msdemucs.analysis.measure import measure_of
from msdemucs.report.views import progress_views
from msdemucs.study.records import Direction, StudyRecord
from tests.records import amend, make_record, make_search

POINTS = st.lists(st.tuples(*[st.integers(0, 6)] * 3), max_size=30)
DIRECTIONS: list[Direction] = ["maximize", "minimize", "minimize"]


def beats(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    signed = [
        (-x, -y) if d == "maximize" else (x, y) for x, y, d in zip(a, b, DIRECTIONS, strict=True)
    ]
    return all(x <= y for x, y in signed) and any(x < y for x, y in signed)


@given(POINTS)
def test_a_point_is_on_the_front_unless_another_beats_it(points: list[tuple[int, ...]]) -> None:
    expected = [not any(beats(other, point) for other in points) for point in points]
    assert non_dominated(points, DIRECTIONS).tolist() == expected


@given(POINTS)
def test_the_order_of_points_does_not_matter(points: list[tuple[int, ...]]) -> None:
    order = np.random.default_rng(len(points)).permutation(len(points))
    front = non_dominated(points, DIRECTIONS)
    shuffled = non_dominated([points[i] for i in order], DIRECTIONS)
    assert shuffled.tolist() == [bool(front[i]) for i in order]


def test_a_point_that_was_not_measured_is_not_on_the_front() -> None:
    front = non_dominated([[1.0, np.nan], [0.5, 2.0]], ["maximize", "minimize"])
    assert front.tolist() == [False, True]


MACS = measure_of("macs_per_second")


def test_arms_part_and_end_at_the_front(record: StudyRecord) -> None:
    search = make_search(24)
    traces = {trace.name: trace for trace in Findings(search).hypervolumes}
    assert set(traces) == {"search", "random control"}
    searched, control = traces["search"], traces["random control"]
    assert (searched.trials[-1], control.trials[-1]) == (18, 6)
    assert searched.steps[-1] == 18 * 30
    for trace in traces.values():
        assert list(trace.volumes) == sorted(trace.volumes)
        assert trace.volumes[0] == 0.0
    assert searched.volumes[-1] > control.volumes[-1]


def test_baselines_are_known_from_the_start(record: StudyRecord) -> None:
    (trace,) = Findings(record).hypervolumes
    # trials 3, 4, 5 complete, 6 failed, 7 refused
    assert trace.trials == (0, 1, 2, 3, 4, 5)
    assert trace.volumes[0] > 0
    assert trace.volumes[3] == trace.volumes[5]


def test_steps_of_trials_without_a_result_are_spent_too(record: StudyRecord) -> None:
    stopped = amend(amend(record, 6, steps=12.0), 3, steps=30.0)
    (trace,) = Findings(stopped).hypervolumes
    assert trace.steps == (0.0, 30.0, 30.0, 30.0, 42.0, 42.0)


def test_each_rung_has_its_front() -> None:
    search = make_search(24)
    early, late = Findings(search).rung_fronts(Findings(search).trade(MACS))
    assert (early.step, late.step, early.n) == (10, 30, 24)
    assert late.y[-1] == pytest.approx(search.trials.usdr_db.max())
    assert early.y[-1] == pytest.approx(0.4 * search.trials.usdr_db.max())
    assert list(late.x) == sorted(late.x)


def test_views_compare_the_arms_after_as_many_trials(record: StudyRecord) -> None:
    views = {view.key: view for view in progress_views(Findings(make_search(24)))}
    assert set(views) == {"hypervolume-trials", "hypervolume-steps", "rungs", "fidelity"}
    assert views["fidelity"].figure is not None
    assert "After 6 trials each: search 0." in views["hypervolume-trials"].caption[0].text
    alone = {view.key: view for view in progress_views(Findings(record))}
    assert "no random control arm" in alone["hypervolume-trials"].caption[0].text
    assert progress_views(Findings(make_record([]))) == []


def test_the_dearest_and_best_trial_counts_for_something(record: StudyRecord) -> None:
    costs, qualities = [0.88e9, 5.2e9], [0.71, 2.31]
    assert places_along(costs, MACS) == [1.0, pytest.approx(0.1 / 1.1)]
    assert places_along(qualities, measure_of("usdr_db")) == [pytest.approx(0.1 / 1.1), 1.0]


def test_only_a_cost_counts_by_its_logarithm() -> None:
    numbers = [1e9, 4e9, 16e9]
    assert places_along(numbers, MACS)[1] == pytest.approx(0.6 / 1.1)
    assert places_along(numbers, measure_of("usdr_db"))[1] == pytest.approx(0.3 / 1.1)


def test_a_hypervolume_is_over_all_objectives() -> None:
    directions: dict[str, Direction] = {
        "usdr_db": "maximize",
        "macs_per_second": "minimize",
        "parameters": "minimize",
        "latency_ms_p50": "minimize",
    }
    search = replace(make_search(24), directions=directions)
    traces = Findings(search).hypervolumes
    places = Findings(search).box_places
    kinds = dict(zip(search.trials["trial"], search.trials["is_control"], strict=True))
    assert {len(place) for place in places.values()} == {4}
    for trace, is_control in zip(traces, (False, True), strict=True):
        own = [place for trial, place in places.items() if kinds[trial] is is_control]
        darts = np.random.default_rng(0).random((200_000, 4))
        hit = np.any(np.all(darts[:, None] <= np.array(own), axis=2), axis=1).mean()
        assert trace.volumes[-1] == pytest.approx(hit, abs=0.005)  # four standard errors
    views = {view.key: view for view in progress_views(Findings(search))}
    told = views["hypervolume-trials"].caption[0].text
    assert "Of uSDR, MACs/s, Parameters and Latency p50, in the box" in told


def test_with_one_objective_a_hypervolume_is_over_quality_and_the_main_cost() -> None:
    single = replace(make_search(24), directions={"usdr_db": "maximize"})
    assert {len(place) for place in Findings(single).box_places.values()} == {2}
    assert Findings(single).hypervolumes[0].volumes[-1] > 0
