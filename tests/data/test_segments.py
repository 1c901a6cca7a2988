"""Batches: the same for the same seed and step, sums of their stems, read piece by piece."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from msdemucs.data import Augmentation, Grid, SegmentSampler, Track, drop_short, find_tracks
from msdemucs.data.tracks import STEMS
from msdemucs.errors import DataError
from tests.data.conftest import N_SAMPLES, write_noise

SEGMENT = 500


@pytest.fixture
def tracks(root: Path) -> list[Track]:
    return find_tracks(root, split="train")


def _sampler(tracks: Sequence[Track], *, seed: int = 0, flip: bool = False) -> SegmentSampler:
    return SegmentSampler(
        tracks,
        sources=STEMS,
        segment_samples=SEGMENT,
        batch_size=3,
        seed=seed,
        augmentation=Augmentation(flip=flip),
    )


class Counting:
    """A recording that passes reads on, with a fixed silence at its beginning."""

    def __init__(self, silent: int = 0) -> None:
        self.path, self.stems = Path("counting"), STEMS
        self.sample_rate, self.n_samples, self.audio_channels = 44100, 4 * SEGMENT, 2
        self.silent, self.longest = silent, 0

    def read(self, names: Sequence[str], *, start: int, n_samples: int) -> np.ndarray:
        self.longest = max(self.longest, n_samples)
        sounds = np.arange(start, start + n_samples) >= self.silent
        return np.broadcast_to(sounds.astype(np.float32), (len(names), 2, n_samples)).copy()


@pytest.mark.parametrize("flip", [False, True])
def test_a_batch_depends_on_seed_and_step_alone(tracks: list[Track], flip: bool) -> None:
    ahead = _sampler(tracks, flip=flip)
    for step in range(5):
        ahead.batch(step)
    late, fresh = ahead.batch(7), _sampler(tracks, flip=flip).batch(7)
    assert torch.equal(late.references, fresh.references)
    assert late.tracks == fresh.tracks
    assert not torch.equal(late.mixture, ahead.batch(8).mixture)
    assert not torch.equal(late.mixture, _sampler(tracks, seed=1, flip=flip).batch(7).mixture)


@pytest.mark.parametrize("flip", [False, True])
def test_a_mixture_is_the_sum_of_its_references(tracks: list[Track], flip: bool) -> None:
    batch = _sampler(tracks, flip=flip).batch(0)
    assert batch.mixture.shape == (3, 2, SEGMENT)
    assert batch.references.shape == (3, 4, 2, SEGMENT)
    assert torch.equal(batch.references.sum(1), batch.mixture)
    assert {*batch.tracks} <= {"Ann - One", "Bob - Two"}


def test_one_source_alone_still_has_the_whole_mixture(tracks: list[Track]) -> None:
    alone = SegmentSampler(
        tracks, sources=["accompaniment"], segment_samples=SEGMENT, batch_size=3, seed=0
    ).batch(0)
    together = _sampler(tracks).batch(0)
    assert torch.equal(alone.mixture, together.mixture)
    assert torch.equal(alone.references[:, 0], together.references[:, :3].sum(1))


def test_flips_only_turn_signs_and_swap_channels(tracks: list[Track]) -> None:
    plain = [_sampler(tracks).batch(step).references for step in range(8)]
    flipped = [_sampler(tracks, flip=True).batch(step).references for step in range(8)]
    seen = set()
    # the first item of a batch is drawn before any flip, so it is the same stretch in both
    for before, after in zip(plain, flipped, strict=True):
        for stem, turned in zip(before[0], after[0], strict=True):
            options = {
                (reverse, negate): (stem.flip(0) if reverse else stem) * (-1 if negate else 1)
                for reverse in (False, True)
                for negate in (False, True)
            }
            seen |= {key for key, option in options.items() if torch.equal(option, turned)}
    assert len(seen) == 4


Pair = tuple[torch.Tensor, torch.Tensor]


def turned(pair: Pair) -> dict[tuple[bool, bool], Pair]:
    """A mixture and a reference with channels reversed or not, and negated or not."""
    return {
        (reverse, negate): tuple(  # type: ignore[misc]
            (one.flip(0) if reverse else one) * (-1 if negate else 1) for one in pair
        )
        for reverse in (False, True)
        for negate in (False, True)
    }


def joined(tracks: Sequence[Track], sources: Sequence[str], **change: object) -> list[Pair]:
    """Mixture and first reference of some batches' first items, augmented jointly or not at all."""
    sampler = SegmentSampler(
        tracks,
        sources=sources,
        segment_samples=SEGMENT,
        batch_size=1,
        seed=0,
        augmentation=Augmentation(**change),  # type: ignore[arg-type]
        joint=True,
    )
    batches = [sampler.batch(step) for step in range(1, 17)]
    return [(batch.mixture[0], batch.references[0, 0]) for batch in batches]


def test_one_source_flips_together_with_its_mixture(tracks: list[Track]) -> None:
    plain = joined(tracks, ["accompaniment"])
    flipped = joined(tracks, ["accompaniment"], flip=True)
    seen = [
        key
        for before, after in zip(plain, flipped, strict=True)
        for key, pair in turned(before).items()
        if torch.allclose(pair[0], after[0]) and torch.allclose(pair[1], after[1])
    ]
    assert len(seen) == 16
    assert len(set(seen)) == 4


def test_several_sources_flip_apart_even_if_jointly(tracks: list[Track]) -> None:
    pairs = zip(joined(tracks, STEMS), joined(tracks, STEMS, flip=True), strict=True)
    whole = [
        any(torch.allclose(pair[0], after[0]) for pair in turned(before).values())
        for before, after in pairs
    ]
    assert not all(whole)


def test_the_stems_of_a_source_change_together(tracks: list[Track]) -> None:
    """Of two sources, one of which is a sum of three stems."""
    sampler = SegmentSampler(
        tracks,
        sources=["vocals", "accompaniment"],
        segment_samples=SEGMENT,
        batch_size=1,
        seed=0,
        joint=True,
    )
    assert sampler._groups(tracks[0]) == [0, 0, 0, 1]


class Placed(Counting):
    """A recording whose samples say where they are, and which remembers where it was read."""

    def __init__(self, n_samples: int) -> None:
        super().__init__()
        self.n_samples = n_samples
        self.starts: list[int] = []

    def read(self, names: Sequence[str], *, start: int, n_samples: int) -> np.ndarray:
        self.starts.append(start)
        place = np.arange(start, start + n_samples, dtype=np.float32) + 1
        return np.broadcast_to(place, (len(names), 2, n_samples)).copy()


def on_a_grid(recordings: Sequence[Placed], stride: int, steps: int | None) -> SegmentSampler:
    tracks = [Track(f"A - {i}", "x", "train", own) for i, own in enumerate(recordings)]
    return SegmentSampler(
        tracks,
        sources=STEMS,
        segment_samples=SEGMENT,
        batch_size=2,
        seed=0,
        grid=Grid(stride, steps),
    )


def test_a_grid_gives_each_window_once_before_any_comes_again() -> None:
    recordings = [Placed(4 * SEGMENT), Placed(2 * SEGMENT)]
    sampler = on_a_grid(recordings, SEGMENT, None)
    orders = []
    for first in (1, 4):  # six windows, two a step
        for own in recordings:
            own.starts.clear()
        batches = [sampler.batch(step) for step in range(first, first + 3)]
        starts = [sorted(own.starts) for own in recordings]
        assert starts == [[0, 500, 1000, 1500], [0, 500]]
        orders.append([float(item[0, 0]) for batch in batches for item in batch.mixture])
    assert orders[0] != orders[1]


def test_each_epoch_shuffles_the_grid_anew() -> None:
    recording = Placed(400 * SEGMENT)
    sampler = on_a_grid([recording], SEGMENT, 3)
    for step in range(1, 7):
        sampler.batch(step)
    epochs = [recording.starts[:6], recording.starts[6:]]
    assert all(len(set(starts)) == 6 for starts in epochs)
    assert set(epochs[0]) != set(epochs[1])  # of 400 windows 6 an epoch


def test_a_batch_of_a_grid_depends_on_seed_and_step_alone() -> None:
    early, late = (on_a_grid([Placed(40 * SEGMENT)], SEGMENT, 3) for _ in range(2))
    for step in range(1, 5):
        early.batch(step)
    assert torch.equal(early.batch(5).mixture, late.batch(5).mixture)


def test_the_last_window_of_a_grid_is_filled_with_zeros() -> None:
    recording = Placed(SEGMENT + 100)
    batch = on_a_grid([recording], 400, None).batch(1)
    assert sorted(recording.starts) == [0, 400]
    (last,) = (item for item in batch.mixture if item[0, 0] > 1e3)
    assert bool((last[:, :200] > 0).all())
    assert not last[:, 200:].any()


def test_a_shift_that_leaves_no_sample_is_refused(tracks: list[Track]) -> None:
    with pytest.raises(DataError, match="at least 1 sample"):
        joined(tracks, STEMS, shift=SEGMENT)


def test_only_the_segment_is_read() -> None:
    recording = Counting()
    _sampler([Track("Ann - One", "x", "train", recording)]).batch(0)
    assert recording.longest == SEGMENT


def test_silent_segments_are_drawn_again() -> None:
    half = Track("Ann - One", "x", "train", Counting(silent=2 * SEGMENT))
    sampler = _sampler([half])
    assert all(bool(item.any()) for step in range(10) for item in sampler.batch(step).mixture)


def test_a_track_of_silence_is_given_as_it_is() -> None:
    mute = Track("Ann - One", "x", "train", Counting(silent=4 * SEGMENT))
    assert not _sampler([mute]).batch(0).mixture.any()


def test_a_segment_may_be_the_whole_track(tracks: list[Track]) -> None:
    sampler = SegmentSampler(
        tracks[:1], sources=STEMS, segment_samples=N_SAMPLES, batch_size=1, seed=0
    )
    whole = torch.from_numpy(tracks[0].read_sources(STEMS))
    assert torch.equal(sampler.batch(0).references[0], whole)


def test_long_tracks_are_drawn_more_often(root: Path) -> None:
    write_noise(root / "train" / "Zoe - Long", n_samples=20 * N_SAMPLES)
    sampler = _sampler(find_tracks(root, split="train"))
    drawn = [name for step in range(40) for name in sampler.batch(step).tracks]
    assert drawn.count("Zoe - Long") > 0.8 * len(drawn)


def test_a_track_shorter_than_a_segment_is_named_or_left_out(
    root: Path, tracks: list[Track]
) -> None:
    write_noise(root / "train" / "Dan - Short", n_samples=441)
    tracks = find_tracks(root, split="train")
    with pytest.raises(DataError, match=r"is 0\.01 s long, a segment is 0\.01 s.*“Dan - Short”"):
        _sampler(tracks)
    told: list[DataError] = []
    kept = drop_short(tracks, n_samples=SEGMENT, on_error=told.append)
    assert [track.name for track in kept] == ["Ann - One", "Bob - Two"]
    assert [error.track for error in told] == ["Dan - Short"]


def spoil(root: Path, name: str, file: str = "bass.wav") -> None:
    """Make one sample of a file NaN."""
    path = root / "train" / name / file
    audio, rate = soundfile.read(path)
    audio[2000, 0] = np.nan
    soundfile.write(path, audio, rate, subtype="FLOAT")


@pytest.fixture
def spoilt(root: Path) -> list[Track]:
    """Three tracks, the second of which has a NaN in its middle."""
    write_noise(root / "train" / "Dan - Four")
    spoil(root, "Bob - Two")
    return find_tracks(root, split="train")


def first_damage(sampler: SegmentSampler) -> int:
    """The step that finds it."""
    return next(step for step in range(1, 99) if sampler.batch(step).left_out)


def test_a_damaged_track_is_told_once_and_never_drawn_again(spoilt: list[Track]) -> None:
    sampler = _sampler(spoilt)
    batches = [sampler.batch(step) for step in range(1, 60)]
    ((step, told),) = [(step, b.left_out) for step, b in enumerate(batches, 1) if b.left_out]
    ((track, error),) = told
    assert track.name == "Bob - Two"
    assert "“bass” has samples that are not finite" in str(error)
    assert step > 1
    assert sampler.left_out == {track: step}
    later = {name for batch in batches[step:] for name in batch.tracks}
    assert later == {"Ann - One", "Dan - Four"}
    assert all(batch.mixture.isfinite().all() for batch in batches)
    assert {batch.mixture.shape for batch in batches} == {(3, 2, SEGMENT)}


def test_batches_after_damage_are_those_of_a_set_without_the_track(spoilt: list[Track]) -> None:
    sampler = _sampler(spoilt)
    step = first_damage(sampler)
    told, without = _sampler(spoilt), _sampler([spoilt[0], spoilt[2]])
    told.left_out = {spoilt[1]: step}
    for later in range(step + 1, step + 9):
        expected = sampler.batch(later)
        for other in (told, without):
            assert torch.equal(other.batch(later).mixture, expected.mixture)


def test_a_step_that_found_damage_finds_it_again(spoilt: list[Track]) -> None:
    sampler = _sampler(spoilt)
    step = first_damage(sampler)
    before, after = sampler.batch(step), sampler.batch(step + 1)
    again = _sampler(spoilt)
    again.left_out = {spoilt[1]: step}
    assert torch.equal(again.batch(step).mixture, before.mixture)
    assert [track for track, _ in again.batch(step).left_out] == [spoilt[1]]
    assert torch.equal(again.batch(step + 1).mixture, after.mixture)


def test_damage_in_a_mixture_counts_where_tracks_are_normalised(root: Path) -> None:
    spoil(root, "Bob - Two", "mixture.wav")
    tracks = find_tracks(root, split="train")
    sampler = SegmentSampler(
        tracks, sources=STEMS, segment_samples=SEGMENT, batch_size=3, seed=0, normalised=True
    )
    first_damage(sampler)
    assert [*sampler.left_out] == [tracks[1]]


def test_where_every_track_is_damaged_the_reasons_are_told(root: Path) -> None:
    tracks = find_tracks(root, split="train")
    for track in tracks:
        (track.recording.path / "drums.wav").write_bytes(b"gone")
    with pytest.raises(DataError, match=r"none of the 2 tracks .* is left: .*Bob.*; .*Ann"):
        _sampler(tracks, seed=5).batch(1)


def test_no_track_is_refused() -> None:
    with pytest.raises(DataError, match="no track to train on"):
        _sampler([])


def test_a_grid_wider_than_its_segments_stays_inside_its_tracks() -> None:
    counting = Counting()
    track = Track("A - B", "toy", "train", counting)
    sampler = SegmentSampler(
        [track],
        sources=STEMS,
        segment_samples=SEGMENT,
        batch_size=2,
        seed=0,
        grid=Grid(3 * SEGMENT),
    )
    assert sampler.batch(1).left_out == ()
    assert sampler.batch(1).mixture.shape == (2, 2, SEGMENT)
