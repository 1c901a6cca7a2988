"""What made a trial's figures: the revision of the code and the versions of the packages."""

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("msdemucs", "torch", "torchaudio", "numpy", "optuna", "lightning-fabric", "sqlalchemy")
"""Whose versions are recorded with each trial."""


@functools.cache
def versions() -> dict[str, str]:
    """Python's version and those of PACKAGES that are installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that is not installed
            continue
    return found


THIS_FILE = Path(__file__).resolve()


@functools.cache
def revision(file: Path = THIS_FILE) -> str | None:
    """The git revision of the tree that a source file belongs to, "+" after it where it changed.

    None where git does not keep the file: the package is installed, perhaps inside another tree.
    """
    folder = file.parent
    if _git(folder, "ls-files", "--error-unmatch", file.name) is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{_git(folder, 'rev-parse', 'HEAD')}{'+' if changed else ''}"


def _git(folder: Path, *words: str) -> str | None:
    """What git prints; None where it fails."""
    command = ["git", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
