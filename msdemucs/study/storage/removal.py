"""A study removed: its trials, what was computed later, and its folder."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from msdemucs.errors import UsageError
from msdemucs.study.storage.artifact_store import ArtifactStore, is_url
from msdemucs.study.storage.folders import is_owned
from msdemucs.study.storage.followup_table import remove, rows_of
from msdemucs.study.storage.leases import StaleTrialWatch, owner_text
from msdemucs.study.storage.load import locate_study
from msdemucs.study.storage.states import BEGUN
from msdemucs.study.storage.studies import open_storage, open_study, study_names
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
        depot: the URL of weights and logs that are kept elsewhere; "" for none.
        files: the database's own files, where it holds nothing else; some may not be there.
    """

    study: str
    url: str
    n_trials: int
    running: tuple[str, ...]
    n_later: int
    folder: Path | None
    files: tuple[Path, ...]
    depot: str = ""

    def __str__(self) -> str:
        """What goes, in words."""
        parts = [f"{self.n_trials} trials of study {self.study} in {without_password(self.url)}"]
        if self.n_later:
            parts.append(f"{self.n_later} later results")
        if self.folder:
            parts.append(f"the folder {self.folder}")
        if self.depot:
            parts.append(f"all under {self.depot}")
        return ", ".join(parts)


def doomed(study: str, *, storage: str | None = None, directory: Path = STUDIES) -> Doomed:
    """What would go; nothing is removed.

    Args:
        study: its name, or the path or URL of a database that holds one study.
        storage: URL of the database, for a name that is not in `directory`.
        directory: where SQLite files and the trials' folders lie.

    Raises:
        UsageError: there is no such study or database.
        StudyError: the database cannot be opened.
    """
    name, url = locate_study(study, storage)
    opened = open_storage(url)
    names = study_names(opened)
    if name is None and len(names) != 1:
        raise UsageError(f"{study} holds {len(names)} studies; name one, with --storage")
    found = open_study(opened, name or names[0])
    trials = found.get_trials(deepcopy=False)
    folder = study_folder(found.study_name, directory)
    is_ours = BEGUN in found.user_attrs  # another program's attributes mean something else
    joining = found.user_attrs.get("joining", {}) if is_ours else {}
    recorded = str(joining.get("folder", ""))
    path = database_path(url)
    files: list[Path] = []
    if path is not None and len(names) == 1 and path.parent == directory:
        files = [path, *(path.with_name(path.name + end) for end in (".lock", ".turn"))]
    return Doomed(
        found.study_name,
        url,
        len(trials),
        _running(trials),
        len(rows_of(found)),
        folder if folder.is_dir() and is_owned(folder, found) else None,
        tuple(files),
        recorded if is_url(recorded) else "",
    )


def _running(trials: Sequence[FrozenTrial]) -> tuple[str, ...]:
    """The trials that seem to be at work, each with a word about who runs it."""
    return tuple(f"trial {t.number}, {owner_text(t)}" for t in trials if _is_at_work(t))


def _is_at_work(trial: FrozenTrial) -> bool:
    """Whether somebody may be running a trial: a process of this host, or another's of late."""
    return trial.state == TrialState.RUNNING and not StaleTrialWatch().is_stale(trial)


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
    with opened.study_lock(
        what.study
    ):  # no trial begins meanwhile, as one may have since it was asked
        study = open_study(opened, what.study)
        running = _running(study.get_trials(deepcopy=False))
        if running and not even_running:
            raise UsageError(
                f"study “{what.study}” is being worked on ({'; '.join(running)}): stop that "
                "first, or take --force if nobody is there any more"
            )
        remove(study)
        optuna.delete_study(study_name=what.study, storage=opened)
    if what.depot:
        ArtifactStore(what.depot).remove()
    if what.folder:
        shutil.rmtree(what.folder)
    for file in what.files:
        file.unlink(missing_ok=True)
