"""The model of scores at rungs, and the hypervolume that a training is expected to add."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.replay import Labels, Table, Trained, steps_to
from benchmarks.surrogate_replay import Modelled
from msdemucs.study.samplers.surrogate.model import (
    CurveModel,
    Posterior,
    SpecPoint,
    TrainedFront,
    ends_of,
    expected_improvements,
    feature,
    volume,
)

RUNGS = (10, 30, 90)

DB = st.floats(-5, 15)
COST = st.floats(0.1, 100)


def believed(points: list[SpecPoint]) -> Posterior:
    return CurveModel(RUNGS).predict(points)


def line(count: int, *, curves: bool = True) -> list[SpecPoint]:
    """Specs that are 1 dB better for every doubling of cost, each with a curve that climbs."""
    points = []
    for index in range(count):
        scores = {rung: index + 2.0 * rung for rung in range(3)}
        points.append(SpecPoint((index / count,), (2.0**index,), scores if curves else {}))
    return points


def test_what_is_trained_to_the_end_is_known() -> None:
    points = line(6)
    posterior = believed(points)
    assert posterior.mean == pytest.approx([4, 5, 6, 7, 8, 9], abs=0.01)
    assert (posterior.deviation < 0.05).all()


def test_a_curve_is_extended_by_how_others_went_on() -> None:
    points = [
        *line(6),
        SpecPoint((0.5,), (2.0**3,), {0: 5.0}),
        SpecPoint((0.5,), (2.0**3,), {0: 1.0}),
    ]
    posterior = believed(points)
    assert posterior.mean[6] > posterior.mean[3] > posterior.mean[7], "as at the first rung"
    assert 4 < posterior.mean[3] + 4 < posterior.mean[6] + 4
    alone = believed([points[6]])
    assert alone.deviation[0] > 2 * posterior.deviation[6], "others tell how curves go"


def test_the_more_is_seen_the_less_is_open() -> None:
    points = line(6)
    deviations = [
        believed([*points, SpecPoint((0.4,), (6.0,), {r: 2.0 + 2 * r for r in range(rungs)})])
        for rungs in range(4)
    ]
    last = [posterior.deviation[6] for posterior in deviations]
    assert last == sorted(last, reverse=True)
    assert last[3] < 0.1 * last[0]


def test_a_new_spec_is_expected_as_those_that_resemble_it() -> None:
    def of(kind: str, width: float, scores: dict[int, float]) -> SpecPoint:
        return SpecPoint((kind, width), (1.0 + width,), scores)

    begun = [
        of(kind, width, {2: 3.0 * (kind == "good") + width})
        for kind in ("good", "poor")
        for width in (0.0, 0.3, 0.7, 1.0)
    ]
    posterior = believed([*begun, of("good", 0.5, {}), of("poor", 0.5, {}), of("other", 0.5, {})])
    good, poor, other = posterior.mean[8:]
    assert good > poor + 1.5
    assert poor < other < good
    assert posterior.deviation[10] > posterior.deviation[8]


@settings(max_examples=10)
@given(seed=st.integers(0, 999), shift=st.floats(-30, 30), factor=st.floats(0.01, 1e9))
def test_neither_order_nor_units_of_cost_nor_the_level_of_scores_matter(
    seed: int, shift: float, factor: float
) -> None:
    random = np.random.default_rng(seed)
    points = [
        SpecPoint(
            (str(random.choice(["a", "b"])), float(random.random())),
            (float(np.exp(random.normal())),),
            {rung: float(random.normal()) for rung in range(int(random.integers(0, 4)))},
        )
        for _ in range(7)
    ]
    points.append(SpecPoint(("a", 0.5), (1.0,), {0: 0.0}))
    posterior = believed(points)
    order = random.permutation(len(points))
    moved = believed(
        [
            SpecPoint(
                points[at].features,
                tuple(factor * cost for cost in points[at].costs),
                {rung: db + shift for rung, db in points[at].scores.items()},
            )
            for at in order
        ]
    )
    assert moved.mean == pytest.approx(posterior.mean[order] + shift, abs=1e-5)
    assert moved.deviation == pytest.approx(posterior.deviation[order], rel=1e-4, abs=1e-6)


def test_without_a_score_there_is_nothing_to_go_by() -> None:
    with pytest.raises(ValueError, match="at least one score"):
        believed(line(3, curves=False))


def test_objectives_without_a_cost_are_modelled_too() -> None:
    posterior = believed(
        [SpecPoint((0.0,), (), {2: 1.0}), SpecPoint((1.0,), (), {2: 3.0}), SpecPoint((0.9,), ())]
    )
    assert posterior.mean[2] > 1.5


@pytest.mark.parametrize(
    ("value", "ends", "found"),
    [
        (4, (4, 64), 0.0),
        (16, (4, 64), 0.5),
        (0.5, (-1.0, 2.0), 0.5),
        (0, (0, 8), 0.0),
        ("softmax", None, "softmax"),
        (True, None, "True"),
        (None, (4, 64), None),
        (7, (7, 7), 0.0),
    ],
)
def test_numbers_are_placed_in_their_range(
    value: object, ends: tuple[float, float] | None, found: object
) -> None:
    assert feature(value, ends) == (pytest.approx(found) if isinstance(found, float) else found)


def test_choices_are_numbers_where_all_are() -> None:
    assert ends_of([8, 2, 4]) == (2, 8)
    assert ends_of([8, "2"]) is None
    assert ends_of([True, False]) is None


def by_hand(points: list[tuple[float, tuple[float, ...]]], top: np.ndarray, floor: float) -> float:
    """The dominated hypervolume, counted on a fine grid of the costs."""
    random = np.random.default_rng(0)
    low = np.zeros(len(top))
    at = low + (top - low) * random.random((20_000, len(top)))
    height = np.full(len(at), floor)
    for usdr_db, costs in points:
        is_within = (np.array(costs) <= at).all(axis=1)
        height = np.where(is_within, np.maximum(height, usdr_db), height)
    return float((height - floor).mean() * np.prod(top - low))


@pytest.mark.parametrize("n_costs", [1, 2, 3])
def test_gains_are_the_difference_of_hypervolumes(n_costs: int) -> None:
    random = np.random.default_rng(n_costs)
    costs = random.uniform(0.2, 2, (5, n_costs))
    scores = random.uniform(1, 5, 5)
    new, usdr_db = np.zeros((1, n_costs)) + 0.5, 4.5
    every = np.concatenate([costs, new, np.zeros((1, n_costs)), np.full((1, n_costs), 2.0)])
    front = TrainedFront(scores, costs, 0.0)
    gains = expected_improvements(front, every, np.full(len(every), usdr_db), np.zeros(len(every)))
    top = np.full(n_costs, 2.1)
    known = [(float(s), tuple(c)) for s, c in zip(scores, costs, strict=True)]
    before = by_hand(known, top, 0.0)
    after = by_hand([*known, (usdr_db, tuple(new[0]))], top, 0.0)
    assert volume(front, every) == pytest.approx(before, rel=0.05)  # a grid of 20,000 points
    assert gains[5] == pytest.approx(after - before, rel=0.05, abs=0.01)


@given(
    known=st.lists(st.tuples(DB, COST), max_size=6),
    mean=DB,
    cost=COST,
    deviation=st.floats(0.01, 3),
)
def test_a_gain_is_never_negative_and_grows_with_hope(
    known: list[tuple[float, float]], mean: float, cost: float, deviation: float
) -> None:
    scores = np.array([db for db, _ in known])
    logs = np.log([[one] for _, one in known]).reshape(-1, 1)
    front = TrainedFront(scores, logs, -6.0)
    asked = np.full((3, 1), math.log(cost))
    means = np.array([mean, mean + 1, mean])
    gain, better, less_sure = expected_improvements(
        front, asked, means, np.array([deviation, deviation, 2 * deviation])
    )
    assert 0 <= gain <= better
    assert less_sure >= gain * (1 - 1e-9)


def test_an_expected_gain_is_the_mean_over_draws() -> None:
    front = TrainedFront(np.array([1.0, 3.0]), np.array([[0.0], [1.0]]), 0.0)
    draws = np.random.default_rng(0).normal(2.5, 0.8, 4000)
    at = np.full((4000, 1), 0.5)
    sampled = expected_improvements(front, at, draws, np.zeros(4000)).mean()
    expected = expected_improvements(front, at[:1], np.array([2.5]), np.array([0.8]))[0]
    assert expected == pytest.approx(sampled, rel=0.05)  # of 4,000 draws


def table(*, noise: float) -> Table:
    """Two kinds, 2 dB apart from the first rung on, of six widths, each worth 1 dB a doubling."""
    random = np.random.default_rng(1)
    trained: dict[Labels, Trained] = {}
    for width in (1, 2, 4, 8, 16, 32):
        for rank, kind in enumerate(("good", "fair", "poor")):
            last = 5 + math.log2(width) - 2 * rank + noise * random.normal()
            trained[width, kind] = Trained(float(width), (last / 3, last / 2, last))
    return Table({"width": (1, 2, 4, 8, 16, 32), "kind": ("good", "fair", "poor")}, RUNGS, trained)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_replayed_search_finds_the_front_with_few_steps(noise: float) -> None:
    steps = [steps_to(Modelled(table(noise=noise), seed), 0.95) for seed in range(3)]
    assert max(steps) < 0.5 * 18 * 90


def test_a_replay_ends_with_everything_trained() -> None:
    replay = Modelled(table(noise=1.0), 0)
    replay.run(lambda _: False)
    assert replay.steps == 18 * 90
    assert len({labels for _, labels in replay.history}) == 18
