"""What waits in a study to be trained: an ablation's arms, with every seed."""

from collections import Counter

import optuna
from optuna.trial import FrozenTrial, TrialState

from msdemucs.study.ablation.arms import ABOUT, about_ablation
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.leases import INTERRUPTED, MOST_KILLS, retry_lost


def enqueue_arms(study: optuna.Study, search: Search) -> int:
    """Enqueue every arm with every seed that is not trained, waiting or in work, seed by seed.

    The study's attribute ABOUT is then what the search asks. An arm that failed MOST_KILLS times is
    left alone.

    Returns:
        How many were enqueued.
    """
    if search.arms and study.user_attrs.get(ABOUT) != about_ablation(search):
        study.set_user_attr(ABOUT, about_ablation(search))
    retry_lost(study, study.get_trials(deepcopy=False))
    trials = study.get_trials(deepcopy=False)
    known = {_pair(trial) for trial in trials if trial.state != TrialState.FAIL}
    failures = Counter(_pair(trial) for trial in trials if _failed(trial))
    known |= {pair for pair, count in failures.items() if count >= MOST_KILLS}
    first = search.space.seed
    missing = [
        (arm, seed)
        for seed in range(first, first + search.space.repeats)
        for arm in search.arms.values()
        if (arm.name, seed) not in known
    ]
    for arm, seed in missing:
        attrs = {"arm_name": arm.name, "arm": arm.levels, "seed": seed}
        study.enqueue_trial({}, user_attrs=attrs)
    return len(missing)


def _failed(trial: FrozenTrial) -> bool:
    """Whether a trial failed by itself."""
    is_interrupted = trial.user_attrs.get("failure") == INTERRUPTED
    return trial.state == TrialState.FAIL and not is_interrupted


def _pair(trial: FrozenTrial) -> tuple[object, object]:
    return trial.user_attrs.get("arm_name"), trial.user_attrs.get("seed")
