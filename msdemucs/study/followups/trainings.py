"""Trainings beside a study's trials: the base with other seeds, the best for longer."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import optuna
import pandas as pd
from optuna.trial import TrialState

from msdemucs.analysis.fronts import best_trials, front
from msdemucs.analysis.statistics import Interval, sigma
from msdemucs.cost import cost_of
from msdemucs.errors import StudyError, UsageError
from msdemucs.spec import dump_spec, parse_spec, spec_hash
from msdemucs.study.records import (
    NOISE,
    PROMOTION,
    SCORE_COLUMNS,
    StudyRecord,
    asked_quality,
    ranked_by,
)
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.folders import at_hand, is_url
from msdemucs.study.storage.results import OF_THE_BASE, SCORES, Later, add, frame_in, rows_of
from msdemucs.study.storage.urls import STUDIES, study_folder
from msdemucs.study.trial.candidate import Candidate, Evaluate
from msdemucs.study.trial.recorder import Listener, TrialRecorder
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
class Trained:
    """What a training beside the trials has shown.

    Attributes:
        value: of the quality that was asked for.
        scores: of every track, source and metric, as a trial keeps them.
        weights: their file.
        steps: that were made by this call.
    """

    value: float
    scores: Mapping[str, Any]
    weights: str | None
    steps: int


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
    log = TrialRecorder(notes, listener)
    log.record(cost_of(candidate.spec).figures)
    evaluate(candidate, log)
    attrs: Mapping[str, Any] = notes.user_attrs
    if quality not in attrs:
        raise StudyError(f"{candidate.name} has no {quality} on any validation track")
    value, steps = float(attrs[quality]), int(attrs.get("steps", 0))
    return Trained(value, attrs[SCORES], attrs.get("weights"), steps)


@dataclass(frozen=True)
class Floor:
    """The spread of a study's base over seeds.

    Attributes:
        sigma: standard deviation of the study's first quality, with its 95 % χ² interval.
        scores: seed → its value.
        trained: seeds that this call trained; the others were known.
    """

    sigma: Interval
    scores: Mapping[int, float]
    trained: tuple[int, ...]


def measure_noise(
    study: optuna.Study,
    search: Search,
    evaluate: Evaluate,
    *,
    n_seeds: int,
    listener: Listener,
    directory: Path = STUDIES,
) -> Floor:
    """Train the base of a study with several seeds, and record the spread of its first quality.

    Seeds that the study has trained the base with already, by the same recipe, are taken as they
    are; the same call goes on where it was interrupted. The study's attribute `noise` holds the
    result, its side table each seed's score.

    Args:
        study: where it is recorded.
        search: what the study asks.
        evaluate: trains and judges one candidate with one seed.
        n_seeds: how many, from the study's own seed on.
        listener: is told what happens.
        directory: where the studies' folders lie.

    Raises:
        ValueError: fewer than two seeds.
        MsdemucsError: the base cannot be trained or judged.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    if n_seeds < 2:
        raise ValueError(f"a spread needs two seeds; found {n_seeds}")
    recipe, key = search.recipe({}), spec_hash(search.base)
    folders = study_folder(study.study_name, directory) / NOISE
    seeds = range(search.space.seed, search.space.seed + n_seeds)
    quality = ranked_by(search.space.objectives)[0]
    known = _known(study, search, recipe, quality)
    missing = [seed for seed in seeds if seed not in known]
    for seed in missing:
        folder = folders / f"{key[:8]}-{seed}"
        name = f"{search.base.name}, seed {seed}"
        candidate = Candidate(OF_THE_BASE, name, search.base, seed, folder, recipe)
        listener.began(candidate, complete=n_seeds - len(missing), wanted=n_seeds)
        done = train_beside(candidate, evaluate, listener, quality)
        detail = {
            "spec_hash": key,
            "spec": dump_spec(search.base),
            "recipe": recipe.model_dump(mode="json"),
            "steps": done.steps,
            "weights": done.weights,
            "scores": done.scores,
        }
        add(study, [Later(OF_THE_BASE, NOISE, quality, done.value, seed, detail)])
        known[seed] = done.value
    scores = {seed: known[seed] for seed in seeds}
    spread = sigma(list(scores.values()))
    record = {  # which effects and reports read
        "quality": quality,
        "sigma_db": spread.value,
        "low_db": spread.low,
        "high_db": spread.high,
        "n_seeds": len(scores),
        "spec": search.base.name,
        "spec_hash": key,
        "scores": {str(seed): value for seed, value in scores.items()},
    }
    study.set_user_attr(NOISE, record)
    return Floor(spread, scores, tuple(missing))


def _known(study: optuna.Study, search: Search, recipe: Recipe, quality: str) -> dict[int, float]:
    """Seed → score of the trainings of the base by this recipe, in trials and beside them."""
    key, settings = spec_hash(search.base), _without_name(recipe.model_dump(mode="json"))
    judged_by = asked_quality(quality, sources=search.base.sources)
    scores: dict[int, float] = {}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        attrs = trial.user_attrs
        if attrs.get("spec_hash") == key and _without_name(attrs.get("recipe") or {}) == settings:
            scores |= judged_by.by_seed(frame_in(attrs, SCORES, SCORE_COLUMNS[1:]))
    for row in rows_of(study):
        is_same = row.detail.get("spec_hash") == key and row.kind == NOISE
        is_same &= row.convention == quality
        if is_same and _without_name(row.detail["recipe"]) == settings:
            scores[row.seed] = row.value
    return scores


def _without_name(recipe: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in recipe.items() if name != "name"}


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
        trained = train_beside(candidate, evaluate, listener, quality)
        detail: dict[str, Any] = {
            "key": longer.key,
            "recipe": longer.recipe.model_dump(mode="json"),
            "start": longer.start,
            "steps": longer.recipe.n_steps,
            "weights": trained.weights,
            "when": datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
            "scores": trained.scores,
        }
        row = Later(candidate.trial, PROMOTION, quality, trained.value, candidate.seed, detail)
        add(study, [row])
        done[candidate.trial] = row
        note = f"{longer.name}: {quality} {trained.value:.4g}"
        listener.ended(candidate.trial, "complete", note)
    table = [
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
    return pd.DataFrame(table, columns=list(PROMOTED_COLUMNS))


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
        address = trial.weights if isinstance(trial.weights, str) else ""
        with at_hand(address) as weights:
            if weights is None:
                raise UsageError(
                    f"the weights of trial {trial.trial} are not there "
                    f"({address or 'none recorded'}): take --start scratch"
                )
            if is_url(address):
                folder.mkdir(parents=True, exist_ok=True)
                weights = Path(shutil.copy(weights, folder / "start.safetensors"))
    spec = parse_spec(trial.spec)
    name, seed = str(trial["name"]), int(trial.seed)
    return Candidate(int(trial.trial), name, spec, seed, folder, longer.recipe, weights)
