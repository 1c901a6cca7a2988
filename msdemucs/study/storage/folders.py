"""Whose is a folder of weights and logs? Studies of one name in two databases would share it."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna

from msdemucs.errors import UsageError
from msdemucs.files import write_text
from msdemucs.study.storage.databases import StudyStorage
from msdemucs.study.storage.studies import study_names
from msdemucs.study.storage.urls import database_path, without_password

OWNER = "study.json"
"""The file in a study's folder that says whose it is."""


@dataclass(frozen=True)
class Owner:
    """A study as its folder knows it.

    Attributes:
        study: its name.
        database: the path of its file, or its URL without password.
        started: when it was begun, which tells it from a later one of the same name.
    """

    study: str
    database: str
    started: str


def refuse_taken(folder: Path, storage: StudyStorage, url: str, name: str) -> None:
    """Raise UsageError for a folder of another study; call it in the study's lock.

    A folder whose database was deleted by hand is free.

    Args:
        folder: of the study's files.
        storage: where the study is or will be.
        url: of that storage.
        name: of the study.

    Raises:
        UsageError: it is another study's, whose weights would be written over.
    """
    owner = owner_of(folder)
    if owner is None:
        return
    if name in study_names(storage):
        study = optuna.load_study(study_name=name, storage=storage)
        is_own = _owner(study, url).started == owner.started
    else:
        is_own = owner.database == _place(url)  # it was removed from there
    is_gone = Path(owner.database).is_absolute() and not Path(owner.database).exists()
    if not (is_own or is_gone):
        raise UsageError(
            f"{folder} holds the weights and logs of study “{owner.study}” in {owner.database}, "
            f"which this one in {_place(url)} would write over: call it something else with --name"
        )


def claim_folder(folder: Path, study: optuna.Study, url: str) -> None:
    """Write down in a folder whose it is."""
    owner = _owner(study, url)
    if owner_of(folder) == owner:
        return
    write_text(folder / OWNER, json.dumps(asdict(owner), ensure_ascii=False) + "\n")


def is_owned(folder: Path, study: optuna.Study) -> bool:
    """Whether it is written down in a folder that it is a study's."""
    owner = owner_of(folder)
    return owner is not None and owner.started == str(study.user_attrs.get("started", ""))


def owner_of(folder: Path) -> Owner | None:
    """The study that a folder belongs to; None where nothing says so."""
    with suppress(OSError, ValueError, TypeError):
        return Owner(**json.loads((folder / OWNER).read_text(encoding="utf-8")))
    return None


def _owner(study: optuna.Study, url: str) -> Owner:
    return Owner(study.study_name, _place(url), str(study.user_attrs.get("started", "")))


def _place(url: str) -> str:
    path = database_path(url)
    return without_password(url) if path is None else str(path.absolute())
