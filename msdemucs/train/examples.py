"""What of a collection is a training given: tracks, and batches of segments?"""

from collections.abc import Sequence

from msdemucs.data import Augmentation, Grid, SegmentSampler, Track
from msdemucs.errors import DataError
from msdemucs.spec import Spec
from msdemucs.train.recipe import Recipe, Validation


def hold_out(
    tracks: Sequence[Track], validation: Validation | None, *, where: str
) -> tuple[tuple[Track, ...], tuple[Track, ...]]:
    """Return the tracks to train on and those held out, the last in their order.

    Args:
        tracks: all that can be used.
        validation: how many; None holds none out.
        where: they come from, for the error.

    Raises:
        DataError: none would be left to train on.
    """
    n_held = validation.n_tracks(len(tracks)) if validation else 0
    if len(tracks) <= n_held:
        held_out = f", {n_held} of which would be held out for validation" if n_held else ""
        raise DataError(f"{len(tracks)} training tracks can be used under {where}{held_out}")
    n_kept = len(tracks) - n_held
    return tuple(tracks[:n_kept]), tuple(tracks[n_kept:])


def sampler(
    recipe: Recipe, spec: Spec, tracks: Sequence[Track], *, seed: int, normalised: bool
) -> SegmentSampler:
    """Where the batches of a training come from.

    Args:
        recipe: its sizes, and what it does to examples.
        spec: its sources and sample rate.
        tracks: to train on.
        seed: of the examples.
        normalised: whether tracks are, for the recipe or for the weights that it begins with.

    Raises:
        DataError: no track, or one that is shorter than a segment.
    """
    gain = (recipe.gain.low, recipe.gain.high) if recipe.gain else None
    read, heard, stride = (
        round((seconds or 0) * spec.sample_rate)
        for seconds in (recipe.segment, recipe.model_segment, recipe.grid)
    )
    return SegmentSampler(
        tracks,
        sources=spec.sources,
        segment_samples=read,
        batch_size=recipe.batch_size,
        seed=seed,
        augmentation=Augmentation(read - heard, recipe.flip, gain, recipe.remix),
        normalised=normalised,
        joint=recipe.joint,
        grid=Grid(max(1, stride), recipe.steps_per_epoch) if recipe.grid else None,
    )
