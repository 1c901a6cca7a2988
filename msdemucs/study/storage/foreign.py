"""Files that hold no studies: whoever reads them leaves them as they are."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from msdemucs.errors import StudyError
from msdemucs.study.storage.locks import LOCK_TIMEOUT_S, Waiting, told_when_locked

TABLES = frozenset({"studies", "trials", "version_info"})
"""What every SQLite file of Optuna's has; Optuna would write them into any other."""


def refuse_other_files(path: Path, *, shown: str) -> None:
    """Raise StudyError for a file that is no database of studies; it is only read.

    Args:
        path: of an SQLite file.
        shown: its URL as people may see it.

    Raises:
        StudyError: it is empty, no SQLite file, or one of something else.
    """
    try:
        if not path.stat().st_size:
            raise StudyError(f"{path} is empty: no study database")
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT_S)
        with closing(connection) as opened, told_when_locked(path, Waiting()):
            found = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    except (sqlite3.Error, OSError) as error:
        raise StudyError(f"cannot open {shown}: {error}") from error
    names = {str(name) for (name,) in found}
    if not names >= TABLES:
        held = ", ".join(sorted(names)[:5]) or "nothing"
        raise StudyError(f"{path} is no study database: it holds {held}")
