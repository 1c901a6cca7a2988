"""The front: what no other point beats."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from msdemucs.study.records import Direction
from msdemucs.study.space.pareto import non_dominated

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
