"""Trainings beside a study's trials: with other seeds, or for longer; judged as trials are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from msdemucs.cost import cost_of
from msdemucs.errors import StudyError
from msdemucs.study.storage.scores import SCORES
from msdemucs.study.trials.candidate import Candidate, Evaluate, Listener, TrialLog


@dataclass(frozen=True)
class Trained:
    """What a training beside the trials has shown.

    Attributes:
        value: of the quality that was asked for.
        scores: of every track, source and metric, as a trial keeps them.
        weights: their file.
        steps: that were made by this call.
        seconds: of training, by this call.
    """

    value: float
    scores: Mapping[str, Any]
    weights: Path | None
    steps: int
    seconds: float


def train_beside(
    candidate: Candidate, evaluate: Evaluate, listener: Listener, quality: str
) -> Trained:
    """Train and judge a candidate without a trial; the same call goes on in its folder.

    Args:
        candidate: what to train, and where.
        evaluate: as for trials.
        listener: is told of progress.
        quality: what is to be known of it.

    Raises:
        MsdemucsError: it cannot be trained or judged.
        StudyError: it has none of the quality.
        KeyboardInterrupt: a signal, after a checkpoint was saved.
    """
    notes = optuna.create_study(storage=optuna.storages.InMemoryStorage()).ask()
    log = TrialLog(notes, listener)
    log.record(cost_of(candidate.spec).figures)
    evaluate(candidate, log)
    found: Mapping[str, Any] = notes.user_attrs
    if quality not in found:
        raise StudyError(f"{candidate.name} has no {quality} on any validation track")
    return Trained(
        float(found[quality]),
        found[SCORES],
        Path(found["weights"]) if "weights" in found else None,
        int(found.get("steps", 0)),
        float(found.get("train_seconds", 0.0)),
    )
