"""One track separated and scored: a row a source, and a row a frame of each metric."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from msdemucs.data.tracks import Track
from msdemucs.errors import MsdemucsError
from msdemucs.evaluate.conventions import Convention
from msdemucs.evaluate.overlap_add import Chunking
from msdemucs.evaluate.separation import separate_mixture
from msdemucs.measure.inference import device_of, wait_for
from msdemucs.metrics import METRICS, Stems, TrackScore
from msdemucs.model import Separator


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


def separated(model: Separator, track: Track, convention: Convention, batch_size: int) -> Separated:
    """A track with its estimates, made as the convention says.

    Raises:
        DataError: a file at fault.
    """
    spec = model.spec
    mixture = torch.from_numpy(track.read_mixture())
    references = torch.from_numpy(track.read_sources(spec.sources))
    n_samples = round((convention.segment or spec.segment) * spec.sample_rate)
    chunking = Chunking(
        n_samples,
        convention.overlap,
        batch_size,
        convention.weighting,
        shifts=convention.shifts,
        most_shift=spec.sample_rate // 2,
    )
    start = time.perf_counter()
    estimates = separate_mixture(
        model, mixture, normalised=convention.normalised, chunking=chunking
    )
    wait_for(device_of(model))
    seconds = time.perf_counter() - start
    return Separated(track, mixture, spec.sources, references, estimates, seconds)


def scored(
    found: Separated, convention: Convention, say: Callable[[str], None]
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """The rows of a track, and those of its frames.

    Raises:
        MsdemucsError: an estimate that is not finite, whose mean over tracks would say nothing.
    """
    track, sources = found.track, found.sources
    for source, estimate in zip(sources, found.estimates, strict=True):
        if not bool(estimate.isfinite().all()):
            raise MsdemucsError(
                f"the estimate of “{source}” of “{track.name}” is not finite; the model's weights "
                "diverged"
            )
    stems = stems_of(found, convention)
    scores = {name: METRICS[name].of(stems) for name in convention.metrics}
    where = [{"group": track.group, "track": track.name, "source": source} for source in sources]
    for source, reason, labels in _unscored(sources, scores):
        say(f"“{track.name}” has no {', '.join(labels)} of “{source}”: {reason}")
    rows: list[dict[str, object]] = [
        {
            **keys,
            **{name: by_source[index].value for name, by_source in scores.items()},
            "seconds": found.seconds,
        }
        for index, keys in enumerate(where)
    ]
    frames: list[dict[str, object]] = []
    for index, keys in enumerate(where):
        of_source = {name: by_source[index] for name, by_source in scores.items()}
        frames += [{**keys, **row} for row in _frame_rows(of_source, convention)]
    return rows, frames


def stems_of(found: Separated, convention: Convention) -> Stems:
    """A track with its estimates as metrics read it."""
    return Stems(
        found.sources,
        found.references.numpy(),
        found.estimates.numpy(),
        found.mixture.numpy(),
        sample_rate=found.track.sample_rate,
        chunk=convention.chunk,
        window=convention.window,
        engine=convention.engine,
    )


def _unscored(
    sources: Sequence[str], scores: Mapping[str, Sequence[TrackScore]]
) -> list[tuple[str, str, list[str]]]:
    """Sources without a score: whose, why, and the labels of the metrics."""
    labels: dict[tuple[str, str], list[str]] = {}
    for name, by_source in scores.items():
        for source, score in zip(sources, by_source, strict=True):
            if score.reason:
                labels.setdefault((source, score.reason), []).append(METRICS[name].label)
    return [(*key, names) for key, names in labels.items()]


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
