"""Are validation tracks MUSDB's own or drawn alike everywhere, and never songs of the training?"""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msdemucs.data.splits import (
    FEWEST,
    SHARE,
    HeldOut,
    divide,
    hold_out,
    official_songs,
    song_of,
)
from msdemucs.data.tracks import STEMS, Track

OFFICIAL = {
    "Actions - One Minute Smile",
    "Alexander Ross - Goodbye Bolero",
    "ANiMAL - Rockshow",
    "Clara Berry And Wooldog - Waltz For My Victims",
    "Fergessen - Nos Palpitants",
    "James May - On The Line",
    "Johnny Lokke - Promises & Lies",
    "Leaf - Summerghost",
    "Meaxic - Take A Step",
    "Patrick Talbot - A Reason To Leave",
    "Skelpolu - Human Mistakes",
    "Traffic Experiment - Sirens",
    "Triviul - Angelsaint",
    "Young Griffo - Pennies",
}
"""The validation split of MUSDB18, as its authors list it."""


class Unread:
    """A recording that nothing is read of."""

    path, stems = Path("unread"), STEMS
    sample_rate, n_samples, audio_channels = 44100, 44100, 2

    def read(self, names: Sequence[str], *, start: int, n_samples: int) -> np.ndarray:
        raise AssertionError((names, start, n_samples))


def tracks_of(*names: str, group: str = "set") -> list[Track]:
    return [Track(name, group, "train", Unread()) for name in names]


def songs(n: int) -> list[str]:
    return [f"Artist {i} - Song" for i in range(n)]


def names(tracks: Sequence[Track]) -> set[str]:
    return {track.name for track in tracks}


def test_of_musdb_the_14_official_tracks_are_held_out_whatever_the_seed() -> None:
    assert official_songs() == {name.casefold() for name in OFFICIAL}
    train = tracks_of(*songs(86), *OFFICIAL, group="musdb18hq")
    for seed in (0, 1):
        divided = hold_out(train, seed=seed)
        assert names(divided.validation) == OFFICIAL
        assert len(divided.train) == 86
    assert divided.rule == "MUSDB's official validation tracks"


def test_a_song_of_musdb_is_held_out_of_other_sets_too() -> None:
    other = tracks_of("Actions - One Minute Smile (live)", *songs(3), group="other")
    divided = hold_out([*tracks_of(*songs(86), *OFFICIAL, group="musdb18hq"), *other])
    assert other[0] in divided.validation


def test_beside_musdb_each_other_set_has_a_share_held_out() -> None:
    musdb = tracks_of(*songs(86), *OFFICIAL, group="musdb18hq")
    large = tracks_of(*(f"Band {i} - Song" for i in range(40)), group="large")
    small = [tracks_of(*(f"{g} {i} - Song" for i in range(3)), group=g) for g in ("duo", "trio")]
    divided = hold_out([*large, *musdb, *small[0], *small[1]])
    held = {g: [t for t in divided.validation if t.group == g] for g in ("musdb18hq", "large")}
    assert names(held["musdb18hq"]) == OFFICIAL
    assert names(held["large"]) == names(hold_out(large).validation)
    assert len(held["large"]) == SHARE * 40
    of_small = {t.name for t in divided.validation if t.group in ("duo", "trio")}
    assert of_small == names(hold_out([*small[0], *small[1]]).validation)
    assert divided.rule == (
        "MUSDB's official validation tracks; drawn from the training tracks with seed 0"
    )


def test_a_few_songs_of_musdb_make_no_validation_split_of_a_large_set() -> None:
    two = sorted(OFFICIAL)[:2]
    divided = hold_out(tracks_of(*songs(98), *two))
    assert len(divided.validation) == SHARE * 100
    assert divided.rule == "drawn from the training tracks with seed 0"
    assert names(hold_out(tracks_of(*songs(18), *two)).validation) == {*two}


def test_sets_without_a_validation_folder_have_tracks_held_out_beside_one_with() -> None:
    given = {
        "train": [*tracks_of(*songs(8), group="own"), *tracks_of("A - B", *songs(1), group="more")],
        "validation": tracks_of("V - W", group="own"),
    }
    assert divide(given).validation == tuple(given["validation"])  # of two songs none
    more = tracks_of(*(f"Band {i} - Song" for i in range(20)), group="more")
    live = tracks_of(*(f"Band {i} - Song (live)" for i in range(20)), group="own")
    both = {**given, "train": [*given["train"][:8], *live, *more]}
    divided = divide(both)
    drawn = [track for track in divided.validation if track.group == "more"]
    assert names(drawn) == names(hold_out(more).validation)
    assert "V - W" in names(divided.validation)
    assert divided.rule == ("the validation folders'; drawn from the training tracks with seed 0")
    assert not {*map(song_of, divided.train)} & {*map(song_of, divided.validation)}
    assert divide(both, is_given=True).validation == tuple(given["validation"])


@given(
    n_songs=st.integers(2 * FEWEST, 40),
    n_mixes=st.integers(1, 3),
    seed=st.integers(0, 5),
    order=st.randoms(use_true_random=False),
)
def test_a_share_is_drawn_by_whole_songs_whatever_their_order(
    n_songs: int, n_mixes: int, seed: int, order: random.Random
) -> None:
    mixes = ["", " (live)", " [instrumental]"][:n_mixes]
    tracks = [track for mix in mixes for track in tracks_of(*(s + mix for s in songs(n_songs)))]
    shuffled = order.sample(tracks, len(tracks))
    divided, again = hold_out(tracks, seed=seed), hold_out(shuffled, seed=seed)
    assert divided == again
    assert divided.is_held_out
    assert sorted(map(repr, (*divided.train, *divided.validation))) == sorted(map(repr, tracks))
    assert not {*map(song_of, divided.train)} & {*map(song_of, divided.validation)}
    n_held = len(divided.validation)
    wanted = max(FEWEST, SHARE * len(tracks))
    assert n_held < wanted + n_mixes
    assert n_held >= wanted or n_held == n_mixes * (n_songs - FEWEST)


def test_another_seed_holds_out_others() -> None:
    held = {frozenset(names(hold_out(tracks_of(*songs(20)), seed=s).validation)) for s in range(5)}
    assert len(held) == 5


def test_tracks_may_be_counted() -> None:
    train = tracks_of(*songs(86), *OFFICIAL)
    assert len(hold_out(train, n_tracks=5).validation) == 5
    divided = hold_out(tracks_of("A - B", "C - D"), n_tracks=9)
    assert (len(divided.train), len(divided.validation)) == (1, 1)


def test_of_too_few_songs_none_is_held_out_and_that_is_said() -> None:
    few = tracks_of("A - B", "A - B (live)", "C - D", "E - F")
    assert hold_out(few) == HeldOut(
        tuple(few),
        tuple(few),
        "no track could be held out of 3 training songs: validation is on the tracks of training",
    )
    assert not hold_out(few).is_held_out


@pytest.mark.parametrize(
    ("name", "song"),
    [
        ("Ann - One", "ann - one"),
        ("Ann -  ONE (live)", "ann - one"),
        ("Ann - One [2019 Remaster]", "ann - one"),
        ("Ann - One (live) [2019 Remaster]", "ann - one"),
        ("Ann - (One) Two", "ann - (one) two"),
        ("(One)", "(one)"),
    ],
)
def test_the_mixes_of_a_song_are_one_song(name: str, song: str) -> None:
    (track,) = tracks_of(name)
    assert song_of(track) == song


@pytest.mark.parametrize("is_given", [False, True])
def test_songs_of_the_validation_folders_are_not_trained_on(*, is_given: bool) -> None:
    train = tracks_of("V - W (live)", "A - 1", "A - 2", "A - 3", group="more")
    validation = tracks_of("V - W", group="own")
    divided = divide({"train": train, "validation": validation}, is_given=is_given)
    assert "V - W" in names(divided.validation)
    assert not {*map(song_of, divided.train)} & {*map(song_of, divided.validation)}
    assert "1 track of the same songs left out of training" in divided.rule
