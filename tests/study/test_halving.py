"""The rule of halving: properties that any such rule must have, and fronts made by hand."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msdemucs.study.samplers.rungs import (
    Halving,
    Point,
    RungScore,
    crowding,
    epsilon_net,
)
from msdemucs.study.search_space.sampling import Thinning

EPSILON_NET: Thinning = "epsilon_net"

# multiples of 1/8 dB and powers of two: shifts and scalings are exact
standings = st.builds(
    lambda eighths, power: RungScore((eighths / 8,), (2.0**power,)),
    st.integers(-80, 80),
    st.integers(0, 30),
)
rules = st.builds(
    Halving,
    eta=st.sampled_from([2.0, 2.5, 3.0, 4.0]),
    survivors=st.integers(1, 4),
    delta_db=st.sampled_from([0.0, 0.125, 0.5, 2.0]),
    thinning=st.sampled_from(["epsilon_net", "crowding"]),
)
rungs = st.lists(standings, min_size=1, max_size=24)


@given(rules, rungs, st.randoms(use_true_random=False))
def test_the_order_of_arrival_decides_nothing(
    rule: Halving, rung: list[RungScore], random_: random.Random
) -> None:
    before = dict(zip(rung, rule.priorities(rung), strict=True))
    shuffled = random_.sample(rung, len(rung))
    assert dict(zip(shuffled, rule.priorities(shuffled), strict=True)) == before


@given(rules, rungs, st.integers(-8, 40), st.integers(-400, 400))
def test_units_decide_nothing(
    rule: Halving, rung: list[RungScore], power: int, eighths: int
) -> None:
    moved = [RungScore((s.qualities[0] + eighths / 8,), (s.costs[0] * 2.0**power,)) for s in rung]
    assert rule.priorities(moved) == rule.priorities(rung)


@given(rules, rungs)
def test_a_newcomer_that_dominates_all_goes_on(rule: Halving, rung: list[RungScore]) -> None:
    best = RungScore((max(s.qualities[0] for s in rung),), (min(s.costs[0] for s in rung),))
    assert rule.priorities([*rung, best])[-1] == 0
    assert rule.goes_on(best, rung)


@given(rules, rungs, standings)
def test_who_is_dominated_beyond_the_tolerance_by_enough_is_stopped(
    rule: Halving, rung: list[RungScore], own: RungScore
) -> None:
    better = [
        s
        for s in rung
        if s.qualities[0] > own.qualities[0] + rule.delta_db and s.costs[0] <= own.costs[0]
    ]
    if len(better) >= rule.places(len(rung) + 1):
        assert not rule.goes_on(own, rung)


@given(rules, rungs)
def test_as_many_go_on_as_there_are_places(rule: Halving, rung: list[RungScore]) -> None:
    # those who stand alike share a place, so that more may go on but never fewer
    n_places = min(rule.places(len(rung)), len(rung))
    going = [s for i, s in enumerate(rung) if rule.goes_on(s, rung[:i] + rung[i + 1 :])]
    assert len(going) >= n_places
    assert len(set(going)) <= n_places


@given(rules, rungs)
def test_who_goes_on_is_the_same_for_one_as_for_all(rule: Halving, rung: list[RungScore]) -> None:
    going = rule.going(dict(enumerate(rung)))
    assert going == {i for i, s in enumerate(rung) if rule.goes_on(s, rung[:i] + rung[i + 1 :])}


def test_of_none_none_goes_on() -> None:
    assert Halving().going({}) == set()


@given(rules, rungs)
def test_fronts_hold_every_point_once_and_no_one_dominates_within(
    rule: Halving, rung: list[RungScore]
) -> None:
    points = [s.point for s in rung]
    fronts = rule.fronts(points)
    assert sorted(p for front in fronts for p in front) == sorted(set(points))

    def dominates(p: Point, q: Point) -> bool:
        return p != q and q[0] - p[0] >= rule.delta_db and p[1] <= q[1]

    for front, later in zip(fronts, [*fronts[1:], []], strict=True):
        assert not any(dominates(p, q) for p in front for q in front)
        assert all(any(dominates(p, q) for p in front) for q in later)


@given(rules, st.lists(st.integers(-80, 80), min_size=1, max_size=20))
def test_without_costs_the_rule_is_plain_halving(rule: Halving, eighths: list[int]) -> None:
    rung = [RungScore((value / 8,)) for value in eighths]
    plain = Halving(eta=rule.eta, survivors=rule.survivors)
    expected = [sum(other > value for other in eighths) for value in eighths]
    assert plain.priorities(rung) == expected


def placed(rule: Halving, rung: Sequence[tuple[float, float]]) -> list[int]:
    return rule.priorities([RungScore((db,), (cost,)) for db, cost in rung])


# SDR rises by 1 dB as the cost doubles; a second front lies 2 dB below
FRONT = [(5.0, 1.0), (6.0, 2.0), (7.0, 4.0), (8.0, 8.0), (9.0, 16.0)]
BELOW = [(db - 2, cost) for db, cost in FRONT]


def test_a_front_comes_before_the_next_one() -> None:
    found = placed(Halving(), [*BELOW, *FRONT])
    assert sorted(found[5:]) == [0, 1, 2, 3, 4]
    assert sorted(found[:5]) == [5, 6, 7, 8, 9]


def test_the_net_takes_the_best_then_the_cheapest_then_the_middle() -> None:
    # the ends, the middle, then the two between, the one of higher SDR first
    assert placed(Halving(), FRONT) == [1, 4, 2, 3, 0]


def test_priorities_are_no_order() -> None:
    """Taken for an order, these priorities would name the third point first."""
    rung = [FRONT[4], FRONT[0], BELOW[0], FRONT[2]]
    assert placed(Halving(), rung) == [0, 1, 3, 2]
    assert placed(Halving(), rung[::-1]) == [2, 3, 1, 0]


def test_a_front_of_unlike_units_is_thinned_alike() -> None:
    front = [(db, 1e12 * cost**10) for db, cost in FRONT]
    assert placed(Halving(), front) == placed(Halving(), FRONT)


def test_crowding_takes_the_ends_then_the_loneliest() -> None:
    front = [(5.0, 1.0), (5.5, 1.5), (6.0, 2.0), (8.0, 8.0), (9.0, 16.0)]
    # room: 1/4 dB-range + log 2 / log 16 = 0.5, 2.5/4 + log 5.33 / log 16 = 1.23, 0.75 + 0.75
    assert placed(Halving(thinning="crowding"), front) == [1, 4, 3, 2, 0]


def test_the_tolerance_keeps_what_noise_may_have_put_behind() -> None:
    rung = [(7.0, 4.0), (6.8, 5.0)]
    strict, tolerant = Halving(), Halving(delta_db=0.3)
    assert [len(f) for f in strict.fronts([RungScore((a,), (b,)).point for a, b in rung])] == [1, 1]
    assert [len(f) for f in tolerant.fronts([RungScore((a,), (b,)).point for a, b in rung])] == [2]


@pytest.mark.parametrize(
    ("n_trials", "places"), [(1, 1), (3, 1), (4, 2), (6, 2), (7, 3), (9, 3), (10, 4)]
)
def test_one_in_eta_goes_on_rounded_up(n_trials: int, places: int) -> None:
    assert Halving(eta=3).places(n_trials) == places
    assert Halving(eta=3, survivors=8).places(n_trials) == 8


def test_a_stopped_trial_goes_on_when_worse_ones_have_come() -> None:
    rule = Halving(eta=3)
    own, better = RungScore((6.0,), (2.0,)), RungScore((7.0,), (2.0,))
    assert not rule.goes_on(own, [better])
    worse = [RungScore((5.0 - i,), (4.0,)) for i in range(3)]
    assert rule.goes_on(own, [better, *worse])


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 9)), min_size=1, max_size=12, unique=True))
def test_thinning_loses_no_point(points: list[tuple[float, ...]]) -> None:
    for thin in (epsilon_net, crowding):
        assert sorted(thin(points, (1.0, 1.0))) == sorted(points)
