"""Weights scored after their study: once on its test tracks, or by another metric."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any, NamedTuple

import optuna
import pandas as pd

from msdemucs.analysis.followups import kept_scores
from msdemucs.analysis.fronts import complete
from msdemucs.data import Track
from msdemucs.errors import DataError, UsageError
from msdemucs.evaluate import Score, evaluate_tracks
from msdemucs.evaluate.evaluation import left_out_entry
from msdemucs.evaluate.scoring import Convention
from msdemucs.files import differences
from msdemucs.metrics import METRICS, USUAL, Quality, metrics_named
from msdemucs.metrics.quality import count_unscored, describe_unscored
from msdemucs.model import Separator, load_weights
from msdemucs.model.weights import read_about
from msdemucs.study.records import FLOOR_COLUMNS, JUDGE, Split, StudyRecord, is_quality, looked
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.folders import at_hand
from msdemucs.study.storage.results import (
    FLOORS,
    TEST_TRACKS,
    Later,
    add,
    add_look,
    as_table,
    looks_of,
    rows_of,
)
from msdemucs.study.trial.recorder import Listener, Row
from msdemucs.study.trial.tracks import Say, facts_of, gather_test, test_groups
from msdemucs.units import count

MOST_NAMED = 10
"""Of the test tracks that are others than before."""


@dataclass(frozen=True)
class Chosen:
    """Weights to be judged.

    Attributes:
        trial: the number of the trial that they belong to.
        name: of the trial.
        seed: of the training.
        weights: their file, a path or a URL; "" for none.
        recipe: by which the trial was promoted; "" for the trial's own weights.
    """

    trial: int
    name: str
    seed: int
    weights: str
    recipe: str = ""

    @classmethod
    def of(cls, trials: pd.DataFrame) -> "list[Chosen]":
        """Rows of a record's trials, by their own weights."""
        return [
            cls(
                int(trial.trial),
                str(trial["name"]),
                int(trial.seed),
                trial.weights if isinstance(trial.weights, str) else "",
            )
            for _, trial in trials.iterrows()
        ]


def numbered(record: StudyRecord, numbers: Sequence[int]) -> pd.DataFrame:
    """Returns the complete trials of these numbers.

    Raises:
        UsageError: one is not there, or not complete.
    """
    trials = complete(record).set_index("trial", drop=False)
    if missing := [str(number) for number in numbers if number not in trials.index]:
        raise UsageError(f"study “{record.name}” has no complete trial {', '.join(missing)}")
    return trials.loc[list(numbers)]


def qualities_to_judge(
    record: StudyRecord, asked: Sequence[str] = (), *, search: Search | None = None
) -> list[str]:
    """Returns what is judged: uSDR and the study's own objectives, or what is asked for.

    Args:
        record: the study.
        asked: qualities, or short names of metrics.
        search: what the study asks, by which sources and groups are known; None checks metrics.

    Raises:
        UsageError: an unknown metric, source or group.
    """
    names = []
    for text in asked:  # a quality, whose metric may have a short name of several: "bsseval/vocals"
        short, slash, part = text.partition("/")
        names += [f"{metric}{slash}{part}" for metric in metrics_named(short)]
    if search is not None:
        groups = test_groups(search.space.data) if names else ()
        for name in names:
            Quality.parse(name, sources=search.base.sources, groups=groups)
    if not names:
        names = [USUAL, *filter(is_quality, record.directions)]
    return list(dict.fromkeys(names))


def open_test_tracks(
    study: optuna.Study, search: Search, *, why: str, say: Say
) -> tuple[Track, ...]:
    """Returns a study's test tracks, and records that they were looked at.

    Args:
        study: whose.
        search: says where they lie.
        why: they are read: the command.
        say: is told how often they were read, and of tracks that cannot be used.

    Raises:
        UsageError: a folder that is not there, or other tracks than before.
        DataError: no track that can be used.
    """
    tracks = gather_test(search.space.data, search.base, say=say)
    facts = facts_of(tracks)
    # a study that selected on test tracks has them among its data
    of_data = study.user_attrs.get("tracks", {})
    before: Mapping[str, str] | None = study.user_attrs.get(TEST_TRACKS, of_data.get("test"))
    if before is None:
        study.set_user_attr(TEST_TRACKS, facts)
    elif changes := list(differences(before, facts)):
        lines = [f"  {name}: {old or 'nothing'} → {new or 'nothing'}" for name, old, new in changes]
        lines[MOST_NAMED:] = (
            [f"  … and {len(lines) - MOST_NAMED} more"] if lines[MOST_NAMED:] else []
        )
        shown = "\n".join(lines)
        raise UsageError(f"study “{study.study_name}” has other test tracks than these:\n{shown}")
    add_look(study, why)
    say(looked(len(looks_of(study))))
    return tracks


@dataclass(frozen=True)
class TrackSet:
    """Tracks that weights are scored on.

    Attributes:
        open: gives them; is called when the first weights need them.
        split: that they are of.
        kind: of the rows that keep the scores.
    """

    open: Callable[[], Sequence[Track]]
    split: Split = "test"
    kind: str = JUDGE


def judge(
    study: optuna.Study,
    chosen: Sequence[Chosen],
    qualities: Sequence[str],
    tracks: TrackSet,
    *,
    device: str,
    listener: Listener,
) -> pd.DataFrame:
    """Score weights on tracks, once, and keep the scores in the study's side table.

    Weights that were scored so already, under the same convention, are not scored again; where all
    were, the tracks are not opened. Weights that are gone are left out and named. What the mixture
    scores as the estimate is kept beside the scores that are the first by their metric.

    Args:
        study: whose trials.
        chosen: what to judge.
        qualities: of what; all scores of their metrics are kept.
        tracks: by which.
        device: where.
        listener: is told what happens.

    Returns:
        `trial`, `name`, `recipe`, and a column a quality; NaN where no track has one.

    Raises:
        DataError: weights that cannot be read, or no track that can.
        DivergedError: an estimate that is not finite.
    """
    metrics = list(dict.fromkeys(text.partition("/")[0] for text in qualities))
    known = _known(study, tracks)
    opened: Sequence[Track] | None = None
    for choice in chosen:
        missing = [
            metric for metric in metrics if (choice.trial, choice.weights, metric) not in known
        ]
        if not missing:
            continue
        with at_hand(choice.weights) as path:
            if path is None:
                where = choice.weights or "none recorded"
                listener.said(f"trial {choice.trial} left out: its weights are not there ({where})")
                continue
            opened = tracks.open() if opened is None else opened
            labels = ", ".join(METRICS[metric].label for metric in missing)
            many = count(len(opened), f"{tracks.split} track")
            listener.said(f"trial {choice.trial} ({choice.name}): {labels} of {many}")
            convention = Convention(tuple(missing), normalised=read_about(path).normalised)
            floored = {row.convention for row in known.values() if FLOORS in row.detail}
            scored = _scored(
                load_weights(path).to(device),
                opened,
                convention,
                floors=tracks.split == "test" and not floored >= {*missing},
                listener=listener,
            )
            rows = [_row(choice, metric, scored, convention, tracks) for metric in missing]
        add(study, rows)
        known |= {(row.trial, choice.weights, row.convention): row for row in rows}
    return _table(chosen, qualities, known, listener)


def _known(study: optuna.Study, tracks: TrackSet) -> dict[tuple[int, str, str], Later]:
    """(trial, weights, metric) → the row of what was scored under today's convention."""
    return {
        (row.trial, str(row.detail.get("weights")), row.convention): row
        for row in rows_of(study)
        if (row.kind, row.split) == (tracks.kind, tracks.split)
        and _without_norm(row.detail.get("convention", {})) == _convention(row.convention)
    }


def _convention(metric: str) -> dict[str, Any]:
    """What a row says of how it came about; that tracks are normalised, their weights say."""
    return {**_without_norm(asdict(Convention((metric,)))), "metrics": [metric]}


def _without_norm(convention: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in convention.items() if name != "normalised"}


class _Scored(NamedTuple):
    """The scores of weights, and the tracks that they are without."""

    scores: Sequence[Score]
    left_out: Sequence[Mapping[str, str | None]]


def _scored(
    model: Separator,
    tracks: Sequence[Track],
    convention: Convention,
    *,
    floors: bool,
    listener: Listener,
) -> _Scored:
    """The scores of a model; what is lacking is told.

    Raises:
        DataError: no track can be read.
        DivergedError: an estimate that is not finite.
    """
    left_out: list[Mapping[str, str | None]] = []

    def on_error(error: DataError) -> None:
        listener.said(f"left out: {error}")
        left_out.append(left_out_entry(error))

    scored = evaluate_tracks(
        model, tracks, convention, floors=floors, on_error=on_error, memory_is_error=True
    )
    scores = [score for of_track in map(attrgetter("scores"), scored) for score in of_track]
    if not scores:
        raise DataError("no track could be evaluated")
    for line in describe_unscored(count_unscored(s.lack for s in scores if s.reason)):
        listener.said(line)
    return _Scored(scores, left_out)


def _row(
    choice: Chosen, metric: str, scored: _Scored, convention: Convention, tracks: TrackSet
) -> Later:
    """The row of the side table for a metric."""
    scores = [score for score in scored.scores if score.metric == metric]
    rows = [Row(choice.seed, tracks.split, *score[:5]) for score in scores]
    floors = [(tracks.split, *s[:4], s.floor) for s in scores if s.floor is not None]
    lacks = [score.lack for score in scores if score.reason]
    detail = {
        "weights": choice.weights,
        "convention": _convention(metric),
        "normalised": convention.normalised,
        "n_tracks": len({score[:2] for score in scores}),
        "left_out": scored.left_out,
        "scores": as_table(Row._fields, rows),
        **({FLOORS: as_table(FLOOR_COLUMNS, floors)} if floors else {}),
        **({"unscored": count_unscored(lacks)} if lacks else {}),
        **({"promoted": choice.recipe} if choice.recipe else {}),
    }
    value = Quality(METRICS[metric]).of(pd.DataFrame(rows))
    return Later(choice.trial, tracks.kind, metric, value, choice.seed, detail, tracks.split)


def _table(
    chosen: Sequence[Chosen],
    qualities: Sequence[str],
    known: Mapping[tuple[int, str, str], Later],
    listener: Listener,
) -> pd.DataFrame:
    """What `judge` returns; a source or data set that the tracks do not have is told."""
    faults: dict[str, None] = {}
    table: list[dict[str, object]] = []
    for choice in chosen:
        row: dict[str, object] = {
            "trial": choice.trial,
            "name": choice.name,
            "recipe": choice.recipe,
        }
        for text in qualities:
            judged = known.get((choice.trial, choice.weights, text.partition("/")[0]))
            try:
                row |= {} if judged is None else {text: _value(judged, text)}
            except UsageError as error:
                faults[str(error)] = None
        if len(row) > 3:
            table.append(row)
    for fault in faults:
        listener.said(f"on these tracks: {fault}")
    return pd.DataFrame(table, columns=["trial", "name", "recipe", *qualities])


def _value(judged: Later, text: str) -> float:
    """A quality of what was judged.

    Raises:
        UsageError: it is of a source or data set that is not there.
    """
    if text == judged.convention:
        return judged.value
    scores = kept_scores(judged.detail)
    quality = Quality.parse(
        text, sources=scores["source"].unique().tolist(), groups=scores["group"].unique().tolist()
    )
    return quality.of(scores)
