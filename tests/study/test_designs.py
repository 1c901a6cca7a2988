"""Designs: their arms, their balance, and what fractions confuse."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from msdemucs.study.ablation.designs import (
    Design,
    alias_sign,
    aliases,
    arms,
    fraction,
    fraction_of,
    resolution,
)


def two(n: int) -> dict[str, list[str]]:
    return {chr(ord("a") + index): ["0", "1"] for index in range(n)}


def test_one_at_a_time_is_the_base_and_each_alternative_alone() -> None:
    found = arms(Design(), {"a": ["x", "y", "z"], "b": ["off", "on"]})
    assert found == [
        {"a": "x", "b": "off"},
        {"a": "y", "b": "off"},
        {"a": "z", "b": "off"},
        {"a": "x", "b": "on"},
    ]


def test_leave_one_out_is_everything_and_everything_without_each() -> None:
    found = arms(Design(kind="leave_one_out"), two(3))
    assert ["".join(arm.values()) for arm in found] == ["111", "011", "101", "110"]


def test_full_is_every_combination_the_base_first() -> None:
    found = arms(Design(kind="full"), {"a": ["x", "y", "z"], "b": ["off", "on"]})
    assert len(found) == 6
    assert found[0] == {"a": "x", "b": "off"}
    assert len({tuple(arm.values()) for arm in found}) == 6


@pytest.mark.parametrize(
    ("n_factors", "least", "runs"),
    # the smallest fractions of Box, Hunter and Hunter's table
    [(3, 3, 4), (5, 3, 8), (7, 3, 8), (4, 4, 8), (6, 4, 16), (8, 4, 16), (5, 5, 16), (8, 5, 64)],
)
def test_fractions_are_as_small_as_the_published_ones(
    n_factors: int, least: int, runs: int
) -> None:
    generators = fraction(n_factors, least)
    assert resolution(generators) >= least
    design = Design(kind="fractional", resolution=least)
    assert len(arms(design, two(n_factors))) == runs


@given(st.integers(3, 8), st.integers(3, 5))
def test_a_fraction_of_resolution_r_is_balanced_in_any_r_minus_1_factors(n: int, r: int) -> None:
    try:
        found = arms(Design(kind="fractional", resolution=r), two(n))
    except ValueError as error:
        assert "take the full design" in str(error)  # noqa: PT017
        return
    assert found[0] == dict.fromkeys(two(n), "0")
    for chosen in itertools.combinations(two(n), min(r - 1, n)):
        counts = [
            sum(
                all(arm[f] == level for f, level in zip(chosen, cell, strict=True)) for arm in found
            )
            for cell in itertools.product("01", repeat=len(chosen))
        ]
        assert len(set(counts)) == 1


def test_generators_by_name_make_the_factors_they_name() -> None:
    design = Design(kind="fractional", generators=("d = a * b", "e=a*c"))
    found = arms(design, two(5))
    assert len(found) == 8
    for arm in found:
        a, b, c, d, e = (int(level) for level in arm.values())
        assert (d, e) == (a ^ b, a ^ c)


def test_aliases_follow_from_the_defining_relation() -> None:
    # D = ABC: AB with CD, AC with BD, AD with BC; main effects with three-way interactions alone
    generators = fraction_of(Design(kind="fractional", generators=("d = a*b*c",)), "abcd")
    assert aliases(generators, 0b0011, n_factors=4) == [0b1100]
    assert aliases(generators, 0b0001, n_factors=4) == []
    assert aliases(generators, 0b0001, n_factors=4, order=3) == [0b1110]


@given(st.integers(3, 8), st.integers(3, 5))
def test_columns_cancel_as_the_resolution_and_the_aliases_say(n_factors: int, least: int) -> None:
    try:
        generators = fraction(n_factors, least)
    except ValueError:
        return
    runs = arms(Design(kind="fractional", resolution=least), two(n_factors))
    signs = [[-1 if level == "1" else 1 for level in arm.values()] for arm in runs]
    products = {
        effect: tuple(math.prod(x for i, x in enumerate(run) if effect >> i & 1) for run in signs)
        for effect in range(1, 1 << n_factors)
    }
    words = [effect.bit_count() for effect, column in products.items() if len(set(column)) == 1]
    assert resolution(generators) == min([*words, 5])
    for effect, column in products.items():
        if effect.bit_count() <= 2:
            minus = tuple(-x for x in column)
            alike = [e for e, c in products.items() if c in (column, minus) and e != effect]
            expected = sorted(e for e in alike if e.bit_count() <= 2)
            assert aliases(generators, effect, n_factors=n_factors) == expected
            for other in expected:  # of the matrix of -1, the base's levels, and 1
                ways = {
                    math.prod(-x for i, x in enumerate(run) if effect >> i & 1)
                    * math.prod(-x for i, x in enumerate(run) if other >> i & 1)
                    for run in signs
                }
                assert ways == {alias_sign(effect, other)}


def test_many_factors_take_generators_and_no_time() -> None:
    levels = {f"f{index}": ["0", "1"] for index in range(30)}
    with pytest.raises(ValueError, match="at most 16 factors; found 30: give generators"):
        arms(Design(kind="fractional", resolution=3), levels)
    words = itertools.chain.from_iterable(
        itertools.combinations(range(5), size) for size in range(2, 6)
    )
    generators = tuple(
        f"f{made} = " + " * ".join(f"f{index}" for index in word)
        for made, word in zip(range(5, 30), words, strict=False)
    )
    design = Design(kind="fractional", generators=generators)
    assert len(arms(design, levels)) == 32


@pytest.mark.parametrize(
    ("generators", "reason"),
    [
        (("d = a * x",), "no factor “x”"),
        (("d = a * a",), "twice"),
        (("d = a * b", "d = a * c"), "already"),
        (("c = a * b", "d = a * c"), "itself"),
        (("c = a * b", "d = a * b"), "confuse main effects"),
    ],
)
def test_generators_that_cannot_be_are_refused(generators: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        arms(Design(kind="fractional", generators=generators), two(4))


def test_designs_of_two_levels_refuse_more() -> None:
    with pytest.raises(ValueError, match="a has 2: y, z"):
        arms(Design(kind="leave_one_out"), {"a": ["x", "y", "z"]})


def test_a_design_too_large_is_refused_with_its_size() -> None:
    with pytest.raises(ValueError, match="1024 arms"):
        arms(Design(kind="full"), two(10))


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "full", "resolution": 4},
        {"kind": "fractional", "resolution": 4, "generators": ("c = a * b",)},
        {"kind": "fractional", "generators": ("c",)},
        {"kind": "fractional", "resolution": 2},
    ],
)
def test_options_that_say_nothing_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Design.model_validate(fields)
