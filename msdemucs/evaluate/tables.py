"""How well does a model separate whole tracks? One row a track, source and metric."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from msdemucs.data.tracks import Track
from msdemucs.errors import DataError, MsdemucsError
from msdemucs.evaluate.overlap_add import Chunking
from msdemucs.evaluate.separation import separate_mixture
from msdemucs.measure.inference import wait_for
from msdemucs.metrics import METRICS, USUAL, Metric, Stems
from msdemucs.model import Separator


@dataclass(frozen=True)
class Score:
    """One source of one track by one metric.

    Attributes:
        group: the data set that the track belongs to.
        track: its name.
        source: what was estimated.
        metric: its name.
        value: NaN where the metric has none, of a silent reference for one.
        floor: of the mixture taken as the estimate: what doing nothing scores; NaN likewise, and
            None where it was not asked for.
        seconds: how long separating the track (all its sources at once) took.
    """

    group: str
    track: str
    source: str
    metric: str
    value: float
    floor: float | None
    seconds: float


def score_frame(scores: Iterable[Score], *, seed: int = 0) -> pd.DataFrame:
    """Return scores of one training as the long frame that a `Quality` is made of."""
    rows = [(seed, s.group, s.track, s.source, s.metric, s.value) for s in scores]
    return pd.DataFrame(rows, columns=["seed", "group", "track", "source", "metric", "value"])


OnTrack = Callable[[Track, list[Score]], None]

OnError = Callable[[DataError], None]


def evaluate_tracks(  # noqa: PLR0913 (one a thing that a caller may decide)
    model: Separator,
    tracks: Iterable[Track],
    *,
    metrics: Sequence[Metric] = (METRICS[USUAL],),
    floors: bool = False,
    chunking: Chunking | None = None,
    normalised: bool = False,
    on_track: OnTrack | None = None,
    on_error: OnError | None = None,
) -> list[Score]:
    """The scores of every track, every source of the model's spec and every metric, in that order.

    Tracks are held one at a time; chunks are as long as the spec's segment.

    Args:
        model: used in evaluation mode; its modes are restored.
        tracks: of the spec's sample rate and channels, with its sources.
        metrics: by what; frames of metrics that have some are of 1 s.
        floors: whether the mixture is scored as an estimate, too.
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
            stems, seconds = _separated(model, track, chunking, normalised=normalised)
        except DataError as error:
            if on_error is None:
                raise
            on_error(error)
            continue
        of_track = _scores(stems, track, metrics, seconds=seconds, floors=floors)
        scores += of_track
        if on_track is not None:
            on_track(track, of_track)
    return scores


def _separated(
    model: Separator, track: Track, chunking: Chunking, *, normalised: bool
) -> tuple[Stems, float]:
    """A track with its estimates, and the seconds that separating it took.

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
    for source, estimate in zip(spec.sources, estimates, strict=True):
        if not bool(estimate.isfinite().all()):
            raise MsdemucsError(
                f"the estimate of “{source}” of “{track.name}” is not finite; the model's weights "
                "diverged"
            )
    references = track.read_sources(spec.sources)
    stems = Stems(spec.sources, references, estimates.numpy(), mixture, spec.sample_rate)
    return stems, seconds


def _scores(
    stems: Stems, track: Track, metrics: Sequence[Metric], *, seconds: float, floors: bool
) -> list[Score]:
    """The scores of one track, a row a source and metric."""
    values = [metric.of(stems) for metric in metrics]
    undone = stems.with_mixture() if floors else None
    lowest = [metric.of(undone) if undone else [None] * len(stems.sources) for metric in metrics]
    return [
        Score(
            group=track.group,
            track=track.name,
            source=source,
            metric=metric.name,
            value=of_metric[index].value,
            floor=None if (floor := of_mixture[index]) is None else floor.value,
            seconds=seconds,
        )
        for index, source in enumerate(stems.sources)
        for metric, of_metric, of_mixture in zip(metrics, values, lowest, strict=True)
    ]
