"""A study removed: its trials, what was computed later, and its folder."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import TrialState

from msdemucs.errors import UsageError
from msdemucs.study.storage.folders import ArtifactStore, is_url, owner_of
from msdemucs.study.storage.leases import StaleTrialWatch, owner_text
from msdemucs.study.storage.load import (
    locate_study,
    only_study,
    open_storage,
    open_study,
    study_names,
)
from msdemucs.study.storage.results import BEGUN, remove, rows_of
from msdemucs.study.storage.urls import STUDIES, database_path, study_folder, without_password


@dataclass(frozen=True)
class Doomed:
    """What goes when a study is removed.

    Attributes:
        study: its name.
        url: its database, with password.
        n_trials: how many trials, whatever their state.
        running: those of them that seem to be at work, each with a word about who runs it.
        n_later: rows of the side table.
        folder: of weights and logs; None where there is none, or nothing in it says
            that it is this study's.
        place: the URL of weights and logs that are kept elsewhere; "" for none.
        files: the database's own files, where it holds nothing else; some may not be there.
    """

    study: str
    url: str
    n_trials: int
    running: tuple[str, ...]
    n_later: int
    folder: Path | None
    files: tuple[Path, ...]
    place: str = ""

    def __str__(self) -> str:
        """What goes, in words."""
        parts = [f"{self.n_trials} trials of study {self.study} in {without_password(self.url)}"]
        if self.n_later:
            parts.append(f"{self.n_later} later results")
        if self.folder:
            parts.append(f"the folder {self.folder}")
        if self.place:
            parts.append(f"all under {self.place}")
        return ", ".join(parts)


def doomed(study: str, *, storage: str | None = None) -> Doomed:
    """What would go; nothing is removed.

    Args:
        study: its name, or the path or URL of a database that holds one study.
        storage: URL of the database, for a name that is not under studies/.

    Raises:
        UsageError: there is no such study or database.
        StudyError: the database cannot be opened.
    """
    name, url = locate_study(study, storage)
    opened = open_storage(url)
    stored = open_study(opened, name or only_study(opened, study))
    folder, owner = study_folder(stored.study_name), owner_of(study_folder(stored.study_name))
    attrs = stored.user_attrs
    is_owned = owner is not None and owner.started == str(attrs.get("started", ""))
    # another program's attributes mean something else
    place = str(attrs.get("joining", {}).get("folder", "")) if BEGUN in attrs else ""
    path = database_path(url)
    files: list[Path] = []
    if path is not None and len(study_names(opened)) == 1 and path.parent == STUDIES:
        files = [path, *(path.with_name(path.name + end) for end in (".lock", ".turn"))]
    return Doomed(
        stored.study_name,
        url,
        len(stored.get_trials(deepcopy=False)),
        _running(stored),
        len(rows_of(stored)),
        folder if folder.is_dir() and is_owned else None,
        tuple(files),
        place if is_url(place) else "",
    )


def remove_study(what: Doomed, *, even_running: bool = False) -> None:
    """Remove a study for good: its record first, then its files.

    Args:
        what: what to remove.
        even_running: whether processes may be at work on it, which then fail.

    Raises:
        UsageError: it is gone already, or processes are at work on it.
        StudyError: the database cannot be opened.
        CheckpointError: what lies under a URL cannot be removed.
    """
    opened = open_storage(what.url)
    with opened.study_lock(what.study):  # no trial begins meanwhile, as one may have since
        study = open_study(opened, what.study)
        running = _running(study)
        if running and not even_running:
            raise UsageError(
                f"study “{what.study}” is being worked on ({'; '.join(running)}): stop that "
                "first, or take --force if nobody is there any more"
            )
        remove(study)
        optuna.delete_study(study_name=what.study, storage=opened)
    if what.place:
        ArtifactStore(what.place).remove()
    if what.folder:
        shutil.rmtree(what.folder)
    for file in what.files:
        file.unlink(missing_ok=True)


def _running(study: optuna.Study) -> tuple[str, ...]:
    """The trials that somebody may be running, here or elsewhere, each with a word about who."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    watch = StaleTrialWatch(study._storage)
    return tuple(f"trial {t.number}, {owner_text(t)}" for t in trials if not watch.is_stale(t))
