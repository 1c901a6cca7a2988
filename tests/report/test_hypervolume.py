"""Volumes that points dominate, against inclusion and exclusion over all subsets."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msdemucs.report.hypervolume import area, gain, volume

SHARES = st.floats(0, 1, allow_nan=False)


def points_of(columns: int) -> st.SearchStrategy[list[tuple[float, ...]]]:
    return st.lists(st.tuples(*(SHARES for _ in range(columns))), max_size=7)


def by_subsets(points: list[tuple[float, ...]]) -> float:
    """The volume of a union of boxes: subsets' common boxes, added and taken off in turn."""
    return sum(
        (-1) ** (size + 1) * float(np.min(chosen, axis=0).prod())
        for size in range(1, len(points) + 1)
        for chosen in combinations(points, size)
    )


def test_areas_by_hand() -> None:
    assert area([]) == 0
    assert area([(0.5, 0.4)]) == pytest.approx(0.2)
    # 1.0 × 0.2, then 0.5 wide and 0.6 higher; the third is dominated
    assert area([(1.0, 0.2), (0.5, 0.8), (0.4, 0.7)]) == pytest.approx(0.2 + 0.5 * 0.6)


def test_a_volume_by_hand() -> None:
    # 1 × 1 × 0.5, and above it 0.5 × 0.5 × 0.5
    assert volume([(1, 1, 0.5), (0.5, 0.5, 1)]) == pytest.approx(0.5 + 0.125)
    assert volume([(0.5,), (0.7,)]) == pytest.approx(0.7)
    assert volume([]) == 0


@given(st.integers(2, 4).flatmap(points_of))
def test_volumes_are_those_of_unions_of_boxes(points: list[tuple[float, ...]]) -> None:
    assert volume(points) == pytest.approx(by_subsets(points), abs=1e-12)
    assert volume(points[::-1]) == pytest.approx(volume(points), abs=1e-12)


@given(points_of(3), st.tuples(SHARES, SHARES, SHARES))
def test_a_gain_is_the_difference_of_two_volumes(
    points: list[tuple[float, ...]], new: tuple[float, float, float]
) -> None:
    assert gain(new, points) == pytest.approx(volume([*points, new]) - volume(points), abs=1e-12)
