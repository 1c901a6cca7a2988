"""How a search went: hypervolume by trial and step, fronts at the rungs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msdemucs.report.frames import trade_of
from msdemucs.report.measures import measure_of
from msdemucs.report.progress import box_of, climbs_of, rung_fronts, volume
from msdemucs.report.views_why import progress_views
from msdemucs.study.records import StudyRecord
from tests.report.conftest import amend, make_record, make_search

MACS = measure_of("macs_per_second")
SHARES = st.floats(0, 1, allow_nan=False)


def test_areas_by_hand() -> None:
    assert volume([]) == 0
    assert volume([(0.5, 0.4)]) == pytest.approx(0.2)
    # 1.0 × 0.2, then 0.5 wide and 0.6 higher; the third is dominated
    assert volume([(1.0, 0.2), (0.5, 0.8), (0.4, 0.7)]) == pytest.approx(0.2 + 0.5 * 0.6)


@given(st.lists(st.tuples(SHARES, SHARES), max_size=12), st.tuples(SHARES, SHARES))
def test_a_volume_grows_with_points_and_ignores_their_order(
    points: list[tuple[float, float]], new: tuple[float, float]
) -> None:
    assert volume([*points, new]) >= volume(points) - 1e-12
    assert volume(points[::-1]) == pytest.approx(volume(points))


def test_arms_climb_apart_and_end_at_the_front(record: StudyRecord) -> None:
    search = make_search(24)
    climbs = {climb.name: climb for climb in climbs_of(search, trade_of(search, MACS))}
    assert set(climbs) == {"search", "random control"}
    searched, control = climbs["search"], climbs["random control"]
    assert (searched.trials[-1], control.trials[-1]) == (18, 6)
    assert searched.steps[-1] == 18 * 30
    for climb in climbs.values():
        assert list(climb.volumes) == sorted(climb.volumes)
        assert climb.volumes[0] == 0.0
    assert searched.volumes[-1] > control.volumes[-1]


def test_baselines_are_known_from_the_start(record: StudyRecord) -> None:
    (climb,) = climbs_of(record, trade_of(record, MACS))
    # trials 3, 4, 5 complete, 6 failed, 7 refused
    assert climb.trials == (0, 1, 2, 3, 4, 5)
    assert climb.volumes[0] > 0
    assert climb.volumes[3] == climb.volumes[5]


def test_steps_of_trials_without_a_result_are_spent_too(record: StudyRecord) -> None:
    stopped = amend(amend(record, 6, steps=12.0), 3, steps=30.0)
    (climb,) = climbs_of(stopped, trade_of(stopped, MACS))
    assert climb.steps == (0.0, 30.0, 30.0, 30.0, 42.0, 42.0)


def test_each_rung_has_its_front() -> None:
    search = make_search(24)
    early, late = rung_fronts(search, trade_of(search, MACS))
    assert (early.step, late.step, early.n) == (10, 30, 24)
    assert late.y[-1] == pytest.approx(search.trials.usdr_db.max())
    assert early.y[-1] == pytest.approx(0.4 * search.trials.usdr_db.max())
    assert list(late.x) == sorted(late.x)


def test_views_compare_the_arms_after_as_many_trials(record: StudyRecord) -> None:
    views = {view.key: view for view in progress_views(make_search(24))}
    assert set(views) == {"climb-trials", "climb-steps", "rungs", "fidelity"}
    assert views["fidelity"].figure is not None
    assert "After 6 trials each: search 0." in views["climb-trials"].caption[0].text
    alone = {view.key: view for view in progress_views(record)}
    assert "no random control arm" in alone["climb-trials"].caption[0].text
    assert progress_views(make_record([])) == []


def test_the_dearest_and_best_trial_counts_for_something(record: StudyRecord) -> None:
    trade = trade_of(record, MACS)
    box = box_of(trade)
    assert box.place(0.88e9, 2.31) == (1.0, 1.0)  # the cheapest cost with the best score
    cheap, good = box.place(5.2e9, 0.71)  # the worst of both
    assert cheap == pytest.approx(0.1 / 1.1)
    assert good == pytest.approx(0.1 / 1.1)
