"""What was chosen, scored once on test tracks, which nothing before has read."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
import pandas as pd

from msdemucs.analysis.selection import complete
from msdemucs.data import Track
from msdemucs.errors import UsageError
from msdemucs.evaluate.conventions import Convention
from msdemucs.evaluate.evaluation import Listener as EvaluationListener
from msdemucs.evaluate.evaluation import evaluate
from msdemucs.metrics import METRICS, USUAL, Quality, metrics_named
from msdemucs.model import load_weights
from msdemucs.model.weights import read_about
from msdemucs.study.records import StudyRecord, is_quality
from msdemucs.study.storage.artifact_store import at_hand
from msdemucs.study.storage.followup_table import Later, add, rows_of
from msdemucs.study.trial.candidate import Listener

JUDGE = "judge"
"""The kind of the rows in the side table."""

ROW_COLUMNS = ("seed", "split", "group", "track", "source", "metric", "value")
"""Of the scores that a row's detail holds: SCORE_COLUMNS without the trial."""


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


def qualities_of(record: StudyRecord, asked: Sequence[str] = ()) -> list[str]:
    """Returns what is judged: uSDR and the study's own objectives, or what is asked for.

    Raises:
        UsageError: an unknown metric.
    """
    names = [name for text in asked for name in _spelt_out(text)]
    if not names:
        names = [USUAL, *filter(is_quality, record.directions)]
    return list(dict.fromkeys(names))


def _spelt_out(text: str) -> list[str]:
    """A quality, whose metric may have a short name of several: "bsseval/vocals"."""
    name, slash, rest = text.partition("/")
    return [f"{metric}{slash}{rest}" for metric in metrics_named(name)]


def judge(
    study: optuna.Study,
    chosen: Sequence[Chosen],
    qualities: Sequence[str],
    tracks: Callable[[], Sequence[Track]],
    *,
    device: str,
    listener: Listener,
) -> pd.DataFrame:
    """Score weights on test tracks, once, and keep the scores in the study's side table.

    Weights that were judged so already, under the same convention, are not judged again; where
    all were, the tracks are not opened. Weights that are gone are left out and named.

    Args:
        study: whose trials.
        chosen: what to judge.
        qualities: of what; all scores of their metrics are kept.
        tracks: opens the test tracks.
        device: where.
        listener: is told what happens.

    Returns:
        `trial`, `name`, `recipe`, and a column a quality; NaN where no track has one.

    Raises:
        DataError: weights that cannot be read, or no track that can.
        MsdemucsError: an estimate that is not finite.
    """
    metrics = list(dict.fromkeys(text.partition("/")[0] for text in qualities))
    known = _known(study)
    opened: Sequence[Track] | None = None
    for one in chosen:
        missing = [metric for metric in metrics if (one.trial, one.weights, metric) not in known]
        if not missing:
            continue
        with at_hand(one.weights) as path:
            if path is None:
                where = one.weights or "none recorded"
                listener.said(f"trial {one.trial} left out: its weights are not there ({where})")
                continue
            opened = tracks() if opened is None else opened
            count = "1 test track" if len(opened) == 1 else f"{len(opened)} test tracks"
            labels = ", ".join(METRICS[metric].label for metric in missing)
            listener.said(f"trial {one.trial} ({one.name}): {labels} of {count}")
            rows = _judged(one, path, opened, missing, device, listener)
        add(study, rows)
        known |= {(row.trial, one.weights, row.convention): row for row in rows}
    return _table(chosen, qualities, known, listener)


def _known(study: optuna.Study) -> dict[tuple[int, str, str], Later]:
    """(trial, weights, metric) → the row of what was judged under today's convention."""
    return {
        (row.trial, str(row.detail["weights"]), row.convention): row
        for row in rows_of(study)
        if row.kind == JUDGE and row.detail["convention"] == _convention(row.convention)
    }


def _convention(metric: str) -> dict[str, Any]:
    """What a row says of how it came about; that tracks are normalised, their weights say."""
    named = asdict(Convention(metrics=(metric,)))
    del named["normalised"]
    return {**named, "metrics": [metric]}


def _judged(
    one: Chosen,
    weights: Path,
    tracks: Sequence[Track],
    metrics: Sequence[str],
    device: str,
    listener: Listener,
) -> list[Later]:
    """A row of the side table for each metric.

    Raises:
        DataError: the weights cannot be read, or no track.
        MsdemucsError: an estimate that is not finite.
    """
    convention = Convention(metrics=tuple(metrics), normalised=read_about(weights).normalised)
    told = EvaluationListener(
        on_error=lambda error: listener.said(f"left out: {error}"), say=listener.said
    )
    found = evaluate(load_weights(weights).to(device), tracks, convention, listener=told)
    scores = found.tracks.melt(
        ["group", "track", "source"], list(metrics), var_name="metric", value_name="value"
    ).assign(seed=one.seed, split="test")[list(ROW_COLUMNS)]
    rows = []
    for metric in metrics:
        of_metric = scores[scores.metric == metric].astype(object)
        plain = of_metric.where(of_metric.notna(), None).to_numpy().tolist()
        detail = {
            "weights": one.weights,
            "convention": _convention(metric),
            "normalised": convention.normalised,
            "n_tracks": len(found.scored()),
            "left_out": found.about["left_out"],
            "scores": {"columns": list(ROW_COLUMNS), "rows": plain},
            **({"promoted": one.recipe} if one.recipe else {}),
        }
        value = Quality(METRICS[metric]).of(scores)
        if math.isnan(value):  # which no database keeps
            listener.said(f"trial {one.trial} has no {METRICS[metric].label} on any test track")
            continue
        rows.append(Later(one.trial, JUDGE, metric, value, one.seed, detail, "test"))
    return rows


def _table(
    chosen: Sequence[Chosen],
    qualities: Sequence[str],
    known: Mapping[tuple[int, str, str], Later],
    listener: Listener,
) -> pd.DataFrame:
    """What `judge` returns; a source or data set that test tracks do not have is told."""
    faults: dict[str, None] = {}
    table: list[dict[str, object]] = []
    for one in chosen:
        row: dict[str, object] = {"trial": one.trial, "name": one.name, "recipe": one.recipe}
        for text in qualities:
            judged = known.get((one.trial, one.weights, text.partition("/")[0]))
            try:
                row |= {} if judged is None else {text: _value(judged, text)}
            except UsageError as error:
                faults[str(error)] = None
        if len(row) > 3:
            table.append(row)
    for fault in faults:
        listener.said(f"on test tracks: {fault}")
    return pd.DataFrame(table, columns=["trial", "name", "recipe", *qualities])


def _value(judged: Later, text: str) -> float:
    """A quality of what was judged.

    Raises:
        UsageError: it is of a source or data set that is not there.
    """
    kept = judged.detail["scores"]
    scores = pd.DataFrame(kept["rows"], columns=kept["columns"])
    scores["value"] = pd.to_numeric(scores["value"])
    quality = Quality.parse(
        text, sources=scores["source"].unique().tolist(), groups=scores["group"].unique().tolist()
    )
    return quality.of(scores)
