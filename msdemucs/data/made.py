"""A folder that a command makes: whole or not at all, and known again by its manifest."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msdemucs.errors import DataError
from msdemucs.files import whole_folder

MANIFEST = "manifest.json"

README = "README.txt"


def make_folder(
    root: Path, made_from: Mapping[str, object], write: Callable[[Path], Mapping[str, object]]
) -> bool:
    """Make a folder, unless it is there already; a run that is killed leaves none.

    Args:
        root: the folder; it may exist when it is empty or was made from the same.
        made_from: what decides the content; kept in the manifest.
        write: fills a folder that it is given, and returns what else the manifest should say.

    Returns:
        Whether anything was written.

    Raises:
        DataError: the folder holds something else, is damaged, or cannot be written.
    """
    if root.is_dir() and any(root.iterdir()):
        _recognise(root, made_from)
        return False
    try:
        with whole_folder(root, replaces=False) as draft:
            facts = write(draft)
            files = {
                str(path.relative_to(draft)): path.stat().st_size
                for path in sorted(draft.rglob("*"))
                if path.is_file()
            }
            manifest = {"made_from": dict(made_from), **facts, "files": files}
            text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
            (draft / MANIFEST).write_text(text, encoding="utf-8")
    except OSError as error:
        if not (root / MANIFEST).is_file():
            raise DataError(f"cannot be made ({error})", path=root) from error
        _recognise(root, made_from)  # another process was quicker
        return False
    return True


def _recognise(root: Path, made_from: Mapping[str, object]) -> None:
    """Accept a folder that was made from the same and is whole.

    Raises:
        DataError: anything else.
    """
    manifest = read_manifest(root)
    if manifest is None:
        raise DataError(
            "is not empty and was not made by msdemucs; choose another folder", path=root
        )
    if manifest.get("made_from") != dict(made_from):
        raise DataError(
            f"holds another collection ({_listed(manifest.get('made_from'))}; asked for: "
            f"{_listed(dict(made_from))}); choose another folder, or remove this one",
            path=root,
        )
    for name, size in manifest["files"].items():
        path = root / name
        if not path.is_file() or path.stat().st_size != size:
            raise DataError(
                f"is damaged or gone; remove {root} and run the command again", path=path
            )


def read_manifest(root: Path) -> dict[str, Any] | None:
    """What the manifest says; None where there is none that can be read."""
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and "files" in manifest else None


def _listed(values: object) -> str:
    if not isinstance(values, dict):
        return "unknown"
    return ", ".join(f"{name} {value}" for name, value in values.items())
