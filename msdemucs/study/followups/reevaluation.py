"""Trials judged again from their weights, under another convention."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd

from msdemucs.data import Track
from msdemucs.evaluate.conventions import Convention
from msdemucs.evaluate.evaluation import evaluate
from msdemucs.metrics import Metric
from msdemucs.model import load_weights
from msdemucs.model.weights import read_about
from msdemucs.study.records import Split
from msdemucs.study.storage.artifact_store import at_hand
from msdemucs.study.storage.followup_table import Later, add, rows_of
from msdemucs.study.trial.candidate import Listener

RESCORE = "rescore"
"""The kind of the rows in the side table."""


def rescore(  # noqa: PLR0913 (a score is of all these)
    study: optuna.Study,
    trials: pd.DataFrame,
    tracks: Sequence[Track],
    metric: Metric,
    *,
    device: str,
    listener: Listener,
    split: Split = "validation",
) -> pd.DataFrame:
    """Judge trials by their weights, and keep the scores in the study's side table.

    A trial that was judged so already, from the same weights, is not judged again; one whose
    weights are gone is left out and named.

    Args:
        study: whose trials.
        trials: rows of its record.
        tracks: to judge on.
        metric: by what; a score is the mean over sources of the metric's median or mean over
            tracks.
        device: where.
        listener: is told what happens.
        split: of the tracks.

    Returns:
        `trial`, `name`, and a column of the score under its own name, dB.

    Raises:
        DataError: weights that cannot be read, or no track that can.
        MsdemucsError: an estimate that is not finite.
    """
    known = {
        (row.trial, row.detail.get("weights")): row.value
        for row in rows_of(study)
        if row.kind == RESCORE and (row.convention, row.split) == (metric.name, split)
    }
    rows = []
    for _, trial in trials.iterrows():
        number, weights = int(trial.trial), trial.weights
        value = known.get((number, weights))
        with at_hand(weights if isinstance(weights, str) and value is None else "") as path:
            if value is None and path is None:
                listener.said(f"trial {number} left out: its weights are not there ({weights})")
                continue
            if path is not None:
                count = "1 track" if len(tracks) == 1 else f"{len(tracks)} tracks"
                listener.said(f"trial {number} ({trial['name']}): {metric.label} of {count}")
                row = replace(_judged(trial, path, tracks, metric, device), split=split)
                value = row.value
                if math.isnan(value):  # which no database keeps
                    listener.said(f"trial {number} has no {metric.label} on any track")
                else:
                    add(study, [row])
        rows.append({"trial": number, "name": trial["name"], metric.name: value})
    return pd.DataFrame(rows, columns=["trial", "name", metric.name])


def _judged(
    trial: "pd.Series[Any]", weights: Path, tracks: Sequence[Track], metric: Metric, device: str
) -> Later:
    """One trial's row.

    Raises:
        DataError: its weights cannot be read, or no track.
        MsdemucsError: an estimate that is not finite.
    """
    model = load_weights(weights).to(device)
    convention = Convention(metrics=(metric.name,), normalised=read_about(weights).normalised)
    found = evaluate(model, tracks, convention)
    by_source = found.tracks.groupby("source", sort=False)[metric.name].agg(metric.tracks)
    detail = {
        "weights": trial.weights,
        "tracks_joined_by": metric.tracks,
        "by_source": {str(source): float(value) for source, value in by_source.items()},
        "convention": found.about["convention"],
        "n_tracks": int(found.tracks[["group", "track"]].drop_duplicates().shape[0]),
    }
    return Later(
        int(trial.trial), RESCORE, metric.name, float(by_source.mean()), int(trial.seed), detail
    )
