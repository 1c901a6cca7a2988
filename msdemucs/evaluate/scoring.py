"""Tracks separated and scored under a convention: the one way in which anything is evaluated."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from msdemucs.data.tracks import OnError, Track
from msdemucs.errors import DataError, DivergedError
from msdemucs.evaluate.separation import LESS_MEMORY, chunking_for, separate_mixture
from msdemucs.measure.inference import device_of, memory_explained, wait_for
from msdemucs.metrics import METRICS, USUAL, Engine, Stems, TrackScore, metrics_named
from msdemucs.metrics.quality import Lack
from msdemucs.model import Separator


@dataclass(frozen=True)
class Convention:
    """How estimates are made and scored; scores under unlike conventions are not compared.

    Attributes:
        metrics: which scores; short names of several are spelt out.
        chunk: seconds of a frame of chunk SDR.
        window: seconds of a frame of cSDR and BSSEval; hops are as long.
        engine: computes BSSEval: ours, or museval itself.
        segment: seconds of a chunk that the model is given.
        overlap: share of it that the next one repeats.
        weighting: how chunks are joined.
        shifts: how often all is separated.
        normalised: whether each track was brought to zero mean and unit deviation first.
    """

    metrics: tuple[str, ...] = (USUAL,)
    chunk: float = 1.0
    window: float = 1.0
    engine: Engine = "msdemucs"
    segment: float = 0.0
    overlap: float = 0.25
    weighting: Literal["triangle", "fade"] = "triangle"
    shifts: int = 1
    normalised: bool = False

    def __post_init__(self) -> None:
        """Spell out short names of metrics, each metric once.

        Raises:
            UsageError: an unknown metric.
        """
        names = [metric for name in self.metrics for metric in metrics_named(name)]
        object.__setattr__(self, "metrics", tuple(dict.fromkeys(names)))


class Separated(NamedTuple):
    """A track with its estimates.

    Attributes:
        mixture: as its file has it.
        sources: the model's.
        references: of the sources.
        estimates: likewise.
        seconds: that separating it took.
    """

    track: Track
    mixture: Float[Tensor, "A N"]
    sources: tuple[str, ...]
    references: Float[Tensor, "S A N"]
    estimates: Float[Tensor, "S A N"]
    seconds: float


class Score(NamedTuple):
    """One source of one track by one metric: a row of a long frame.

    Attributes:
        group: the data set that the track belongs to.
        track: its name.
        source: what was estimated.
        metric: its name.
        value: NaN where the metric has none, of a silent reference for one.
        floor: of the mixture taken as the estimate: what doing nothing scores; NaN likewise, and
            None where it was not asked for.
        reason: why the value is NaN; "" where it is not.
    """

    group: str
    track: str
    source: str
    metric: str
    value: float
    floor: float | None
    reason: str

    @property
    def lack(self) -> Lack:
        """Whose score is lacking, and why."""
        return Lack(self.group, self.track, self.source, self.metric, self.reason)


@dataclass(frozen=True)
class ScoredTrack:
    """A track that was evaluated.

    Attributes:
        separated: it and its estimates.
        scores: of every source by every metric, in that order.
        frames: a row a source and frame, where a metric has frames; see `Evaluation.frames`.
    """

    separated: Separated
    scores: tuple[Score, ...]
    frames: tuple[Mapping[str, object], ...]


def evaluate_tracks(  # noqa: PLR0913 (one a thing that a caller may decide)
    model: Separator,
    tracks: Iterable[Track],
    convention: Convention | None = None,
    *,
    batch_size: int = 4,
    floors: bool = False,
    on_error: OnError | None = None,
    memory_is_error: bool = False,
) -> Iterator[ScoredTrack]:
    """Separate and score tracks, each when it is asked for; one is held at a time.

    Args:
        model: used in evaluation mode; its modes are restored.
        tracks: of the spec's sample rate and channels, with its sources.
        convention: None scores uSDR over chunks of the spec's segment.
        batch_size: chunks at a time, which changes scores by rounding alone.
        floors: whether the mixture is scored as an estimate, too.
        on_error: is told of each track that cannot be read, which is then left out; None raises.
        memory_is_error: whether a track that memory does not hold is such a track; else the
            allocator's own error passes.

    Raises:
        DataError: a track that cannot be read, without on_error.
        DivergedError: an estimate that is not finite, whose mean over tracks would say nothing.
        UsageError: an argument outside its range.
    """
    convention = convention or Convention()
    for track in tracks:
        large = partial(DataError, path=track.recording.path, track=track.name)
        explained = memory_explained(LESS_MEMORY, large) if memory_is_error else nullcontext()
        try:
            with explained:
                scored = _scored(
                    _separated(model, track, convention, batch_size), convention, floors
                )
        except DataError as error:
            if on_error is None:
                raise
            error.group = error.group or track.group
            on_error(error)
            continue
        yield scored
        del scored  # before the next one is held


def _separated(
    model: Separator, track: Track, convention: Convention, batch_size: int
) -> Separated:
    """A track with its estimates, made as the convention says.

    Raises:
        DataError: a file at fault.
        DivergedError: an estimate that is not finite.
    """
    spec = model.spec
    mixture = torch.from_numpy(track.read_mixture())
    references = torch.from_numpy(track.read_sources(spec.sources))
    chunking = chunking_for(
        spec,
        convention.segment or None,
        overlap=convention.overlap,
        batch_size=batch_size,
        weighting=convention.weighting,
        shifts=convention.shifts,
    )
    start = perf_counter()
    estimates = separate_mixture(
        model, mixture, normalised=convention.normalised, chunking=chunking
    )
    wait_for(device_of(model))
    seconds = perf_counter() - start
    for source, estimate in zip(spec.sources, estimates, strict=True):
        if not bool(estimate.isfinite().all()):
            raise DivergedError(
                f"the estimate of “{source}” of “{track.name}” is not finite; the model's weights "
                "diverged"
            )
    return Separated(track, mixture, spec.sources, references, estimates, seconds)


def _scored(separated: Separated, convention: Convention, floors: bool) -> ScoredTrack:
    """The scores of a track with its estimates."""
    stems = Stems(
        separated.sources,
        separated.references.numpy(),
        separated.estimates.numpy(),
        separated.mixture.numpy(),
        sample_rate=separated.track.sample_rate,
        chunk=convention.chunk,
        window=convention.window,
        engine=convention.engine,
    )
    scores = {name: METRICS[name].of(stems) for name in convention.metrics}
    undone = stems.with_mixture() if floors else None
    lowest = {name: METRICS[name].of(undone) for name in convention.metrics if undone}
    track = separated.track
    rows = [
        Score(
            group=track.group,
            track=track.name,
            source=source,
            metric=name,
            value=by_source[index].value,
            floor=lowest[name][index].value if floors else None,
            reason=by_source[index].reason,
        )
        for index, source in enumerate(separated.sources)
        for name, by_source in scores.items()
    ]
    frames = [
        {"group": track.group, "track": track.name, "source": source, **row}
        for index, source in enumerate(separated.sources)
        for row in _frame_rows(
            {name: by_source[index] for name, by_source in scores.items()}, convention
        )
    ]
    return ScoredTrack(separated, tuple(rows), tuple(frames))


def _frame_rows(
    scores: Mapping[str, TrackScore], convention: Convention
) -> Iterator[dict[str, object]]:
    """A row a frame of a source: the scores of all metrics that have the same frames."""
    for kind, metric, seconds in (
        ("chunk", "chunked", convention.chunk),
        ("window", "bsseval", convention.window),
    ):
        values = {
            name: score.frames.tolist()
            for name, score in scores.items()
            if METRICS[name].frames == kind and score.frames is not None
        }
        for frame, row in enumerate(zip(*values.values(), strict=True)):
            begins = {"metric": metric, "frame": frame, "start": frame * seconds}
            yield {**begins, **dict(zip(values, row, strict=True))}
