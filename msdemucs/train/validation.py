"""How does a model do on held-out tracks while it is trained?"""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from msdemucs.data import Track, statistics
from msdemucs.data.find import OnError
from msdemucs.errors import DataError, MsdemucsError
from msdemucs.evaluate import Chunking, evaluate_tracks, score_frame, separate_mixture
from msdemucs.metrics import METRICS, USUAL, Quality
from msdemucs.model import Separator
from msdemucs.train.losses import Loss
from msdemucs.train.recipe import Recipe


def judge(
    model: nn.Module,
    tracks: Sequence[Track],
    recipe: Recipe,
    *,
    normalised: bool,
    on_error: OnError | None = None,
) -> float:
    """Return what the recipe's validation measures on held-out tracks.

    uSDR is joined as studies join it: the mean over sources of the mean over tracks. The loss is
    the mean over tracks.

    Args:
        model: used in evaluation mode; its modes are restored.
        tracks: held out.
        recipe: its metric and its loss.
        normalised: whether the model is trained on normalised tracks.
        on_error: is told of a track that cannot be read, which is then left out; None raises.

    Returns:
        NaN where no track has a value.

    Raises:
        DataError: a track that cannot be read, without on_error.
        MsdemucsError: an estimate that is not finite.
    """
    assert isinstance(model, Separator)
    assert recipe.validation is not None
    if recipe.validation.metric == "loss":
        losses = [*_losses(model, tracks, recipe, normalised=normalised, on_error=on_error)]
        return sum(losses) / len(losses) if losses else float("nan")
    scores = evaluate_tracks(model, tracks, normalised=normalised, on_error=on_error)
    return Quality(METRICS[USUAL]).of(score_frame(scores))


def _losses(
    model: Separator,
    tracks: Sequence[Track],
    recipe: Recipe,
    *,
    normalised: bool,
    on_error: OnError | None,
) -> Iterator[float]:
    """The loss of each track that can be read.

    Raises:
        DataError: one that cannot, without on_error.
    """
    for track in tracks:
        try:
            yield _loss(model, track, recipe, normalised=normalised)
        except DataError as error:
            if on_error is None:
                raise
            on_error(error)


def _loss(model: Separator, track: Track, recipe: Recipe, *, normalised: bool) -> float:
    """The loss of a whole track, as Demucs's training measures it, but for one thing.

    Chunks are as long as what is trained on and share nothing; a normalised track stays in its
    units. Demucs begins at a random shift; here equal weights have equal losses.

    Raises:
        MsdemucsError: it is not finite.

    Source: shared/systems/base.md, section 7.
    """
    spec = model.spec
    mixture = torch.from_numpy(track.read_mixture())
    mean, deviation = statistics([mixture]) if normalised else (0.0, 1.0)
    mixture = (mixture - mean) / deviation
    chunking = Chunking(round(recipe.model_segment * spec.sample_rate), overlap=0)
    estimates = separate_mixture(model, mixture, normalised=False, chunking=chunking)
    level = float(mixture.square().mean())
    shares = Loss(recipe.loss, spec.sources, recipe.source_weights).weights
    total = 0.0
    for source, share, estimate in zip(spec.sources, shares, estimates, strict=True):
        reference = (torch.from_numpy(track.read_sources([source])) - mean) / deviation
        loss = Loss(recipe.loss, [source])  # one at a time: spectra of a whole track are large
        total += float(share * loss(estimate[None, None], reference[None], level))
    if not torch.isfinite(torch.tensor(total)):
        raise MsdemucsError(
            f"the validation loss of “{track.name}” is {total}; the model's weights diverged"
        )
    return total
