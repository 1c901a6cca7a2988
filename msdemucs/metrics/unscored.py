"""Why tracks have no score by a metric: reasons counted, and told in a line each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msdemucs.metrics.registry import METRICS
from msdemucs.units import count

Unscored = Mapping[str, Mapping[str, Mapping[str, int]]]
"""Metric → source → reason → how many tracks."""


class Lack(NamedTuple):
    """A source of a track that a metric gives no score, and why."""

    group: str
    track: str
    source: str
    metric: str
    reason: str


def count_unscored(lacks: Iterable[Lack]) -> dict[str, dict[str, dict[str, int]]]:
    """Returns how many tracks have no score, by metric, source and reason; each counts once."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for lack in dict.fromkeys(lacks):
        of_source = counts.setdefault(lack.metric, {}).setdefault(lack.source, {})
        of_source[lack.reason] = of_source.get(lack.reason, 0) + 1
    return counts


def describe_unscored(counts: Unscored) -> list[str]:
    """Returns lines: "no uSDR of bass, vocals on 2 tracks: its reference is silent"."""
    labels: dict[tuple[str, str, int], list[str]] = {}
    for metric, by_source in counts.items():
        for source, reasons in by_source.items():
            for reason, n_tracks in reasons.items():
                label = METRICS[metric].label if metric in METRICS else metric
                labels.setdefault((source, reason, n_tracks), []).append(label)
    sources: dict[tuple[str, str, int], list[str]] = {}
    for (source, reason, n_tracks), metrics in labels.items():
        sources.setdefault((", ".join(metrics), reason, n_tracks), []).append(source)
    return [
        f"no {metrics} of {', '.join(named)} on {count(n_tracks, 'track')}: {reason}"
        for (metrics, reason, n_tracks), named in sources.items()
    ]


def describe_trials(counts: Mapping[int, Any]) -> dict[str, Sequence[int]]:
    """Returns the lines of `describe_unscored`, each with the trials that it is true of.

    Args:
        counts: of each trial; what is no mapping counts nothing.
    """
    trials: dict[str, list[int]] = {}
    for trial, of_trial in counts.items():
        for line in describe_unscored(of_trial) if isinstance(of_trial, Mapping) else ():
            trials.setdefault(line, []).append(trial)
    return dict(trials)
