"""Under what name is a score told? Metrics, and how the estimates that they judge are made."""

from dataclasses import dataclass
from typing import Literal

Metric = Literal["usdr", "sisdr", "chunked", "bsseval"]
Engine = Literal["msdemucs", "museval"]

BSS = ("sdr_bsseval_db", "isr_bsseval_db", "sir_bsseval_db", "sar_bsseval_db")

COLUMNS: dict[str, tuple[str, ...]] = {
    "usdr": ("usdr_db",),
    "sisdr": ("si_sdr_db",),
    "chunked": ("chunk_sdr_db",),
    "bsseval": BSS,
}
"""The columns of a metric: of a whole track, or the median over its frames."""

FRAMES = ("chunk_sdr_db", *BSS)
"""Columns that the table of frames has too."""


@dataclass(frozen=True)
class Convention:
    """How estimates are made and scored; scores under unlike conventions are not compared.

    Attributes:
        metrics: which scores.
        chunk: seconds of a chunk of "chunked".
        window: seconds of a frame of "bsseval"; hops are as long.
        engine: who computes "bsseval": ours, or museval itself.
        segment: seconds of a chunk that the model is given.
        overlap: share of it that the next one repeats.
        weighting: how chunks are joined.
        shifts: how often all is separated.
        normalised: whether each track was brought to zero mean and unit deviation first.
    """

    metrics: tuple[Metric, ...] = ("usdr",)
    chunk: float = 1.0
    window: float = 1.0
    engine: Engine = "msdemucs"
    segment: float = 0.0
    overlap: float = 0.25
    weighting: Literal["triangle", "fade"] = "triangle"
    shifts: int = 1
    normalised: bool = False
