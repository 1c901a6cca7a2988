"""Evaluations: tables of tracks scored under named conventions, and which of two is better."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from msdemucs.data.tracks import Track
from msdemucs.errors import DataError, UsageError
from msdemucs.evaluate.scoring import Convention, Score, ScoredTrack, Separated, evaluate_tracks
from msdemucs.metrics import METRICS, metrics_named
from msdemucs.metrics.quality import Lack, count_unscored, signed_rank_p
from msdemucs.model import Separator

REASONS = "unscored"
"""The column of tracks that says why scores are lacking: JSON, metric → reason; "" for none."""

STATISTICS = ("mean", "median", "std", "count")
"""Over the values that are there; the count says how many: silent stems have no score."""


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on tracks.

    Attributes:
        about: the convention, what was evaluated, the tracks that were left out and why, the
            scores that are lacking (`unscored`: metric → source → reason → tracks), whether all
            others were scored, and whatever the caller adds.
        tracks: a row a track and source: group, track, source, the scores, seconds, REASONS.
        frames: a row a track, source, metric and frame, where a metric has frames: its number, the
            seconds at which it starts, its scores.
    """

    about: dict[str, Any]
    tracks: pd.DataFrame
    frames: pd.DataFrame = field(default_factory=pd.DataFrame)

    def summary(self) -> pd.DataFrame:
        """A row a source, and "all": statistics over tracks, and over frames, by their names.

        `si_sdr_db.mean` is a mean over tracks; `csdr_db.median` the median over tracks of the
        medians over frames (museval's); `….frames_mean`, `….frames_median` and `….frames_std` are
        over all frames of all tracks. "all" takes the mean over sources of every track first.
        """
        rows = [_statistics(source, *self._of(source)) for source in self._sources()]
        if len(rows) > 1:
            names = scores_in(self.tracks)
            over = self.tracks.groupby(["group", "track"], sort=False)[names].mean()
            keys = ["group", "track", "metric", "frame"]
            by_frame = pd.DataFrame()
            if len(self.frames):
                by_frame = self.frames.groupby(keys, sort=False)[scores_in(self.frames)].mean()
            rows.append(_statistics("all", over, by_frame))
        return pd.DataFrame(rows).set_index("source")

    def scored(self) -> set[tuple[str, str]]:
        """Return group and name of the tracks that have rows."""
        return {(str(row.group), str(row.track)) for row in self.tracks.itertuples()}

    def without(self, names: Sequence[str]) -> "Evaluation":
        """Return it without the rows of some tracks."""
        tables = (
            table[~table.track.isin(names)] if len(table) else table
            for table in (self.tracks, self.frames)
        )
        return Evaluation(self.about, *tables)

    def _sources(self) -> list[str]:
        return list(dict.fromkeys(self.tracks.source))

    def _of(self, source: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        frames = self.frames[self.frames.source == source] if len(self.frames) else self.frames
        return self.tracks[self.tracks.source == source], frames


def _nothing(*_: object) -> None:
    return


@dataclass(frozen=True)
class Listener:
    """Who is told.

    Attributes:
        on_track: of each track that is done, with its rows.
        on_error: of each track that cannot be used, which is then left out; None raises.
        on_scored: of all that was scored so far, after each track.
        on_separated: of each track's estimates, after that, before they are forgotten.
        say: of what else a user should know.
    """

    on_track: Callable[[Track, list[dict[str, object]]], None] = _nothing
    on_error: Callable[[DataError], None] | None = None
    on_scored: Callable[[Evaluation], None] = _nothing
    on_separated: Callable[[Separated], None] = _nothing
    say: Callable[[str], None] = _nothing


def evaluate(
    model: Separator,
    tracks: Iterable[Track],
    convention: Convention | None = None,
    *,
    batch_size: int = 1,
    listener: Listener | None = None,
    before: Evaluation | None = None,
) -> Evaluation:
    """Separate every track and score every source of the model's spec.

    Args:
        model: used in evaluation mode; its modes are restored.
        tracks: of the spec's sample rate and channels, with its sources; the audio of one is held
            at a time.
        convention: None scores uSDR over chunks of the spec's segment.
        batch_size: chunks at a time.
        listener: who is told.
        before: what was scored before, under the same convention; its tracks are not separated
            again, what it says of itself is kept, and left_out grows.

    Raises:
        DataError: a track that cannot be read or held in memory, without on_error; or none that
            can.
        DivergedError: an estimate that is not finite.
        UsageError: two tracks of one name in one data set.
    """
    convention = convention or Convention()
    listener = listener or Listener()
    tracks = list(tracks)
    _check_distinct(tracks)
    before = before or Evaluation({}, pd.DataFrame())
    about = {**before.about, "convention": asdict(convention), "sources": list(model.spec.sources)}
    left_out = about["left_out"] = [*about.get("left_out", ())]
    rows, frames = _rows(before.tracks), _rows(before.frames)
    done = before.scored()

    def on_error(error: DataError) -> None:
        if listener.on_error is None:
            raise error
        listener.on_error(error)
        left_out.append(left_out_entry(error))

    def so_far(*, finished: bool) -> Evaluation:
        lacks = (
            Lack(str(row["group"]), str(row["track"]), str(row["source"]), metric, reason)
            for row in rows  # of earlier versions they do not say why
            if isinstance(cell := row.get(REASONS), str) and cell
            for metric, reason in json.loads(cell).items()
        )
        counts = count_unscored(lacks)
        # as JSON has it, so that what was saved and loaded compares equal
        about_now = json.loads(json.dumps({**about, REASONS: counts, "finished": finished}))
        return Evaluation(about_now, pd.DataFrame(rows), pd.DataFrame(frames))

    for scored in evaluate_tracks(
        model,
        [track for track in tracks if (track.group, track.name) not in done],
        convention,
        batch_size=batch_size,
        on_error=on_error,
        memory_is_error=True,
    ):
        of_track = _wide(scored)
        rows += of_track
        frames += map(dict, scored.frames)
        for line in _lacking(scored):
            listener.say(line)
        listener.on_scored(so_far(finished=False))
        listener.on_separated(scored.separated)
        listener.on_track(scored.separated.track, of_track)
        del scored  # before the next one is held
    if not rows:
        raise DataError("no track could be evaluated")
    return so_far(finished=True)


def left_out_entry(error: DataError) -> dict[str, str | None]:
    """Returns how about.json tells of a track that was left out."""
    return {"group": error.group, "track": error.track, "reason": str(error)}


def _wide(scored: ScoredTrack) -> list[dict[str, object]]:
    """The rows of a track: one a source."""
    by_source: dict[str, list[Score]] = {}
    for score in scored.scores:
        by_source.setdefault(score.source, []).append(score)
    track = scored.separated.track
    return [
        {
            "group": track.group,
            "track": track.name,
            "source": source,
            **{score.metric: score.value for score in scores},
            "seconds": scored.separated.seconds,
            REASONS: _reasons({score.metric: score.reason for score in scores if score.reason}),
        }
        for source, scores in by_source.items()
    ]


def _reasons(by_metric: Mapping[str, str]) -> str:
    """A cell of the column REASONS."""
    return json.dumps(by_metric, ensure_ascii=False) if by_metric else ""


def _lacking(scored: ScoredTrack) -> Iterator[str]:
    """A line for each source of a track without a score: the metrics, and why."""
    labels: dict[tuple[str, str], list[str]] = {}
    for score in scored.scores:
        if score.reason:
            key = (score.source, score.reason)
            labels.setdefault(key, []).append(METRICS[score.metric].label)
    name = scored.separated.track.name
    for (source, reason), metrics in labels.items():
        yield f"“{name}” has no {', '.join(metrics)} of “{source}”: {reason}"


def _rows(table: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _check_distinct(tracks: Iterable[Track]) -> None:
    """Refuse tracks that tables could not tell apart.

    Raises:
        UsageError: two of one name in one data set.
    """
    seen: set[tuple[str, str]] = set()
    for track in tracks:
        if (track.group, track.name) in seen:
            raise UsageError(f"“{track.name}” of {track.group} is given twice")
        seen.add((track.group, track.name))


def scores_in(table: pd.DataFrame) -> list[str]:
    """The columns that hold scores."""
    return [str(name) for name in table if name in METRICS]


def _statistics(source: str, tracks: pd.DataFrame, frames: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {"source": source, "tracks": len(tracks)}
    for name in scores_in(tracks):
        values = tracks[name].replace([np.inf, -np.inf], np.nan)
        row |= {f"{name}.{kind}": getattr(values, kind)() for kind in STATISTICS}
        if name in frames:
            of_frames = frames[name].replace([np.inf, -np.inf], np.nan)
            row |= {f"{name}.frames_{kind}": getattr(of_frames, kind)() for kind in STATISTICS}
    return row


RESAMPLES = 10_000

KEYS = ["group", "track", "source"]
HARMLESS = ("normalised", "engine", "metrics")
"""Parts of a convention that may differ: the first belongs to the weights, engines agree, and
metrics that only one evaluation has are left out."""

OF_FRAMES = ("chunk", "window")
"""Parts that matter only to metrics with such frames."""


@dataclass(frozen=True)
class Comparison:
    """The second evaluation less the first.

    Attributes:
        differences: a row a track and source: both scores and their difference, by metric.
        summary: a row a metric and source (and "all", the mean over sources of every track): the
            mean difference, its 95 % bootstrap interval over tracks, on how many tracks the second
            is better, and the p of Wilcoxon's signed-rank test, NaN for too few tracks.
    """

    differences: pd.DataFrame
    summary: pd.DataFrame


def compare(first: Evaluation, second: Evaluation, *, seed: int = 0) -> Comparison:
    """Pair the tracks that both have.

    Args:
        first: the one to beat.
        second: of the same tracks, under the same convention.
        seed: of the bootstrap.

    Raises:
        UsageError: unlike conventions or tracks.
    """
    _check_alike(first, second)
    metrics = [name for name in scores_in(first.tracks) if name in second.tracks]
    both = first.tracks[[*KEYS, *metrics]].merge(
        second.tracks[[*KEYS, *metrics]], on=KEYS, suffixes=(".first", ".second")
    )
    rng = np.random.default_rng(seed)
    rows = []
    for metric in metrics:
        both[f"{metric}.difference"] = both[f"{metric}.second"] - both[f"{metric}.first"]
        named = both[[*KEYS, f"{metric}.difference"]].rename(
            columns={f"{metric}.difference": "difference"}
        )
        groups = {
            str(source): of_source for source, of_source in named.groupby("source", sort=False)
        }
        if len(groups) > 1:
            means = named.groupby(["group", "track"], sort=False).difference.mean()
            groups["all"] = means.to_frame()
        rows += [
            _row(metric, source, of_source.difference, rng) for source, of_source in groups.items()
        ]
    return Comparison(both, pd.DataFrame(rows))


def _row(
    metric: str, source: str, differences: "pd.Series[float]", rng: np.random.Generator
) -> dict[str, object]:
    values = differences.replace([np.inf, -np.inf], np.nan).dropna().to_numpy(dtype=float)
    count = len(values)
    low = high = float("nan")
    if count > 1:
        drawn = rng.choice(values, size=(RESAMPLES, count)).mean(1)
        low, high = (float(bound) for bound in np.percentile(drawn, (2.5, 97.5)))
    p = signed_rank_p(values)
    return {
        "metric": metric,
        "source": source,
        "tracks": count,
        "mean_difference_db": float(values.mean()) if count else float("nan"),
        "low_db": low,
        "high_db": high,
        "better": int(
            (values > 0 if METRICS[metric].direction == "maximize" else values < 0).sum()
        ),
        "wilcoxon_p": p,
    }


def _check_alike(first: Evaluation, second: Evaluation) -> None:
    """Raise UsageError for evaluations that may not be compared.

    Raises:
        UsageError: they may not be.
    """
    conventions = [evaluation.about["convention"] for evaluation in (first, second)]
    shared = set.intersection(  # older versions cut names short
        *({long for name in c["metrics"] for long in metrics_named(name)} for c in conventions)
    )
    if not shared:
        raise UsageError("the evaluations have no metric in common")
    unlike = [
        f"{name}: {json.dumps(conventions[0].get(name))} and {json.dumps(conventions[1].get(name))}"
        for name in dict.fromkeys((*conventions[0], *conventions[1]))
        if name not in HARMLESS
        and (name not in OF_FRAMES or any(METRICS[metric].frames == name for metric in shared))
        and conventions[0].get(name) != conventions[1].get(name)
    ]
    if unlike:
        raise UsageError("the scores were made under unlike conventions: " + "; ".join(unlike))
    keys = [set(map(tuple, evaluation.tracks[KEYS].to_numpy())) for evaluation in (first, second)]
    missing = sorted(keys[0] ^ keys[1])
    if missing:
        group, track, source = missing[0]
        raise UsageError(
            f"{len(missing)} pairs of track and source are in one evaluation alone, as “{source}” "
            f"of “{track}” ({group})"
        )
