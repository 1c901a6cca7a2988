"""Do augmentations do what they say, and are batches that are read ahead the same?"""

from pathlib import Path

import numpy as np
import pytest
import torch

from msdemucs.data import Augmentation, Prefetch, SegmentSampler, find_tracks
from msdemucs.data.tracks import STEMS
from msdemucs.errors import DataError

STEREO = np.random.default_rng(0).standard_normal((4, 3, 2, 50)).astype(np.float32)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_nothing_is_done_unless_asked() -> None:
    np.testing.assert_array_equal(Augmentation().apply(STEREO, rng()), STEREO)


def test_gains_are_one_a_stem_within_the_range() -> None:
    gains = Augmentation(gain=(0.25, 1.25)).apply(STEREO, rng()) / STEREO
    each = gains[:, :, :1, :1]
    np.testing.assert_allclose(gains, np.broadcast_to(each, gains.shape), rtol=1e-5)
    assert each.min() >= 0.25 - 1e-6
    assert each.max() <= 1.25 + 1e-6
    assert len(np.unique(each.round(5))) == 12


def test_remix_deals_each_stem_to_every_example_once() -> None:
    dealt = Augmentation(remix=True).apply(STEREO, rng())
    orders = []
    for stem in range(3):
        order = [
            next(old for old in range(4) if np.array_equal(STEREO[old, stem], dealt[new, stem]))
            for new in range(4)
        ]
        assert sorted(order) == [0, 1, 2, 3]
        orders.append(order)
    assert orders[0] != orders[1]  # stems come from several tracks


def test_a_shift_cuts_each_stem_somewhere_else() -> None:
    cut = Augmentation(shift=10).apply(STEREO, rng())
    assert cut.shape == (4, 3, 2, 40)
    starts = [
        next(n for n in range(11) if np.array_equal(STEREO[item, stem, :, n : n + 40], found))
        for item, stems in enumerate(cut)
        for stem, found in enumerate(stems)
    ]
    assert len(set(starts)) > 3


def test_stems_of_one_group_are_changed_alike_and_others_apart() -> None:
    twins = np.repeat(STEREO[:, :1], 3, axis=1)
    every = Augmentation(shift=10, flip=True, gain=(0.5, 2.0), remix=True)
    found = every.apply(twins, rng(), [0, 1, 0])
    np.testing.assert_array_equal(found[:, 0], found[:, 2])
    assert all(not np.array_equal(found[item, 0], found[item, 1]) for item in range(4))


@pytest.fixture
def sampler(root: Path) -> SegmentSampler:
    return SegmentSampler(
        find_tracks(root, split="train"),
        sources=STEMS,
        segment_samples=500,
        batch_size=4,
        seed=0,
        augmentation=Augmentation(flip=True, gain=(0.5, 2.0), remix=True),
    )


def test_a_mixture_is_the_sum_of_its_references_whatever_was_done(sampler: SegmentSampler) -> None:
    batch = sampler.batch(3)
    torch.testing.assert_close(batch.references.sum(1), batch.mixture)


def test_batches_read_ahead_are_the_same(sampler: SegmentSampler) -> None:
    ahead = Prefetch(sampler, ahead=3, last=6)
    for step in (1, 2, 5, 6, 3):  # a run that resumes jumps
        assert torch.equal(ahead.batch(step).mixture, sampler.batch(step).mixture)
    ahead.close()


def test_a_fault_in_reading_ahead_comes_when_its_step_is_asked_for(
    sampler: SegmentSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = sampler.batch

    def spoilt(step: int) -> object:
        if step == 3:
            raise DataError("is gone")
        return read(step)

    monkeypatch.setattr(sampler, "batch", spoilt)
    ahead = Prefetch(sampler, ahead=2, last=5)
    ahead.batch(1)
    ahead.batch(2)
    with pytest.raises(DataError, match="is gone"):
        ahead.batch(3)
    ahead.close()
