"""Batches: the same for the same seed and step, sums of their stems, read piece by piece."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from msdemucs.data import Augmentation, SegmentSampler, Track, drop_short, find_tracks
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


def test_no_track_is_refused() -> None:
    with pytest.raises(DataError, match="no track to train on"):
        _sampler([])
