"""The shipped ablations: one for each claim of the notes, each of the arms that answer it."""

from pathlib import Path

import pytest

from msdemucs.cost import cost_of
from msdemucs.study.search_space.loading import load_search_space

FOLDER = Path(__file__).parent.parent.parent / "search_spaces"

ARMS = {
    "ablate-resolutions": ["base", "resolutions=two", "resolutions=three", "resolutions=five"],
    "ablate-attention": [
        "base",
        "resolutions=one",
        "attention=softmax",
        "attention=softmax, resolutions=one",
        "attention=none",
        "attention=none, resolutions=one",
    ],
    "ablate-fusion": [
        "base",
        "output=convolution",
        "output=time_unet_2d",
        "output=weighted",
        "output=sum",
    ],
    "ablate-n": [
        "resolutions=three, attention=linear, embedding=stronger, output=convolution",
        "attention=linear, embedding=stronger, output=convolution",
        "resolutions=three, embedding=stronger, output=convolution",
        "resolutions=three, attention=linear, output=convolution",
        "resolutions=three, attention=linear, embedding=stronger",
    ],
    "ablate-branches": ["base", "branches=without_attention", "branches=spectral_alone"],
    "ablate-schedules": [
        "base",
        "mix=replace",
        "schedule=constant",
        "schedule=constant, mix=replace",
    ],
}


def test_every_shipped_ablation_is_known_here() -> None:
    assert {path.stem for path in FOLDER.glob("ablate-*.yaml")} == set(ARMS)


@pytest.mark.parametrize("name", ARMS)
def test_the_arms_are_those_that_answer_the_claim_at_equal_cost(name: str) -> None:
    search = load_search_space(FOLDER / f"{name}.yaml")
    assert list(search.arms) == ARMS[name]
    assert search.space.repeats >= 3
    for arm in search.arms.values():
        assert 7.2e9 < cost_of(arm.spec).macs_per_second <= 8e9


@pytest.mark.parametrize("name", ARMS)
def test_the_small_setting_is_a_matter_of_minutes(name: str) -> None:
    search = load_search_space(FOLDER / f"{name}.yaml", small=True)
    assert set(search.arms) <= set(ARMS[name])
    assert search.space.trials <= 10
    assert search.space.recipe == "demo"
    for arm in search.arms.values():
        assert cost_of(arm.spec).macs_per_second < 0.5e9
