"""How near estimates are to their references: metrics, and the qualities made of their scores.

Importing this loads neither torch nor pandas.
"""

from msdemucs.metrics.quality import Quality
from msdemucs.metrics.registry import (
    METRICS,
    USUAL,
    Metric,
    TrackScore,
    metrics_named,
)
from msdemucs.metrics.stems import Engine, Stems
from msdemucs.units import Direction

__all__ = [
    "METRICS",
    "USUAL",
    "Direction",
    "Engine",
    "Metric",
    "Quality",
    "Stems",
    "TrackScore",
    "metrics_named",
]
