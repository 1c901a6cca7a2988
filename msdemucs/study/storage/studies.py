"""A study created, or gone on with as it was asked, or with what its search space has gained.

Optuna has no place for a choice that is added: a parameter of choices keeps those that it was first
drawn from, for all trials of a study, and refuses others ("CategoricalDistribution does not support
dynamic value space"). It stores a choice as its position, though, so that choices added at the end
leave every stored value as it was. What remains is to write the longer list beside the stored
positions, in one transaction, while nobody works on the study; likewise the ends of a range, since
samplers would otherwise take a parameter with other ends for another parameter. A journal file is
only ever appended to, so that it cannot be extended in this way.
"""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import TrialState

from msdemucs.errors import UsageError
from msdemucs.files import differences
from msdemucs.spec import dump_spec
from msdemucs.study.ablation.arms import ABOUT, about_ablation
from msdemucs.study.ablation.designs import beyond_adding
from msdemucs.study.records import split_of
from msdemucs.study.search_space.fields import expressed
from msdemucs.study.search_space.sampling import known_experiments
from msdemucs.study.search_space.space import Search
from msdemucs.study.search_space.variations import Variation
from msdemucs.study.storage.databases import Database, StudyStorage
from msdemucs.study.storage.leases import (
    INTERRUPTED,
    MOST_KILLS,
    StaleTrialWatch,
    owner_text,
    recover,
    retry_lost,
)
from msdemucs.study.storage.load import study_names
from msdemucs.study.storage.results import BEGUN


def create_or_continue(
    search: Search, storage: StudyStorage, attrs: Mapping[str, object], *, extends: bool = False
) -> optuna.Study:
    """The study of a search space: as it was left, or new with its baselines enqueued.

    Call it in the study's lock: another process may be about to do the same.

    Args:
        search: what is asked now.
        storage: where the study is or will be.
        attrs: what to record about a new study beside its search space: recipe, data, machine.
        extends: whether what only adds to what the study asks is taken in.

    Raises:
        UsageError: a study of that name asks something else.
    """
    space = search.space
    if space.name not in study_names(storage):
        return _create(search, storage, attrs)
    study = optuna.load_study(study_name=space.name, storage=storage)
    begun = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name != "WAITING"]
    if BEGUN not in study.user_attrs and not begun:  # its creation was cut short
        optuna.delete_study(study_name=space.name, storage=storage)
        return _create(search, storage, attrs)
    refuse_selected_on_test(study)
    settings = json.loads(json.dumps({**_settings(search), **_compared(attrs)}))
    _refuse_differences(study, settings, extends=extends)
    if extends:
        _extend(study, storage, search, settings)
        # what was read before has the old values' lists beside it
        study = optuna.load_study(study_name=space.name, storage=storage)
    _enqueue_arms(study, search)
    return study


def _create(search: Search, storage: StudyStorage, attrs: Mapping[str, object]) -> optuna.Study:
    space = search.space
    study = optuna.create_study(
        study_name=space.name,
        storage=storage,
        directions=list(space.objectives.values()),
    )
    with known_experiments():
        study.set_metric_names(list(space.objectives))
    title = space.title or space.name
    about = {
        "title": title,
        "search_space": search.text,
        "base": search.base.name,
        "setting": search.setting,
        "started": datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        **attrs,
    }
    for key, value in about.items():
        study.set_user_attr(key, value)
    for name, spec in search.baselines.items():
        study.enqueue_trial(dict(expressed(spec, space.vary)), user_attrs={"baseline": name})
    _enqueue_arms(study, search)
    study.set_user_attr(BEGUN, {**_settings(search), **_compared(attrs)})
    return study


def _extend(
    study: optuna.Study, storage: StudyStorage, search: Search, settings: Mapping[str, object]
) -> None:
    """Take in what is asked now: parameters, then baselines, then the record of what is asked.

    Raises:
        UsageError: other processes are at work on the study, or it is in a journal file.
    """
    trials = study.get_trials(deepcopy=False)
    stored = {name: drawn for trial in trials for name, drawn in trial.distributions.items()}
    changed = {
        name: variation.distribution
        for name, variation in search.space.vary.items()
        if name in stored and stored[name] != variation.distribution
    }
    if changed:
        _rewrite(study, storage, changed)
    known = {trial.user_attrs.get("baseline") for trial in study.get_trials(deepcopy=False)}
    for name, spec in search.baselines.items():
        if name not in known:
            params = dict(expressed(spec, search.space.vary))
            study.enqueue_trial(params, user_attrs={"baseline": name})
    study.set_user_attr("search_space", search.text)
    study.set_user_attr(BEGUN, settings)


def _rewrite(
    study: optuna.Study, storage: StudyStorage, changed: Mapping[str, BaseDistribution]
) -> None:
    """Write new distributions beside the stored values of a study, all or none.

    Raises:
        UsageError: as `_extend`.
    """
    if not isinstance(storage, Database):
        names = ", ".join(changed)
        raise UsageError(
            f"{names}: a journal file cannot take in new values of parameters that were drawn "
            "already; begin another study with --name, or keep studies in a database"
        )
    recover(study, StaleTrialWatch(storage), study.get_trials(deepcopy=False))
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    if running:
        who = "; ".join(f"trial {trial.number}, {owner_text(trial)}" for trial in running)
        raise UsageError(f"cannot extend a study while others work on it ({who}): stop them first")
    statement = sqlalchemy.text(
        "UPDATE trial_params SET distribution_json = :new WHERE param_name = :name AND trial_id IN "
        "(SELECT trial_id FROM trials WHERE study_id = :study)"
    )
    with storage.engine.begin() as connection:
        for name, distribution in changed.items():
            values = {"new": distribution_to_json(distribution), "name": name}
            connection.execute(statement, {**values, "study": study._study_id})


def _enqueue_arms(study: optuna.Study, search: Search) -> None:
    """Enqueue every arm with every seed that is not trained, waiting or in work, seed by seed.

    The study's attribute ABOUT is then what the search asks. An arm that failed MOST_KILLS times is
    left alone.
    """
    if search.arms and study.user_attrs.get(ABOUT) != about_ablation(search):
        study.set_user_attr(ABOUT, about_ablation(search))
    retry_lost(study, study.get_trials(deepcopy=False))
    trials = study.get_trials(deepcopy=False)
    failures: Counter[tuple[object, object]] = Counter()
    known: set[tuple[object, object]] = set()
    for trial in trials:
        arm_and_seed = trial.user_attrs.get("arm_name"), trial.user_attrs.get("seed")
        if trial.state != TrialState.FAIL:
            known.add(arm_and_seed)
        elif trial.user_attrs.get("failure") != INTERRUPTED:  # it failed by itself
            failures[arm_and_seed] += 1
    known |= {pair for pair, count in failures.items() if count >= MOST_KILLS}
    first = search.space.seed
    for seed in range(first, first + search.space.repeats):
        for arm in search.arms.values():
            if (arm.name, seed) not in known:
                attrs = {"arm_name": arm.name, "arm": arm.levels, "seed": seed}
                study.enqueue_trial({}, user_attrs=attrs)


def _settings(search: Search) -> dict[str, object]:
    """What decides a study's trials; the number of trials and the title may change later."""
    space = search.space.model_dump(mode="json")
    for free in ("name", "title", "trials", "base", "baselines", "set", "data", "recipe"):
        space.pop(free, None)
    specs = {name: dump_spec(spec) for name, spec in search.baselines.items()}
    return {**space, "base": dump_spec(search.base), "baselines": specs, "setting": search.setting}


def _compared(attrs: Mapping[str, object]) -> dict[str, object]:
    """The recorded facts that must be the same when a study goes on."""
    compared = {key: attrs[key] for key in ("recipe", "data", "tracks") if key in attrs}
    data = compared.get("data")
    if isinstance(data, dict) and "tracks" in compared:  # which say what a hash does not
        compared["data"] = {key: value for key, value in data.items() if key != "hash"}
    return compared


def _refuse_differences(
    study: optuna.Study, settings: Mapping[str, object], *, extends: bool
) -> None:
    """Raise UsageError for a study that asked something else, beyond what extends it.

    Raises:
        UsageError: it asked something else, or is no study of msdemucs.
    """
    name, before = study.study_name, study.user_attrs.get(BEGUN)
    if before is None:
        raise UsageError(f"study “{name}” was not begun by msdemucs; use another --name")
    beyond = only_adds(before, settings)
    refused = beyond if extends else list(dict.fromkeys((*before, *settings)))
    changes = [
        line
        for field in refused
        for line in _changes(_at(before, field), _at(settings, field), field)
    ]
    if not changes:
        return
    shown = "\n".join(f"  {change}" for change in changes[:10])
    more = f"\n  … and {len(changes) - 10} more" if len(changes) > 10 else ""
    if extends:
        remedy = "--extend takes in only what adds to it; begin another study with --name"
    elif beyond:
        remedy = "Undo the change to continue it, or begin another study with --name"
    else:
        remedy = "This only adds to it: --extend takes it in. Or begin another study with --name"
    raise UsageError(
        f"study “{name}” was begun with another search space, recipe or tracks:\n"
        f"{shown}{more}\n{remedy}"
    )


def only_adds(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The dotted fields in which what is asked now does more than add to what was asked before.

    Adding is: a choice after the others, wider ends of a range, a parameter that baselines keep
    their own value of, a baseline; of an ablation, further seeds, alternatives and factors.
    """
    fields = dict.fromkeys((*before, *now))
    beyond: list[str] = []
    if before.get("mode") == now.get("mode") == "ablation":
        beyond = beyond_adding(before, now)
        fields = {field: None for field in fields if field not in ("factors", "repeats")}
    for field in fields:
        old, new = before.get(field), now.get(field)
        if old == new:
            continue
        if not isinstance(old, dict) or not isinstance(new, dict):
            beyond.append(field)
        elif field == "vary":
            names = [name for name in old if name not in new or not _widens(old[name], new[name])]
            beyond += [f"vary.{name}" for name in names]
        elif field == "baselines":
            beyond += [f"baselines.{name}" for name in old if old[name] != new.get(name)]
        else:
            beyond.append(field)
    return beyond


def _widens(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a variation has all values of another, in places where Optuna keeps them."""
    if {**before, "choice": 0, "int": 0, "float": 0} != {**now, "choice": 0, "int": 0, "float": 0}:
        return False
    old, new = (Variation.model_validate_json(json.dumps(each)) for each in (before, now))
    if old.options:
        count = len(old.options)
        return json.dumps(old.options) == json.dumps(new.options[:count])
    low, high = old.int or old.float or (0, 0)
    if new.options or (new.int is None) != (old.int is None):
        return False
    return new.contains(low) and new.contains(high)


def _at(settings: Mapping[str, object], field: str) -> object:
    """The value of a field, or of an entry of one: "vary.channels.start"."""
    name, _, entry = field.partition(".")
    value = settings.get(name)
    return value.get(entry) if entry and isinstance(value, dict) else value


def _changes(before: object, now: object, field: str = "") -> list[str]:
    """A line for every dotted field that differs."""
    return [
        f"{place}: {_short(old)} → {_short(new)}"
        for place, old, new in differences(before, now, field)
    ]


def _short(value: object) -> str:
    """A value in at most one line."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "…"


def refuse_selected_on_test(study: optuna.Study) -> None:
    """Raise UsageError for a study that was begun before studies had validation tracks.

    Raises:
        UsageError: its trials so far were chosen by test tracks.
    """
    if split_of(study.user_attrs) == "test":
        raise UsageError(
            f"study “{study.study_name}” has no validation tracks in its data: it was made by an "
            "earlier version, and its trials were chosen by their scores on its test tracks. New "
            "trials are scored on validation tracks, which do not compare. It can be shown, "
            "reported and judged as it is; begin another with --name"
        )


def refuse_other_data(study: optuna.Study, attrs: Mapping[str, object]) -> None:
    """Raise UsageError for a process that joins with another recipe or other data.

    Raises:
        UsageError: it has others, or the study selected on its test tracks.
    """
    refuse_selected_on_test(study)
    before = study.user_attrs.get(BEGUN, {})
    here = json.loads(json.dumps(_compared(attrs)))
    known = {key: before[key] for key in here if key in before}
    if "tracks" in known:  # a caller that reads one split alone tells of that alone
        known["tracks"] = {split: known["tracks"].get(split) for split in here["tracks"]}
    if changes := _changes(known, {key: here[key] for key in known}):
        shown = "\n".join(f"  {change}" for change in changes[:10])
        raise UsageError(
            f"study “{study.study_name}” has other data than this host, or another recipe:\n{shown}"
        )
