"""Under what name is a score told? Metrics, and how the estimates that they judge are made."""

from dataclasses import dataclass
from typing import Literal

from msdemucs.metrics import USUAL, Engine, metrics_named


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
