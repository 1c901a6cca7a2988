"""A study: what is searched, how one trial runs, where its record is kept.

from msdemucs.study import load_study
load_study("multires-small").trials  # a pandas frame, one row a trial
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msdemucs.analysis.exports import frame
    from msdemucs.study.execution.loop import run_study
    from msdemucs.study.records import StudyRecord
    from msdemucs.study.search_space.loading import load_search_space
    from msdemucs.study.storage.load import load_study

__all__ = ["StudyRecord", "frame", "load_search_space", "load_study", "run_study"]

STORAGE_VARIABLE = "MSDEMUCS_STORAGE"
"""The environment's variable with the URL of the storage; passwords in it stand in no command."""

_HOMES = {
    "StudyRecord": "study.records",
    "frame": "analysis.exports",
    "load_search_space": "study.search_space.loading",
    "load_study": "study.storage.load",
    "run_study": "study.execution.loop",
}


def __getattr__(name: str) -> object:
    # Loaded when first asked for: whoever reads records needs no Optuna.
    if name in _HOMES:
        return getattr(import_module(f"msdemucs.{_HOMES[name]}"), name)
    raise AttributeError(f"module “{__name__}” has no attribute “{name}”")
