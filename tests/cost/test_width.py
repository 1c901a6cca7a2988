"""The width that meets a budget: near it, never above, or else what the nearest ones take."""

import pytest

from msdemucs.cost import cost_of, solve_width, with_width
from msdemucs.errors import PlanError
from msdemucs.spec import expanded, load_spec, parse_spec, plan


@pytest.mark.parametrize("gmacs", [4, 8, 20])
@pytest.mark.parametrize("name", ["demucs", "hdemucs", "htdemucs", "htdemucs_d", "htdemucs_n"])
def test_the_width_leaves_at_most_a_tenth_of_the_budget(name: str, gmacs: int) -> None:
    solved = solve_width(load_spec(name), gmacs * 1e9, unused=0.1)
    assert 0.9 * gmacs * 1e9 <= cost_of(solved).macs_per_second <= gmacs * 1e9


@pytest.mark.parametrize("name", ["htdemucs", "htdemucs_d", "htdemucs_d4"])
def test_the_next_width_that_builds_is_above_the_budget(name: str) -> None:
    solved = solve_width(load_spec(name), 8e9, unused=0.2)
    start = expanded(solved)["channels"][0]  # type: ignore[index]
    step = 4 if name == "htdemucs_d4" else 1  # its round_to
    for wider in range(start + step, start + 65, step):
        try:
            plan(with_width(solved, wider))
        except PlanError:
            continue
        assert cost_of(with_width(solved, wider)).macs_per_second > 8e9
        break
    else:
        pytest.fail("no wider spec builds")


def test_every_spelling_of_channels_is_scaled_in_proportion() -> None:
    spellings: list[object] = [
        {"start": 32},
        [32, 64, 128, 256],
        {"start": 32, "at": {"2": 64}},
        32,
    ]
    for channels in spellings:
        spec = parse_spec({"name": "toy", "channels": channels})
        before, after = (expanded(s)["channels"] for s in (spec, with_width(spec, 64)))
        assert after == [2 * width for width in before]  # type: ignore[attr-defined]


def test_rounded_widths_stay_rounded() -> None:
    solved = solve_width(load_spec("htdemucs_d4"), 8e9)
    widths = expanded(solved)["channels"]
    assert all(width % 4 == 0 for width in widths)  # type: ignore[attr-defined]


def test_a_budget_that_no_width_meets_is_refused_with_what_the_nearest_take() -> None:
    with pytest.raises(PlanError) as caught:
        solve_width(load_spec("htdemucs_dnf"), 8e9)  # its fusion alone takes more
    assert caught.value.first.field == "channels"
    assert "1 channels take 14.62 GMAC/s" in caught.value.first.message
    with pytest.raises(PlanError, match=r"20 channels take .* and 22 channels take"):
        solve_width(load_spec("htdemucs_p"), 8e9, unused=0.05)


def test_a_spec_that_builds_at_no_width_says_why() -> None:
    spec = load_spec("htdemucs")
    with pytest.raises(PlanError, match="2 values for 4 levels"):
        solve_width(spec.model_copy(update={"kernel_size": (8, 8)}), 8e9)
