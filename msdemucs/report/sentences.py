"""Sentences in which trials' names are links."""

from dataclasses import dataclass

from msdemucs.analysis.measure import measure_of
from msdemucs.analysis.trades import TradePoint
from msdemucs.units import count


@dataclass(frozen=True)
class Part:
    """A stretch of a sentence; with a trial's number it is that trial's name."""

    text: str
    trial: int | None = None


Sentence = tuple[Part, ...]


def text_of(sentence: Sentence) -> str:
    """The sentence without its links."""
    return "".join(part.text for part in sentence)


def say(*parts: str | Part | TradePoint) -> Sentence:
    """A sentence of texts and trials."""
    return tuple(map(_part, parts))


def _part(part: str | Part | TradePoint) -> Part:
    if isinstance(part, Part):
        return part
    return Part(part) if isinstance(part, str) else Part(part.name, part.trial)


def tracks_text(split: str, n: int) -> str:
    """So many of the tracks that a study selected by: "3 validation tracks"."""
    return count(n, f"{split} track")


def limits_text(point: TradePoint) -> str:
    """The constraints that a point exceeds, by their headers: "MACs/s, Parameters"."""
    return ", ".join(measure_of(column).header for column in point.beyond)
