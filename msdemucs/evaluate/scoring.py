"""One track separated and scored: a row a source, and a row a frame of each metric."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from msdemucs.data.tracks import Track
from msdemucs.errors import MsdemucsError, UsageError
from msdemucs.evaluate.bss_eval import BssEval, bsseval
from msdemucs.evaluate.conventions import BSS, Convention
from msdemucs.evaluate.overlap_add import Chunking
from msdemucs.evaluate.sdr import chunk_sdrs_db, si_sdr_db, usdr_db
from msdemucs.evaluate.separation import separate_mixture
from msdemucs.measure.inference import device_of, wait_for
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
    bss = _bsseval(found, convention, say) if "bsseval" in convention.metrics else None
    rows: list[dict[str, object]] = []
    frames: list[dict[str, object]] = []
    for index, source in enumerate(sources):
        reference, estimate = found.references[index], found.estimates[index]
        row: dict[str, object] = {"group": track.group, "track": track.name, "source": source}
        if "usdr" in convention.metrics:
            row["usdr_db"] = _number(usdr_db(reference, estimate))
        if "sisdr" in convention.metrics:
            row["si_sdr_db"] = _number(si_sdr_db(reference, estimate))
        where = dict(row)
        if "chunked" in convention.metrics:
            size = max(1, round(convention.chunk * track.sample_rate))
            chunks = chunk_sdrs_db(reference, estimate, chunk_samples=size)
            values = {"chunk_sdr_db": [_number(value) for value in chunks]}
            row |= _medians(values)
            frames += _frame_rows(where, "chunked", convention.chunk, values)
        if bss is not None:
            values = {name: one[index].tolist() for name, one in zip(BSS, bss, strict=True)}
            row |= _medians(values)
            frames += _frame_rows(where, "bsseval", convention.window, values)
        rows.append({**row, "seconds": found.seconds})
    return rows, frames


def _frame_rows(
    row: dict[str, object], metric: str, seconds: float, values: dict[str, list[float]]
) -> Iterator[dict[str, object]]:
    """A row a frame of a metric."""
    where = {key: row[key] for key in ("group", "track", "source")}
    for frame, scores in enumerate(zip(*values.values(), strict=True)):
        begins = {"metric": metric, "frame": frame, "start": frame * seconds}
        yield {**where, **begins, **dict(zip(values, scores, strict=True))}


def _medians(values: dict[str, list[float]]) -> dict[str, float]:
    return {name: _median(own) for name, own in values.items()}


def _bsseval(found: Separated, convention: Convention, say: Callable[[str], None]) -> BssEval:
    """The frames' scores; NaN for a track with a stem that is silent throughout, as in museval."""
    window = max(1, round(convention.window * found.track.sample_rate))
    references, estimates = (
        one.transpose(1, 2).numpy() for one in (found.references, found.estimates)
    )
    try:
        if convention.engine == "msdemucs":
            return bsseval(references, estimates, window=window, hop=window)
        from museval.metrics import bss_eval

        with np.errstate(all="ignore"):
            return BssEval(*bss_eval(references, estimates, window=window, hop=window)[:4])
    except (UsageError, ValueError) as error:
        say(f"“{found.track.name}” has no BSSEval scores: {error}")
        nothing = np.full((len(references), 1), np.nan)
        return BssEval(nothing, nothing, nothing, nothing)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _median(values: Sequence[float]) -> float:
    """Museval's median over frames: without what is NaN or infinite."""
    finite = [value for value in values if math.isfinite(value)]
    return float(np.median(finite)) if finite else math.nan
