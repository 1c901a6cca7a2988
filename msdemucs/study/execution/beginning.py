"""A study begun or gone on with: on record for all who join it, and its faults explained."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from msdemucs.errors import StudyError
from msdemucs.study.execution.joining import recorded_folder, remember
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.artifact_store import ArtifactStore, is_url
from msdemucs.study.storage.databases import StudyStorage, reason_of
from msdemucs.study.storage.folders import claim_folder, refuse_taken
from msdemucs.study.storage.studies import create_or_continue, open_storage
from msdemucs.study.storage.urls import database_path, without_password
from msdemucs.study.trial.candidate import Listener
from msdemucs.study.trial.failures import is_disk_full
from msdemucs.train.devices import Interrupts


def begin_study(
    search: Search,
    url: str,
    folder: str | Path,
    attrs: Mapping[str, object],
    *,
    extends: bool = False,
    is_usual: bool = False,
) -> tuple[optuna.Study, StudyStorage]:
    """A new study or one that goes on, with all on record that others need to join it.

    Where nobody named the folder (`is_usual`), one that goes on keeps the URL that it has.

    Raises:
        UsageError: no storage's URL, or the study of that name asks something else; the folder
            is that of a study in another storage, or a URL that cannot be written to.
        StudyError: the storage cannot be used.
    """
    if is_url(str(folder)):
        ArtifactStore(str(folder)).check()
    opened = open_storage(url, create=True)
    with ExitStack() as on_failure:
        on_failure.callback(opened.close)
        with opened.study_lock(search.space.name):
            home = _home(folder)
            if home:
                refuse_taken(home, opened, url, search.space.name)
            study = create_or_continue(search, opened, attrs, extends=extends)
            if home:
                claim_folder(home, study, url)
            is_kept = is_usual and is_url(recorded_folder(study))
            remember(study, search, recorded_folder(study) if is_kept else folder)
        on_failure.pop_all()
    return study, opened


def _home(folder: str | Path) -> Path | None:
    """The folder that a study claims; None for a URL, where snapshots say whose they are."""
    if is_url(str(folder)):
        return None
    path = Path(folder)
    return path.parent if path.name == "trials" else path


def attend(opened: StudyStorage, listener: Listener, interrupts: Interrupts) -> None:
    """Have a storage tell when it waits for its database, and give up at Ctrl-C."""
    opened.waiting.say = listener.said
    opened.waiting.is_over = lambda: interrupts.is_pending


@contextmanager
def explained(url: str) -> Iterator[None]:
    """A block in which what a storage or a disk does wrong becomes one error with its remedy.

    Raises:
        StudyError: the storage failed, a disk is full, or the study was removed.
        KeyError: a bug.
    """
    shown = without_password(url)
    try:
        yield
    except KeyError as error:
        if "Record does not exist" not in str(error):  # Optuna's words, in all its storages
            raise
        raise StudyError(f"the study is no longer in {shown}: it was removed") from error
    except (StorageInternalError, SQLAlchemyError, OSError) as error:
        if is_disk_full(error, database_path(url) or Path()):
            raise StudyError(
                f"{shown}: no space is left on its disk or on that of the trials' folders; nothing "
                "that was finished is lost: free some, and the same command continues the study"
            ) from error
        raise StudyError(
            f"the database {shown} failed: {reason_of(error)}; "
            "once it works, the same command continues the study"
        ) from error
