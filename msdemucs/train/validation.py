"""How does a model do on held-out tracks while it is trained?"""

from collections.abc import Iterator, Sequence
from operator import attrgetter

import pandas as pd
import torch
from torch import nn

from msdemucs.data import Track, statistics
from msdemucs.data.find import OnError
from msdemucs.errors import DataError, DivergedError
from msdemucs.evaluate import Chunking, Score, evaluate_tracks, separate_mixture
from msdemucs.evaluate.conventions import Convention
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
        DivergedError: an estimate, or the loss, that is not finite.
    """
    assert isinstance(model, Separator)
    assert recipe.validation is not None
    if recipe.validation.metric == "loss":
        losses = [*_losses(model, tracks, recipe, normalised=normalised, on_error=on_error)]
        return sum(losses) / len(losses) if losses else float("nan")
    convention = Convention(normalised=normalised)
    scored = evaluate_tracks(model, tracks, convention, on_error=on_error)
    scores = [score for of_track in map(attrgetter("scores"), scored) for score in of_track]
    frame = pd.DataFrame(scores, columns=list(Score._fields)).assign(seed=0)
    return Quality(METRICS[USUAL]).of(frame)


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
        DivergedError: one that is not finite.
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
        DivergedError: it is not finite.

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
        raise DivergedError(
            f"the validation loss of “{track.name}” is {total}; the model's weights diverged"
        )
    return total
