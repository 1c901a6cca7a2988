"""Four spellings, one list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msdemucs.spec.schema import AnySchedule, ChangePoints, Geometric, Growth, expand


@given(st.integers(1, 64), st.integers(1, 8))
def test_all_spellings_of_a_constant_agree(value: int, depth: int) -> None:
    spelled: list[AnySchedule] = [
        value,
        (value,) * depth,
        ChangePoints(start=value, at={}),
        Geometric(start=value),
    ]
    assert {expand(schedule, depth) for schedule in spelled} == {(value,) * depth}


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_change_points_say_what_a_list_says(values: list[int]) -> None:
    changes = {level: values[level] for level in range(1, len(values))}
    schedule = ChangePoints(start=values[0], at=changes)
    assert expand(schedule, len(values)) == tuple(values)


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (ChangePoints(start=8, at={2: 16, 4: 32}), (8, 8, 16, 16, 32)),
        (Geometric(start=16, times=0.5, every=2, min=2), (16, 16, 8, 8, 4)),
        (Geometric(start=4, times=0.5, min=3), (4, 3, 3, 3, 3)),
        (Growth(start=48), (48, 96, 192, 384, 768)),
        (Growth(start=24, growth=2.5), (24, 60, 150, 375, 937)),
        (Growth(start=10, growth=1.5, round_to=4), (10, 16, 24, 36, 56)),
        (Growth(start=8, growth=(2.0, 1.0, 1.0, 2.0)), (8, 16, 16, 16, 32)),
    ],
)
def test_rules_expand_level_by_level(
    schedule: ChangePoints | Geometric | Growth, values: tuple[int, ...]
) -> None:
    assert expand(schedule, 5) == values


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ((8, 8), "has 2 values for 3 levels"),
        (ChangePoints(start=8, at={3: 4}), "changes at level 3"),
        (ChangePoints(start=8, at={0: 4}), "changes at level 0"),
        (Growth(start=8, growth=(2.0,)), "growth has 1 steps; 3 levels need 2"),
    ],
)
def test_a_schedule_of_the_wrong_length_is_refused(
    schedule: tuple[int, ...] | ChangePoints | Growth, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        expand(schedule, 3)
