"""Which storage does a URL or a path name, and how may the URL be shown?"""

import re
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from msdemucs.errors import UsageError
from msdemucs.files import within

STUDIES = Path("studies")
"""Where databases and trial folders land, relative to where the command is run."""

KINDS = ("sqlite", "journal", "postgresql")
"""What a storage's URL begins with."""

JOURNAL_ENDINGS = (".journal", ".log")

SECRET = re.compile(
    r"([?&][^=&]*(?:pass(?!file)|pwd|secret|token|key|sig|cred)[^=&]*=)[^&]*", re.IGNORECASE
)
"""A setting in a URL's query whose value is nobody's business."""


def storage_url(name: str, storage: str | None, directory: Path = STUDIES) -> str:
    """The storage of a study: the one given, else the SQLite file <directory>/<name>.db.

    A path that ends in .journal or .log is a journal file, one that ends in .db an SQLite file.
    """
    if storage is None:
        return file_url(within(directory, name, ".db"))
    is_file = "://" not in storage and storage.endswith((".db", *JOURNAL_ENDINGS))
    return file_url(Path(storage)) if is_file else storage


@dataclass(frozen=True)
class StudyLocation:
    """Where a study is kept: its storage, and the folders of its trials.

    Attributes:
        storage: URL of a storage, or a file's path; an SQLite file in `directory` when None.
        folder: for the trials' folders, a path or a URL; in `directory` when None.
        directory: where SQLite files and the trials' folders lie.
    """

    storage: str | None = None
    folder: str | Path | None = None
    directory: Path = STUDIES

    def url(self, study: str) -> str:
        """The URL of the storage of a study."""
        return storage_url(study, self.storage, self.directory)

    def trials(self, study: str) -> str | Path:
        """The path or URL of the folders of a study's trials."""
        return self.folder or study_folder(study, self.directory) / "trials"


def study_folder(name: str, directory: Path = STUDIES) -> Path:
    """Return where a study's files lie; a stranger's may be called anything, and leads nowhere."""
    return within(directory, name)


def file_url(path: Path) -> str:
    """The URL of a journal or SQLite file, by its ending; what URLs reserve is escaped."""
    kind = "journal" if path.name.endswith(JOURNAL_ENDINGS) else "sqlite"
    return sqlalchemy.URL.create(kind, database=str(path)).render_as_string()


def database_path(url: str) -> Path | None:
    """The file of an SQLite or journal URL; None for a server's."""
    if not re.match(r"(?:sqlite(?:\+\w+)?|journal):///.", url):
        return None
    return Path(sqlalchemy.make_url(url).database or "")


def without_password(url: str) -> str:
    """The URL of a database or of fsspec as it may be shown and recorded: “…” for each secret.

    A secret is the password before the host, whatever characters it has, and settings such as
    `?password=`. Of what only looks like a URL more is hidden rather than less.
    """
    chain = re.split(r"::(?=[\w+.-]+(?:://|::|$))", url)  # fsspec's: simplecache::sftp://…
    return "::".join(SECRET.sub(r"\1…", _without_login(part)) for part in chain)


def _without_login(url: str) -> str:
    """The URL without the password that stands before its host, or in the host's place."""
    scheme = re.match(r"[\w+.-]+://", url)
    start = scheme[0] if scheme else ""
    address = url.removeprefix(start)
    query = re.compile(r"\?[\w.-]+=").search(address, max(address.find("@"), 0))
    login, is_login, _ = address[: query.start() if query else None].rpartition("@")
    user, has_password, _ = login.partition(":")
    if is_login and not (start and "/" in user):
        return f"{start}{user}{':…' if has_password else ''}{address[len(login) :]}"
    if re.match(r"[^:/?\[]*:(?!\d*(?:[/?,]|$))", address) and start:  # no port: a host is missing
        return f"{start}{address.partition(':')[0]}:…"
    return url


def check_url(url: str) -> None:
    """Raise UsageError for a URL that names no kind of storage that can be opened from here.

    Raises:
        UsageError: no URL, a storage that keeps nothing, a driver that is not installed.
    """
    shown = without_password(url)
    if re.fullmatch(r"sqlite(?:\+\w+)?:(//)?(/:memory:)?|journal:/*", url):
        raise UsageError(f"{url} keeps nothing: name a file, sqlite:///studies/a.db")
    kind = re.split(r"[:+]", url)[0]
    if "://" not in url or kind not in KINDS:
        examples = "sqlite:///studies/a.db, journal:///studies/a.journal"
        raise UsageError(
            f"“{shown}” is not the URL of a database; "
            f"for example {examples} or postgresql+psycopg://user@host/name"
        )
    if kind == "journal":
        if "?" in url:
            raise UsageError(f"{url}: a journal has no settings; “?” in its path is written %3F")
        return
    try:
        sqlalchemy.create_engine(url)
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(f"“{shown}” is not the URL of a database: {error}") from None
    except ValueError:  # its words repeat what stands in the port's place: a password
        reason = "what stands after the host and “:” is no port"
        raise UsageError(f"“{shown}” is not the URL of a database: {reason}") from None
    except ImportError as error:
        reason = f"{error}; pip install 'msdemucs[postgres]', and begin with postgresql+psycopg://"
        raise UsageError(f"cannot open {shown}: {reason}") from None
