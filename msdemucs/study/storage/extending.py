"""A search space that was changed while its study is there: what only adds may be taken in.

Optuna has no place for a choice that is added: a parameter of choices keeps those that it was first
drawn from, for all trials of a study, and refuses others ("CategoricalDistribution does not support
dynamic value space"). It stores a choice as its position, though, so that choices added at the end
leave every stored value as it was. What remains is to write the longer list beside the stored
positions, in one transaction, while nobody works on the study; likewise the ends of a range, since
samplers would otherwise take a parameter with other ends for another parameter. A journal file is
only ever appended to, so that it cannot be extended in this way.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import TrialState

from msdemucs.errors import UsageError
from msdemucs.study.ablation.designs import beyond_adding
from msdemucs.study.search_space.space import Search
from msdemucs.study.search_space.variations import Variation
from msdemucs.study.storage.databases import Database, StudyStorage
from msdemucs.study.storage.leases import StaleTrialWatch, owner_text, recover


def only_adds(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The dotted fields in which what is asked now does more than add to what was asked before.

    Adding is: a choice after the others, wider ends of a range, a parameter that baselines keep
    their own value of, a baseline; of an ablation, further seeds, alternatives and factors.
    """
    fields = dict.fromkeys((*before, *now))
    found: list[str] = []
    if before.get("mode") == now.get("mode") == "ablation":
        found = beyond_adding(before, now)
        fields = {field: None for field in fields if field not in ("factors", "repeats")}
    own = (name for field in fields for name in _beyond(field, before.get(field), now.get(field)))
    return [*found, *own]


def extend(study: optuna.Study, storage: StudyStorage, search: Search) -> None:
    """Take the parameters of a search space over into its study; call it in the study's lock.

    Raises:
        UsageError: other processes are at work on the study, or it is in a journal file.
    """
    stored = _stored(study)
    changed = {
        name: variation.distribution
        for name, variation in search.space.vary.items()
        if name in stored and stored[name] != variation.distribution
    }
    if not changed:
        return
    if not isinstance(storage, Database):
        names = ", ".join(changed)
        raise UsageError(
            f"{names}: a journal file cannot take in new values of parameters that were drawn "
            "already; begin another study with --name, or keep studies in a database"
        )
    recover(study, StaleTrialWatch(), study.get_trials(deepcopy=False))
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    if running:
        who = "; ".join(f"trial {trial.number}, {owner_text(trial)}" for trial in running)
        raise UsageError(f"cannot extend a study while others work on it ({who}): stop them first")
    _rewrite(study, storage, changed)


def _rewrite(
    study: optuna.Study, storage: Database, changed: Mapping[str, BaseDistribution]
) -> None:
    """Write new distributions beside the stored values of a study, all or none."""
    statement = sqlalchemy.text(
        "UPDATE trial_params SET distribution_json = :new WHERE param_name = :name AND trial_id IN "
        "(SELECT trial_id FROM trials WHERE study_id = :study)"
    )
    with storage.engine.begin() as connection:
        for name, distribution in changed.items():
            values = {"new": distribution_to_json(distribution), "name": name}
            connection.execute(statement, {**values, "study": study._study_id})


def _stored(study: optuna.Study) -> dict[str, BaseDistribution]:
    """The distribution of each parameter that was drawn."""
    found: dict[str, BaseDistribution] = {}
    for trial in study.get_trials(deepcopy=False):
        found |= trial.distributions
    return found


def _beyond(field: str, before: object, now: object) -> Iterator[str]:
    """The dotted fields below one in which more than additions were made."""
    if before == now:
        return
    if field == "vary" and isinstance(before, dict) and isinstance(now, dict):
        for name in before:
            if name not in now or not _widens(before[name], now[name]):
                yield f"vary.{name}"
        return
    if field == "baselines" and isinstance(before, dict) and isinstance(now, dict):
        yield from (f"baselines.{name}" for name in before if before[name] != now.get(name))
        return
    yield field


def _widens(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a variation has all values of another, in places where Optuna keeps them."""
    if {**before, "choice": 0, "int": 0, "float": 0} != {**now, "choice": 0, "int": 0, "float": 0}:
        return False
    old, new = (Variation.model_validate_json(json.dumps(one)) for one in (before, now))
    if old.options:
        count = len(old.options)
        return json.dumps(old.options) == json.dumps(new.options[:count])
    low, high = old.int or old.float or (0, 0)
    if new.options or (new.int is None) != (old.int is None):
        return False
    return new.contains(low) and new.contains(high)
