"""Folders of weights and logs: whose a study's folder is, and trials' folders under a URL.

Studies of one name in two databases would share a folder, so that a file in it says whose it is.

Hosts that share no disk keep trials' folders under any URL that fsspec can write to: an object
store, SFTP, a mounted disk. What a trial needs to go on elsewhere is put there as a *snapshot*: its
files under the digests of what they hold, and then a manifest that points to them. A kill between
two files therefore leaves the snapshot before. What a trial leaves in the end, weights and logs,
lies there under its own names.
"""

import hashlib
import importlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import optuna

from msdemucs.errors import CheckpointError, UsageError
from msdemucs.files import whole_folder, write_text
from msdemucs.study.storage.databases import StudyStorage
from msdemucs.study.storage.load import study_names
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


ATTEMPTS = 4
PAUSE_S = 1.0
"""Between the first two attempts to reach a store; twice as long after each."""

OBJECTS = "objects"
MANIFEST = re.compile(r"manifest-(\d{6})\.json")
CHECKPOINT = re.compile(r"(?:.*/)?checkpoints/step-(\d{8})/")


def is_url(folder: str) -> bool:
    """Whether a folder for trials is a URL of fsspec, and not a path."""
    return "://" in folder


class ArtifactStore:
    """A study's trials under a URL.

    Args:
        url: of a folder of this study: s3://bucket/multires.
        owner: tells this study from a deleted one that had the same URL.

    Raises:
        UsageError: no protocol that fsspec knows, its package is not installed, a password.
    """

    def __init__(self, url: str, *, owner: str = "") -> None:
        self.url, self.owner = url.rstrip("/"), owner
        self.files, self.root = _file_system(self.url)

    def address(self, key: str, file: str) -> str:
        """The URL of a file that a trial leaves."""
        return f"{self.url}/{key}/{file}"

    def check(self) -> None:
        """Raise UsageError for a URL to which no file can be written.

        Raises:
            UsageError: they cannot; why.
        """
        probe = f"{self.root}/.probe-{os.getpid()}"
        try:
            self.files.makedirs(self.root, exist_ok=True)
            self.files.pipe_file(probe, b"msdemucs")
            self.files.rm_file(probe)
        except Exception as error:  # noqa: BLE001 (each file system has errors of its own)
            raise UsageError(f"{self.url}: cannot be written to: {_reason(error)}") from None

    def fetch(self, folder: Path) -> bool:
        """Give a folder what its trial has at the URL, where that has come further.

        Args:
            folder: of one trial; its name is the trial's key.

        Returns:
            Whether the folder was replaced.

        Raises:
            CheckpointError: the URL cannot be read, or holds something else than was put there.
        """
        there, shown = f"{self.root}/{folder.name}", f"{self.url}/{folder.name}"
        manifest = with_retries(lambda: self._manifest(there), shown)
        if manifest is None or _progress(manifest["files"]) <= _progress(_files(folder)):
            return False
        with whole_folder(folder) as draft:
            for name, (digest, _) in manifest["files"].items():
                path, place = draft / name, f"{there}/{OBJECTS}/{digest}"
                if not path.resolve().is_relative_to(draft.resolve()):
                    raise CheckpointError(f"{shown}: {name} leads out of its folder")
                path.parent.mkdir(parents=True, exist_ok=True)
                # each by itself: a failure at one does not use up the attempts of the others
                with_retries(partial(self.files.get_file, place, str(path)), shown)
                if _digest(path) != digest:
                    raise CheckpointError(f"{shown}: {name} is damaged there")
        return True

    def store(self, folder: Path) -> None:
        """Put a snapshot of a trial's folder to the URL, in place of those before it.

        Raises:
            CheckpointError: it cannot be put there; the snapshot before is untouched.
        """
        there = f"{self.root}/{folder.name}"

        def put() -> None:
            self.files.makedirs(f"{there}/{OBJECTS}", exist_ok=True)
            kept = {*self._names(f"{there}/{OBJECTS}")}
            before = self._manifest(there) or {"files": {}, "number": 0}
            whole = kept & {
                digest for digest, _ in before["files"].values()
            }  # others may be half there
            paths = {name: folder / name for name in _files(folder)}
            listed = {name: (_digest(path), path.stat().st_size) for name, path in paths.items()}
            new = {digest: name for name, (digest, _) in listed.items() if digest not in whole}
            objects = [f"{there}/{OBJECTS}/{digest}" for digest in new]
            self.files.put([str(paths[name]) for name in new.values()], objects)
            number = before["number"] + 1
            text = json.dumps({"owner": self.owner, "files": listed})
            self.files.pipe_file(f"{there}/manifest-{number:06d}.json", text.encode())
            for name in self._names(there):
                match = MANIFEST.fullmatch(name)
                if match and int(match[1]) < number:
                    self._remove(f"{there}/{name}")
            for digest in kept - {digest for digest, _ in listed.values()}:
                self._remove(f"{there}/{OBJECTS}/{digest}")

        with_retries(put, f"{self.url}/{folder.name}")

    def publish(self, folder: Path, *, is_complete: bool) -> None:
        """Put what a trial leaves under its own names; snapshots go when it is complete.

        Raises:
            CheckpointError: it cannot be put there.
        """
        there = f"{self.root}/{folder.name}"
        names = [name for name in _files(folder) if not CHECKPOINT.match(name)]

        def put() -> None:
            for parent in {f"{there}/{name}".rpartition("/")[0] for name in names}:
                self.files.makedirs(parent, exist_ok=True)
            self.files.put(
                [str(folder / name) for name in names], [f"{there}/{name}" for name in names]
            )
            if is_complete:
                for name in self._names(there):
                    if name == OBJECTS or MANIFEST.fullmatch(name):
                        self._remove(f"{there}/{name}")

        with_retries(put, f"{self.url}/{folder.name}")

    def remove(self) -> None:
        """Remove everything under the URL.

        Raises:
            CheckpointError: it cannot be removed.
        """
        with_retries(lambda: self._remove(self.root), self.url)

    def _manifest(self, there: str) -> dict[str, Any] | None:
        """The newest that is whole and this study's, with its number; None for none."""
        numbers = [int(m[1]) for name in self._names(there) if (m := MANIFEST.fullmatch(name))]
        for number in sorted(numbers, reverse=True):
            text = self.files.cat_file(f"{there}/manifest-{number:06d}.json")
            with suppress(ValueError):
                manifest: dict[str, Any] = json.loads(text)
                if manifest.get("owner") == self.owner:
                    return {**manifest, "number": number}
                return {"files": {}, "number": number}  # a deleted study's
        return None

    def _names(self, there: str) -> list[str]:
        self.files.invalidate_cache()  # others write there too
        try:
            return [PurePosixPath(path).name for path in self.files.ls(there, detail=False)]
        except FileNotFoundError:
            return []

    def _remove(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self.files.rm(path, recursive=True)


@contextmanager
def at_hand(file: str) -> Iterator[Path | None]:
    """A file as a path of this host, fetched from its URL for as long as the block; None for none.

    Raises:
        UsageError: no URL that can be opened from here.
    """
    if not is_url(file):
        yield Path(file) if Path(file).is_file() else None
        return
    files, path = _file_system(file)
    with tempfile.TemporaryDirectory(prefix="msdemucs-") as folder:
        local = Path(folder) / PurePosixPath(path).name
        try:
            files.get_file(path, str(local))
        except Exception:  # noqa: BLE001 (each file system has errors of its own)
            yield None
            return
        yield local


def with_retries(call: Callable[[], Any], shown: str) -> Any:
    """The call's result, tried again with growing pauses.

    Raises:
        CheckpointError: it failed each time.
    """
    for attempt in range(ATTEMPTS):
        try:
            return call()
        except Exception as error:
            if attempt + 1 == ATTEMPTS or isinstance(error, CheckpointError):
                raise CheckpointError(f"{shown}: {_reason(error)}") from error
            time.sleep(PAUSE_S * 2**attempt)
    return None


def _file_system(url: str) -> tuple[Any, str]:
    """Fsspec's file system of a URL, and the path in it.

    Raises:
        UsageError: as `ArtifactStore`.
    """
    fsspec: Any = importlib.import_module("fsspec")
    protocol = url.partition("://")[0]
    shown = without_password(url)
    if shown != url:
        raise UsageError(
            f"{shown} has a secret in it, which the study would record: give it in fsspec's "
            "own configuration (~/.config/fsspec/conf.json) or in the environment"
        )
    try:
        files, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        registry: Any = importlib.import_module("fsspec.registry")
        known = registry.known_implementations.get(protocol.partition("::")[0], {})
        how = known.get("err") or str(error)
        raise UsageError(f"{url}: {protocol}:// needs a package that is not here: {how}") from None
    except ValueError as error:
        usual = "file://, s3:// (package s3fs), gs:// (gcsfs), abfs:// (adlfs), sftp:// (paramiko)"
        raise UsageError(f"{url}: {_reason(error)}; known are, for example, {usual}") from None
    except Exception as error:  # noqa: BLE001 (each file system has errors of its own)
        raise UsageError(f"{url}: cannot be opened: {_reason(error)}") from None
    return files, str(path).rstrip("/")


def _files(folder: Path) -> list[str]:
    """The files of a trial that are complete, by their names in its folder."""
    if not folder.is_dir():
        return []
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [
        path.as_posix()
        for path in paths
        if not any(part.startswith(".") or part.endswith(".partial") for part in path.parts)
    ]


def _progress(names: Collection[str]) -> tuple[int, int]:
    """(steps of the newest checkpoint of each training, together; how many files there are)."""
    newest: dict[str, int] = {}
    for name in names:
        if match := CHECKPOINT.match(name):
            training = name.partition("checkpoints/")[0]
            newest[training] = max(newest.get(training, 0), int(match[1]))
    return sum(newest.values()), len(names)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _reason(error: BaseException) -> str:
    """An error in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
