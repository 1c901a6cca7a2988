"""What scores come to: qualities, and what of them is missing or chance.

A quality is what a study can be steered by: a metric, of all sources or one, on all tracks or one
group's.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from msdemucs.errors import UsageError, nearest
from msdemucs.metrics.registry import METRICS, Metric
from msdemucs.units import Direction, count

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Quality:
    """A number that scores of many tracks and sources come to: `metric[/source][/group]`.

    Attributes:
        metric: of the registry.
        source: the only one that counts; "" for the mean over all.
        group: the only data set whose tracks count; "" for all.
    """

    metric: Metric
    source: str = ""
    group: str = ""

    @classmethod
    def parse(cls, text: str, *, sources: Collection[str], groups: Collection[str]) -> "Quality":
        """Read `metric[/source][/group]`.

        A single part after the metric is a source if one is called so, else a group.

        Args:
            text: as in `si_sdr_db/vocals`.
            sources: that are scored.
            groups: data sets of the tracks that are scored.

        Raises:
            UsageError: an unknown metric, source or group; the nearest is told.
        """
        name, *parts = text.split("/", 2)
        if name not in METRICS:
            raise UsageError(f"“{text}”: there is no metric “{name}”; {nearest(name, [*METRICS])}")
        metric = METRICS[name]
        if not parts:
            return cls(metric)
        if len(parts) == 1:
            if parts[0] in sources:
                return cls(metric, source=parts[0])
            if parts[0] in groups:
                return cls(metric, group=parts[0])
            raise UsageError(_unknown(text, "source or group", parts[0], [*sources, *groups]))
        source, group = parts
        if source in groups and group in sources:
            raise UsageError(f"“{text}”: the source comes first: {name}/{group}/{source}")
        if source not in sources:
            raise UsageError(_unknown(text, "source", source, sources))
        if group not in groups:
            raise UsageError(_unknown(text, "group", group, groups))
        return cls(metric, source, group)

    def __str__(self) -> str:
        """As it is written in YAML, and the name of its column."""
        return "/".join(filter(None, (self.metric.name, self.source, self.group)))

    @property
    def label(self) -> str:
        """In a sentence: "SI-SDR of vocals on musdb18hq"."""
        source = f" of {self.source}" if self.source else ""
        return f"{self.metric.label}{source}{f' on {self.group}' if self.group else ''}"

    @property
    def heading(self) -> str:
        """Over a table: "SI-SDR vocals musdb18hq"."""
        return " ".join(filter(None, (self.metric.label, self.source, self.group)))

    @property
    def convention(self) -> str:
        """How the number is made, in words."""
        over = f"{self.source} alone" if self.source else "the mean over sources"
        tracks = f"the tracks of {self.group} alone" if self.group else "tracks"
        return f"{self.metric.convention}; {over}, the {self.metric.tracks} over {tracks}"

    @property
    def direction(self) -> Direction:
        """What is better."""
        return self.metric.direction

    @property
    def unit(self) -> str:
        """Of its values."""
        return self.metric.unit

    @property
    def silence(self) -> float | None:
        """What silence as every estimate scores: see `Metric`."""
        return self.metric.silence

    @property
    def mixture(self) -> float | None:
        """What the mixture as every estimate scores: see `Metric`."""
        return self.metric.mixture

    def rows(self, scores: "pd.DataFrame") -> "pd.DataFrame":
        """The rows of a long frame that count, those without a value among them.

        Args:
            scores: columns `seed, group, track, source, metric, value`, and others.
        """
        rows = scores[scores["metric"] == self.metric.name]
        if self.source:
            rows = rows[rows["source"] == self.source]
        return rows[rows["group"] == self.group] if self.group else rows

    def by_seed(self, scores: "pd.DataFrame") -> dict[int, float]:
        """The value of each training; one without any score is left out.

        The mean over sources of the mean (or, if the metric says so, the median) over tracks.
        Scores without a seed are of one training, whose seed is given as -1.
        Scores that are NaN are left out; infinite ones are not, so that an estimate without
        anything of its reference is not overlooked.

        Args:
            scores: columns `seed, group, track, source, metric, value`, and others; of one split.

        Raises:
            ValueError: scores of more than one split, which make no number together.
        """
        if "split" in scores and scores["split"].nunique() > 1:
            raise ValueError(f"scores of several splits: {', '.join(sorted(set(scores['split'])))}")
        known = self.rows(scores).dropna(subset=["value"])
        if known.empty:
            return {}
        known = known.assign(seed=known["seed"].fillna(-1))  # of studies that did not record it
        by_source = known.groupby(["seed", "source"])["value"].agg(self.metric.tracks)
        means = by_source.groupby("seed").mean()
        return dict(zip(means.index.astype(int), means.astype(float), strict=True))

    def of(self, scores: "pd.DataFrame") -> float:
        """The mean of `by_seed` over trainings; NaN without any score.

        Args:
            scores: as `by_seed`.

        Raises:
            ValueError: as `by_seed`.
        """
        values = self.by_seed(scores).values()
        return sum(values) / len(values) if values else float("nan")


def _unknown(text: str, kind: str, name: str, known: Collection[str]) -> str:
    hint = nearest(name, list(known)) if known else "none is known"
    return f"“{text}”: there is no {kind} “{name}”; {hint}"


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


FEWEST_FOR_WILCOXON = 6
"""Pairs below which no result of the signed-rank test is below 0.05."""


def signed_rank_p(differences: NDArray[np.floating]) -> float:
    """Return the p of Wilcoxon's signed-rank test, two-sided; NaN for too few pairs.

    Args:
        differences: one a pair, [N], finite.
    """
    if len(differences) < FEWEST_FOR_WILCOXON:
        return float("nan")
    from scipy.stats import wilcoxon  # slow to load, and needed here alone

    return float(wilcoxon(differences).pvalue) if differences.any() else 1.0
