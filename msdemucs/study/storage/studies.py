"""Where studies are kept: SQLite files under studies/, or any database that Optuna can open."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import optuna
from sqlalchemy.exc import SQLAlchemyError

from msdemucs.errors import StudyError, UsageError
from msdemucs.files import differences
from msdemucs.spec import dump_spec, nearest
from msdemucs.study.records import split_of
from msdemucs.study.search_space.fields import expressed
from msdemucs.study.search_space.sampling import known_experiments
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.databases import Database, StudyStorage, making
from msdemucs.study.storage.extending import extend, only_adds
from msdemucs.study.storage.foreign import refuse_other_files
from msdemucs.study.storage.journal import Journal
from msdemucs.study.storage.queue import enqueue_arms
from msdemucs.study.storage.states import BEGUN
from msdemucs.study.storage.urls import check_url, database_path, without_password


def open_storage(url: str, *, create: bool = False) -> StudyStorage:
    """An open storage.

    Args:
        url: sqlite:///studies/a.db, journal:///studies/a.journal,
            postgresql+psycopg://user@host/name.
        create: make a file, and its folder, where there is none.

    Raises:
        UsageError: no URL, no such file, no driver.
        StudyError: no access, not a storage of Optuna's; an SQLite file that is to be read and
            holds no studies is left as it is.
    """
    check_url(url)
    path = database_path(url)
    if path is not None and create:
        path.parent.mkdir(parents=True, exist_ok=True)
    elif path is not None and not path.is_file():
        raise UsageError(f"there is no study database {path}")
    elif path is not None and url.startswith("sqlite"):
        refuse_other_files(path, shown=without_password(url))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if url.startswith("journal:") and path:
            return Journal(path)
        if not create:
            return Database(url)
        with making(url):
            opened = Database(url)
            opened.add_index()
            return opened
    except (SQLAlchemyError, RuntimeError, OSError, ValueError, KeyError) as error:
        reason = str(getattr(error, "orig", None) or error)
    raise StudyError(f"cannot open {without_password(url)}: {reason}")


def study_names(storage: StudyStorage) -> list[str]:
    """The names of the studies in a database, oldest first."""
    return [study.study_name for study in storage.get_all_studies()]


def open_study(storage: StudyStorage, name: str) -> optuna.Study:
    """A study of a database, to be read.

    Raises:
        UsageError: there is none of that name.
    """
    names = study_names(storage)
    if name not in names:
        hint = nearest(name, names) if names else "it holds none"
        raise UsageError(f"there is no study “{name}” in this database; {hint}")
    return optuna.load_study(study_name=name, storage=storage)


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
    asked = json.loads(json.dumps({**_asked(search), **_compared(attrs)}))
    _refuse_differences(study, asked, extends=extends)
    if extends:
        _extend(study, storage, search, asked)
        # what was read before has the old values' lists beside it
        study = optuna.load_study(study_name=space.name, storage=storage)
    enqueue_arms(study, search)
    return study


def _extend(
    study: optuna.Study, storage: StudyStorage, search: Search, asked: Mapping[str, object]
) -> None:
    """Take in what is asked now: parameters, then baselines, then the record of what is asked."""
    extend(study, storage, search)
    known = {trial.user_attrs.get("baseline") for trial in study.get_trials(deepcopy=False)}
    for name, spec in search.baselines.items():
        if name not in known:
            study.enqueue_trial(
                dict(expressed(spec, search.space.vary)), user_attrs={"baseline": name}
            )
    study.set_user_attr("search_space", search.text)
    study.set_user_attr(BEGUN, asked)


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
    enqueue_arms(study, search)
    study.set_user_attr(BEGUN, {**_asked(search), **_compared(attrs)})
    return study


def _asked(search: Search) -> dict[str, object]:
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


def _refuse_differences(study: optuna.Study, asked: Mapping[str, object], *, extends: bool) -> None:
    """Raise UsageError for a study that asked something else, beyond what extends it.

    Raises:
        UsageError: it asked something else, or is no study of msdemucs.
    """
    name, before = study.study_name, study.user_attrs.get(BEGUN)
    if before is None:
        raise UsageError(f"study “{name}” was not begun by msdemucs; use another --name")
    beyond = only_adds(before, asked)
    refused = beyond if extends else list(dict.fromkeys((*before, *asked)))
    changes = [
        line for field in refused for line in _changes(_at(before, field), _at(asked, field), field)
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


def _at(asked: Mapping[str, object], field: str) -> object:
    """The value of a field, or of an entry of one: "vary.channels.start"."""
    name, _, entry = field.partition(".")
    value = asked.get(name)
    return value.get(entry) if entry and isinstance(value, dict) else value


def _changes(before: object, now: object, field: str = "") -> list[str]:
    """A line for every dotted field that differs."""
    return [
        f"{place}: {_short(old)} → {_short(new)}"
        for place, old, new in differences(before, now, field)
    ]


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


def _short(value: object) -> str:
    """A value in at most one line."""
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:97] + "…"
