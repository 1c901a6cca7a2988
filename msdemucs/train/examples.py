"""What of its tracks is a training given: batches of segments."""

from collections.abc import Sequence

from msdemucs.data import Augmentation, Grid, SegmentSampler, Track
from msdemucs.spec import Spec
from msdemucs.train.recipe import Recipe


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
