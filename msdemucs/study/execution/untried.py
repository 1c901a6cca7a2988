"""What a study tries in place of a trial that repeated another, where combinations can be listed.

Samplers repeat themselves: soon, where there are few combinations. A copy of a result is no trial
of its own, so that a study which waited for its sampler to find the last combinations might record
hundreds of copies. Each repetition is made up for by a combination that nobody has tried; a study
therefore records at most twice as many trials as there are combinations, and comes to an end.
"""

import random
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from msdemucs.study.samplers.rungs import RESUMES
from msdemucs.study.search_space.space import SearchSpace
from msdemucs.study.search_space.variations import as_key, untried
from msdemucs.study.storage.leases import INTERRUPTED, KILLED
from msdemucs.study.trial.result_cache import RESULT_KEY

INSTEAD_OF = "instead_of"
"""On a trial that makes up for one which repeated another: the number of that one."""


def count_trainings(trials: Sequence[FrozenTrial]) -> int:
    """Return how many different trainings trials stand for; each counts that recorded no key."""
    return len({_training(trial) for trial in trials})


def repetitions(trials: Sequence[FrozenTrial]) -> list[int]:
    """Return the numbers of the trials that were drawn and tried what another one had.

    The first of those that are alike is none; nor are baselines, trials that go on with another's
    training, and trials that were cut short, which others repeat.
    """
    seen: set[object] = set()
    found = []
    for trial in trials:
        is_cut_short = trial.user_attrs.get("failure") in (KILLED, INTERRUPTED)
        if not trial.state.is_finished() or is_cut_short:
            continue
        marks = {as_key(trial.params), _training(trial)}
        is_drawn = not {"baseline", RESUMES} & set(trial.user_attrs)
        if is_drawn and marks & seen:
            found.append(trial.number)
        seen |= marks
    return found


def enqueue_untried(
    study: optuna.Study, trials: Sequence[FrozenTrial], *, space: SearchSpace
) -> bool:
    """Enqueue a combination that nobody has tried for the first repetition not made up for yet.

    Call it while holding the study's lock. Which one it is depends on the sampler's seed.

    Args:
        study: to enqueue it in.
        trials: all of the study's.
        space: whose combinations can be listed.

    Returns:
        Whether there is one: not where something waits, where each repetition was made up for, or
        where all was tried.
    """
    if any(trial.state == TrialState.WAITING for trial in trials):
        return False
    made_up = {trial.user_attrs.get(INSTEAD_OF) for trial in trials}
    number = next((one for one in repetitions(trials) if one not in made_up), None)
    if number is None:
        return False
    new = [*untried(space.vary, trials)]
    if not new:
        return False
    chance = random.Random(f"untried {space.sampler.seed} {number}")  # noqa: S311 (no secret)
    study.enqueue_trial(dict(chance.choice(new)), user_attrs={INSTEAD_OF: number})
    return True


def _training(trial: FrozenTrial) -> object:
    """What two trials share that are one training; its number where none is on record."""
    return trial.user_attrs.get(RESULT_KEY, trial.number)
