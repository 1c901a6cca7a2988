"""How well does a model separate whole tracks? One row a track and source."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from msdemucs.data.tracks import Track
from msdemucs.errors import DataError, MsdemucsError
from msdemucs.evaluate.overlap_add import Chunking
from msdemucs.evaluate.separation import separate_mixture
from msdemucs.measure.inference import wait_for
from msdemucs.metrics import METRICS, Stems
from msdemucs.model import Separator


@dataclass(frozen=True)
class Score:
    """One source of one track.

    Attributes:
        group: the data set that the track belongs to.
        track: its name.
        source: what was estimated.
        usdr_db: None where the reference is silent.
        input_usdr_db: of the mixture taken as the estimate: what doing nothing scores; None
            likewise.
        seconds: how long separating the track (all its sources at once) took.
    """

    group: str
    track: str
    source: str
    usdr_db: float | None
    input_usdr_db: float | None
    seconds: float


OnTrack = Callable[[Track, list[Score]], None]

OnError = Callable[[DataError], None]


def evaluate_tracks(
    model: Separator,
    tracks: Iterable[Track],
    *,
    chunking: Chunking | None = None,
    normalised: bool = False,
    on_track: OnTrack | None = None,
    on_error: OnError | None = None,
) -> list[Score]:
    """The scores of every track and every source of the model's spec, in that order.

    Tracks are held one at a time, references one source at a time; chunks are as long as the
    spec's segment.

    Args:
        model: used in evaluation mode; its modes are restored.
        tracks: of the spec's sample rate and channels, with its sources.
        chunking: None takes chunks of the spec's segment, four at a time.
        normalised: as for `separate_mixture`.
        on_track: is told of each track that is done, with its scores.
        on_error: is told of each track that cannot be read, which is then left out; None raises.

    Raises:
        DataError: a track that cannot be read, without on_error.
        MsdemucsError: an estimate that is not finite.
        UsageError: an argument outside its range.
    """
    scores: list[Score] = []
    chunking = chunking or Chunking(model.spec.n_samples)
    for track in tracks:
        try:
            own = _score(model, track, chunking, normalised=normalised)
        except DataError as error:
            if on_error is None:
                raise
            on_error(error)
            continue
        scores += own
        if on_track is not None:
            on_track(track, own)
    return scores


def _score(model: Separator, track: Track, chunking: Chunking, *, normalised: bool) -> list[Score]:
    """The scores of one track, a row a source.

    Raises:
        DataError: the track cannot be read.
        MsdemucsError: an estimate that is not finite.
    """
    spec = model.spec
    mixture = track.read_mixture()
    start = time.perf_counter()
    estimates = separate_mixture(
        model, torch.from_numpy(mixture), normalised=normalised, chunking=chunking
    )
    wait_for(estimates.device)
    seconds = time.perf_counter() - start
    scores = []
    for source, estimate in zip(spec.sources, estimates, strict=True):
        if not bool(estimate.isfinite().all()):
            raise MsdemucsError(
                f"the estimate of “{source}” of “{track.name}” is not finite; the model's weights "
                "diverged"
            )
        stems = Stems((source,), track.read_sources([source]), estimate.numpy()[None], mixture)
        scores.append(
            Score(
                group=track.group,
                track=track.name,
                source=source,
                usdr_db=_usdr_db(stems),
                input_usdr_db=_usdr_db(stems.with_mixture()),
                seconds=seconds,
            )
        )
    return scores


def _usdr_db(stems: Stems) -> float | None:
    """The uSDR of a lone source; None where its reference is silent."""
    (score,) = METRICS["usdr_db"].of(stems)
    return None if score.reason else score.value
