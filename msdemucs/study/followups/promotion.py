"""The best of a study trained for longer: short and long scores side by side."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import optuna
import pandas as pd

from msdemucs.analysis.fronts import best_trials, front
from msdemucs.errors import UsageError
from msdemucs.spec import parse_spec
from msdemucs.study.followups.extra_training import train_beside
from msdemucs.study.records import PROMOTION, StudyRecord, ranked_by
from msdemucs.study.storage.artifact_store import at_hand, is_url
from msdemucs.study.storage.followup_table import Later, add, rows_of
from msdemucs.study.storage.urls import STUDIES, study_folder
from msdemucs.study.trial.candidate import Candidate, Listener
from msdemucs.study.trial.recorder import Evaluate
from msdemucs.train import Recipe

Start = Literal["scratch", "weights"]
"""scratch: from the trial's own seed, as if it had been asked for longer; weights: from what the
trial had learned, for recipes that are a second phase."""

PROMOTED_COLUMNS = (
    "trial",  # int
    "name",  # str
    "short_db",  # float, dB: the study's first quality, of the trial
    "long_db",  # float, dB: the same after the promotion
    "macs_per_second",  # float
    "steps",  # int: of the long recipe
    "weights",  # str | None: path of what it learned
)
"""Columns of what `promote` returns, one row a trial."""


@dataclass(frozen=True)
class Longer:
    """How trials are trained for longer.

    Attributes:
        recipe: how long, and how.
        start: from where.
        name: the recipe as it was asked for.
    """

    recipe: Recipe
    start: Start
    name: str

    @property
    def key(self) -> str:
        """Tells one way of training for longer from another; the recipe's name does not count."""
        settings = self.recipe.model_dump(mode="json", exclude={"name"})
        text = json.dumps([settings, self.start], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def candidates(record: StudyRecord, *, top: int | None) -> pd.DataFrame:
    """The trials to promote: the best few, or the front where nobody says how many.

    Raises:
        UsageError: no trial is complete.
    """
    return front(record) if top is None else best_trials(record, top=top)


def promote(
    study: optuna.Study,
    trials: pd.DataFrame,
    longer: Longer,
    evaluate: Evaluate,
    *,
    listener: Listener,
    directory: Path = STUDIES,
) -> pd.DataFrame:
    """Train trials for longer, and put both scores side by side.

    What is done already by the same recipe is not done again; the same call goes on where it was
    interrupted. Results are rows of the study's side table.

    Args:
        study: whose trials.
        trials: rows of its record.
        longer: how.
        evaluate: trains and judges one candidate with one seed.
        listener: is told what happens.
        directory: where the studies' folders lie.

    Returns:
        PROMOTED_COLUMNS.

    Raises:
        UsageError: a trial's weights are gone, and it should start from them.
        MsdemucsError: one cannot be trained or judged.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    quality = ranked_by(study.metric_names or ())[0]
    done = {
        row.trial: row
        for row in rows_of(study)
        if row.kind == PROMOTION and row.detail.get("key") == longer.key
    }
    begun = [_candidate(study, trial, longer, directory) for _, trial in trials.iterrows()]
    for count, candidate in enumerate(begun):
        if candidate.trial in done:
            continue
        listener.began(candidate, complete=count, wanted=len(begun))
        found = train_beside(candidate, evaluate, listener, quality)
        detail: dict[str, Any] = {
            "key": longer.key,
            "recipe": longer.recipe.model_dump(mode="json"),
            "start": longer.start,
            "steps": longer.recipe.n_steps,
            "weights": None if found.weights is None else str(found.weights),
            "when": datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
            "scores": found.scores,
        }
        row = Later(candidate.trial, PROMOTION, quality, found.value, candidate.seed, detail)
        add(study, [row])
        done[candidate.trial] = row
        note = f"{longer.name}: {quality} {found.value:.4g}"
        listener.ended(candidate.trial, "complete", note)
    return pd.DataFrame(_side_by_side(trials, done, quality), columns=list(PROMOTED_COLUMNS))


def _side_by_side(
    trials: pd.DataFrame, done: dict[int, Later], quality: str
) -> list[dict[str, Any]]:
    return [
        {
            "trial": int(trial.trial),
            "name": trial["name"],
            "short_db": float(trial[quality]),
            "long_db": done[int(trial.trial)].value,
            "macs_per_second": float(trial.macs_per_second),
            "steps": done[int(trial.trial)].detail["steps"],
            "weights": done[int(trial.trial)].detail["weights"],
        }
        for _, trial in trials.iterrows()
    ]


def _candidate(
    study: optuna.Study, trial: "pd.Series[Any]", longer: Longer, directory: Path
) -> Candidate:
    """A trial to be trained for longer.

    Raises:
        UsageError: its weights are gone, and it should start from them.
    """
    folder = study_folder(study.study_name, directory) / "promoted" / longer.key / str(trial.trial)
    weights = None
    if longer.start == "weights":
        found = trial.weights if isinstance(trial.weights, str) else ""
        with at_hand(found) as weights:
            if weights is None:
                raise UsageError(
                    f"the weights of trial {trial.trial} are not there "
                    f"({found or 'none recorded'}): take --start scratch"
                )
            if is_url(found):
                folder.mkdir(parents=True, exist_ok=True)
                weights = Path(shutil.copy(weights, folder / "start.safetensors"))
    spec = parse_spec(trial.spec)
    name, seed = str(trial["name"]), int(trial.seed)
    return Candidate(int(trial.trial), name, spec, seed, folder, longer.recipe, weights)
