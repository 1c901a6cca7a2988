"""What a study can be steered by: a metric, of all sources or one, on all tracks or one group's."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msdemucs.errors import UsageError, nearest
from msdemucs.metrics.registry import METRICS, Metric
from msdemucs.units import Direction

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
