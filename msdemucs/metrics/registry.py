"""Every metric once: what it is called, what is better, what it computes, and how it is joined.

A new metric is one function of a track's stems and one row of METRICS.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from msdemucs.errors import UsageError, nearest
from msdemucs.metrics import scores
from msdemucs.metrics.stems import FrameKind, Stems
from msdemucs.units import Direction

Join = Literal["mean", "median"]

USUAL = "usdr_db"
"""The metric that every evaluation computes, and that is optimised where nobody names another."""

Need = Callable[[Stems], Sequence[str]]
"""Says for each source why it has no score; "" where nothing is lacking."""


class TrackScore(NamedTuple):
    """One metric of one source of one track.

    Attributes:
        value: of the whole track; NaN where there is none.
        frames: of each frame, for a metric that has frames; else None.
        reason: why the value is NaN; "" where it is not.
    """

    value: float
    frames: Float[np.ndarray, " W"] | None
    reason: str


@dataclass(frozen=True)
class Metric:
    """One way to say how near estimates are to their references.

    Attributes:
        name: of its column, with its unit.
        label: in a sentence or over a table.
        score: a number a source, or a number a source and frame. The first line of its docstring
            is the formula, a paragraph "Source: …" says where it is defined.
        convention: how the number is made, in words.
        needs: what a track must have for a source to have a score.
        frames: the frames whose median is a track's value; None for a metric of whole tracks.
        tracks: how the tracks of a source are joined; sources are always joined by their mean.
        direction: what is better.
        silence: the value of silence as every estimate, NaN where it has none; None where it
            depends on the track.
        mixture: likewise, of the mixture as every estimate, where sources add up to it.
        unit: of values.
    """

    name: str
    label: str
    score: Callable[[Stems], np.ndarray]
    convention: str
    needs: tuple[Need, ...] = ()
    frames: FrameKind | None = None
    tracks: Join = "mean"
    direction: Direction = "maximize"
    silence: float | None = None
    mixture: float | None = None
    unit: str = "dB"

    @property
    def formula(self) -> str:
        """What it computes, in one line."""
        return _paragraphs(self.score)[0].rstrip(".")

    @property
    def source(self) -> str:
        """Where it is defined."""
        named = [text for text in _paragraphs(self.score) if text.startswith("Source: ")]
        return " ".join(text.removeprefix("Source: ").rstrip(".") for text in named)

    @property
    def joined(self) -> str:
        """How frames, tracks and sources become one number, in words."""
        frames = "median over frames, " if self.frames else ""
        return f"{frames}{self.tracks} over tracks, mean over sources"

    def of(self, stems: Stems) -> tuple[TrackScore, ...]:
        """Score every source of a track; one that lacks what the metric needs has its reason."""
        lacking = [stems.once(need) for need in (finite, *self.needs)]
        reasons = [next(filter(None, of_source), "") for of_source in zip(*lacking, strict=True)]
        n_frames = len(tuple(stems.frames(self.frames))) if self.frames else 1
        values = np.full((len(stems.sources), n_frames), np.nan)
        if not all(reasons):
            with np.errstate(all="ignore"):
                values = np.asarray(self.score(stems), dtype=np.float64).reshape(values.shape)
        return tuple(
            self._track_score(np.full_like(row, np.nan) if reason else row, reason)
            for row, reason in zip(values, reasons, strict=True)
        )

    def _track_score(self, values: Float[np.ndarray, " W"], reason: str) -> TrackScore:
        """The score of a source; the median over frames leaves out what museval's does."""
        if self.frames is None:
            value = float(values[0])
            return TrackScore(value, None, reason or ("" if value == value else "it is undefined"))
        known = values[np.isfinite(values)]
        if len(known):
            return TrackScore(float(np.median(known)), values, reason)
        return TrackScore(np.nan, values, reason or "no frame has a finite score")

    def describe(self) -> dict[str, Any]:
        """What `msdemucs metrics` shows, as plain data; functions are left out."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        del plain["score"], plain["needs"]
        return {**plain, "joined": self.joined, "formula": self.formula, "source": self.source}


def _paragraphs(function: Callable[..., object]) -> list[str]:
    """The paragraphs of a docstring, lines joined."""
    text = inspect.getdoc(function) or ""
    return [" ".join(part.split()) for part in text.split("\n\n")]


def finite(stems: Stems) -> list[str]:
    """Say which estimates are not finite; a reference that is not leaves no source a score."""
    for source, stem in zip(stems.sources, stems.references, strict=True):
        if not np.isfinite(stem).all():
            return [f"the reference of “{source}” is not finite"] * len(stems.sources)
    return [
        "" if np.isfinite(stem).all() else "its estimate is not finite" for stem in stems.estimates
    ]


def heard_reference(stems: Stems) -> list[str]:
    """Say which references are silent: there is nothing to find in them."""
    return ["" if stem.any() else "its reference is silent" for stem in stems.references]


def other_sources(stems: Stems) -> list[str]:
    """Say that the leakage of sources that are not given cannot be told from artefacts."""
    alone = "" if len(stems.sources) > 1 else "it is the only source"
    return [alone] * len(stems.sources)


def heard_others(stems: Stems) -> list[str]:
    """Say which sources have nobody beside them that could leak."""
    heard = [bool(stem.any()) for stem in stems.references]
    return ["" if sum(heard) > own else "no other reference is heard" for own in heard]


def heard_stems(stems: Stems) -> list[str]:
    """Say which stem has BSSEval refuse the whole track: one silent throughout, or not finite."""
    for kind, waveforms in (("reference", stems.references), ("estimate", stems.estimates)):
        for source, stem, heard in zip(
            stems.sources, waveforms, scores.heard_stems(waveforms), strict=True
        ):
            if not np.isfinite(stem).all():
                return [f"the {kind} of “{source}” is not finite"] * len(stems.sources)
            if not heard:
                return [f"the {kind} of “{source}” is silent throughout"] * len(stems.sources)
    return [""] * len(stems.sources)


_BSSEVAL = (
    "BSSEval v4 by frames of 1 s, filters of the whole track: median over frames, then over "
    "tracks, as museval has it. A frame counts for no stem if any is silent in it"
)
_SCALE_INVARIANT = "whole tracks, channels together, free of gain: an estimate's level is no error"
_SPECTRAL = "whole tracks, magnitudes of spectra alone: phase and small delays are no error"

METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            USUAL,
            "uSDR",
            scores.usdr,
            "utterance SDR of whole tracks, channels together, no filters and no frames, as in the "
            "Music Demixing Challenge",
            needs=(heard_reference,),
            silence=0.0,
        ),
        Metric(
            "csdr_db",
            "cSDR",
            scores.csdr,
            "SDR of frames of 1 s, equal to museval's: median over frames, then over tracks. A "
            "frame counts for no stem if any is silent in it",
            needs=(heard_stems,),
            frames="window",
            tracks="median",
            silence=np.nan,
        ),
        Metric(
            "chunk_sdr_db",
            "chunk SDR",
            scores.chunk_sdr,
            "SDR of chunks: median over chunks, then over tracks. Chunks in which the reference is "
            "silent are left out",
            needs=(heard_reference,),
            frames="chunk",
            tracks="median",
            silence=0.0,
        ),
        Metric(
            "si_sdr_db",
            "SI-SDR",
            scores.si_sdr,
            _SCALE_INVARIANT,
            needs=(heard_reference,),
            silence=-np.inf,
        ),
        Metric(
            "si_sir_db",
            "SI-SIR",
            scores.si_sir,
            f"{_SCALE_INVARIANT}; only what leaks from other sources counts",
            needs=(heard_reference, other_sources, heard_others),
            silence=-np.inf,
        ),
        Metric(
            "si_sar_db",
            "SI-SAR",
            scores.si_sar,
            f"{_SCALE_INVARIANT}; only what comes from no source counts",
            needs=(heard_reference, other_sources),
            silence=-np.inf,
            mixture=np.inf,
        ),
        *(
            Metric(
                f"{kind.lower()}_bsseval_db",
                f"{kind} (BSSEval v4)",
                score,
                _BSSEVAL,
                needs=(heard_stems,),
                frames="window",
                tracks="median",
                silence=np.nan,
                mixture=mixture,
            )
            for kind, score, mixture in (
                ("SDR", scores.sdr_bsseval, None),
                ("ISR", scores.isr_bsseval, None),
                ("SIR", scores.sir_bsseval, None),
                ("SAR", scores.sar_bsseval, np.inf),
            )
        ),
        Metric(
            "lsd_db",
            "log-spectral distance",
            scores.log_spectral_distance,
            f"{_SPECTRAL}; every frame and frequency counts alike, loud or quiet",
            needs=(heard_reference,),
            direction="minimize",
        ),
        Metric(
            "bleedless_db",
            "bleedless",
            scores.bleedless,
            f"{_SPECTRAL}; only what the estimate has too much counts",
            needs=(heard_reference,),
        ),
        Metric(
            "fullness_db",
            "fullness",
            scores.fullness,
            f"{_SPECTRAL}; only what the estimate lacks counts",
            needs=(heard_reference,),
            silence=0.0,
        ),
    )
}
"""By their names."""

ALIASES = {
    "usdr": (USUAL,),
    "sisdr": ("si_sdr_db",),
    "chunked": ("chunk_sdr_db",),
    "bsseval": ("sdr_bsseval_db", "isr_bsseval_db", "sir_bsseval_db", "sar_bsseval_db"),
}
"""Short names of metrics that `evaluate` and `study rescore` take."""


def metrics_named(name: str) -> tuple[str, ...]:
    """The metrics that a name or a short name of several stands for.

    Raises:
        UsageError: an unknown name; the nearest is told.
    """
    if name in METRICS:
        return (name,)
    if name in ALIASES:
        return ALIASES[name]
    raise UsageError(f"there is no metric “{name}”; {nearest(name, [*METRICS, *ALIASES])}")
