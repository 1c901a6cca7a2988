"""What a study records so that any host can work on it, and how a process joins."""

import os
from pathlib import Path
from typing import Any

import optuna

from msdemucs.errors import StudyError, UsageError
from msdemucs.files import cause_of
from msdemucs.spec import validate_data
from msdemucs.study.samplers.study_sampler import make_sampler
from msdemucs.study.search_space.loading import parse_search_space
from msdemucs.study.search_space.space import EMBEDDED_BAND, EMBEDDED_SAMPLE, Search, SearchSpace
from msdemucs.study.storage.artifact_store import is_url
from msdemucs.study.storage.databases import StudyStorage

JOINING, WANTED, PROCESSES = "joining", "wanted", "processes"
"""Attributes of a study: how to join it, its number of trials, how many processes ever joined."""

FAR_APART = 1000
"""Between the seeds of the proposals of two processes."""


def remember(study: optuna.Study, search: Search, folder: str | Path) -> None:
    """Record what a process elsewhere needs to work on the study.

    Args:
        study: just begun or continued.
        search: what it asks; relative paths are recorded from the root of the file system.
        folder: where its trials' folders lie: a path, or a URL.
    """
    space = search.space.model_dump(mode="json")
    for split, roots in space["data"].items():
        space["data"][split] = roots and [str(Path(root).absolute()) for root in roots]
    about = {
        "path": str(search.path.absolute()),
        "space": space,
        "folder": absolute(folder),
        "directory": str(Path.cwd()),
    }
    attrs = study.user_attrs
    for key, value in ((JOINING, about), (WANTED, search.space.trials)):
        if attrs.get(key) != value:
            study.set_user_attr(key, value)


def search_of_study(study: optuna.Study) -> tuple[Search, str]:
    """What a study asks, from its own records, and the path or URL of its trials' folders.

    Raises:
        UsageError: the study was begun by an earlier version, or not by msdemucs.
        SpecError: a spec beside the search space is not there on this host.
    """
    attrs = study.user_attrs
    about: dict[str, Any] | None = attrs.get(JOINING)
    if about is None:
        raise UsageError(
            f"study “{study.study_name}” does not say how to join it: run the command that began "
            "it, msdemucs study run, once more"
        )
    path, is_small = Path(about["path"]), attrs["setting"] == "small"
    search = parse_search_space(attrs["search_space"], path, small=is_small)
    asked = about["space"]
    data = {
        split: roots and [_here(root) for root in roots] for split, roots in asked["data"].items()
    }
    origin = f"study {study.study_name}"
    space = validate_data({**asked, "data": data}, SearchSpace, origin=origin)
    return search.as_asked(space), str(about["folder"])


def recorded_folder(study: optuna.Study) -> str:
    """The path or URL of a study's trials' folders; "" for one that was not begun yet."""
    return str(study.user_attrs.get(JOINING, {}).get("folder", ""))


def seed_sampler(study: optuna.Study, search: Search, storage: StudyStorage) -> None:
    """Give this process a sampler whose draws are no other process's."""
    with storage.study_lock(study.study_name):
        before = int(study.user_attrs.get(PROCESSES, 0))
        study.set_user_attr(PROCESSES, before + 1)
        drawn = len(study.get_trials(deepcopy=False)) + FAR_APART * before
    study.sampler = make_sampler(search, drawn=drawn)


def absolute(folder: str | Path) -> str:
    """A folder for trials as any host may read it: a URL, or a path from the root."""
    return str(folder) if is_url(str(folder)) else str(Path(folder).absolute())


def writable_folder(folder: str | Path) -> str | Path:
    """A folder for trials that can be written to; a URL, which each trial will try.

    Raises:
        StudyError: it cannot.
    """
    if is_url(str(folder)):
        return folder
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"{folder}: cannot be made on this host: {cause_of(error)}; name a folder that "
            "all hosts share with --folder"
        ) from None
    if not os.access(folder, os.W_OK):
        raise StudyError(f"{folder}: cannot be written to; name another folder with --folder")
    return folder


def _here(root: str) -> str:
    """A folder of tracks; an embedded one that is not on this host is made by this process."""
    for embedded in (EMBEDDED_BAND, EMBEDDED_SAMPLE):
        if root.endswith(f"/{embedded}") and not Path(root).is_dir():
            return embedded
    return root
