"""The noise floor: how much one training's score depends on its seed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.trial import TrialState

from msdemucs.analysis.statistics import Interval, sigma
from msdemucs.spec import dump_spec, spec_hash
from msdemucs.study.followups.extra_training import train_beside
from msdemucs.study.records import NOISE, SCORE_COLUMNS, asked_quality, ranked_by
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.followup_table import OF_THE_BASE, Later, add, rows_of
from msdemucs.study.storage.scores import SCORES, frame_in
from msdemucs.study.storage.urls import STUDIES, study_folder
from msdemucs.study.trial.candidate import Candidate, Listener
from msdemucs.study.trial.recorder import Evaluate

if TYPE_CHECKING:
    from msdemucs.train.recipe import Recipe


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
    recipe = search.recipe({})
    wanted = range(search.space.seed, search.space.seed + n_seeds)
    quality = ranked_by(search.space.objectives)[0]
    known = _known(study, search, recipe, quality)
    missing = [seed for seed in wanted if seed not in known]
    for seed in missing:
        folder = study_folder(study.study_name, directory) / NOISE / f"{_key(search)}-{seed}"
        name = f"{search.base.name}, seed {seed}"
        candidate = Candidate(OF_THE_BASE, name, search.base, seed, folder, recipe)
        listener.began(candidate, complete=n_seeds - len(missing), wanted=n_seeds)
        done = train_beside(candidate, evaluate, listener, quality)
        detail = {
            "spec_hash": spec_hash(search.base),
            "spec": dump_spec(search.base),
            "recipe": recipe.model_dump(mode="json"),
            "steps": done.steps,
            "weights": None if done.weights is None else str(done.weights),
            "scores": done.scores,
        }
        add(study, [Later(OF_THE_BASE, NOISE, quality, done.value, seed, detail)])
        known[seed] = done.value
    scores = {seed: known[seed] for seed in wanted}
    found = sigma(list(scores.values()))
    study.set_user_attr(NOISE, _record(search, found, scores, quality))
    return Floor(found, scores, tuple(missing))


def _known(study: optuna.Study, search: Search, recipe: "Recipe", quality: str) -> dict[int, float]:
    """Seed → score of the trainings of the base by this recipe, in trials and beside them."""
    key, asked = spec_hash(search.base), _without_name(recipe.model_dump(mode="json"))
    judged_by = asked_quality(quality, sources=search.base.sources)
    found: dict[int, float] = {}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        attrs = trial.user_attrs
        if attrs.get("spec_hash") == key and _without_name(attrs.get("recipe") or {}) == asked:
            found |= judged_by.by_seed(frame_in(attrs, SCORES, SCORE_COLUMNS[1:]))
    for row in rows_of(study):
        is_same = row.detail.get("spec_hash") == key and row.kind == NOISE
        is_same &= row.convention == quality
        if is_same and _without_name(row.detail["recipe"]) == asked:
            found[row.seed] = row.value
    return found


def _record(
    search: Search, found: Interval, scores: Mapping[int, float], quality: str
) -> dict[str, object]:
    """What the study's attribute holds, and effects and reports read."""
    return {
        "quality": quality,
        "sigma_db": found.value,
        "low_db": found.low,
        "high_db": found.high,
        "n_seeds": len(scores),
        "spec": search.base.name,
        "spec_hash": spec_hash(search.base),
        "scores": {str(seed): value for seed, value in scores.items()},
    }


def _without_name(recipe: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in recipe.items() if name != "name"}


def _key(search: Search) -> str:
    return spec_hash(search.base)[:8]
