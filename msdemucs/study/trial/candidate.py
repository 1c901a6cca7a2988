"""What a trial trains: an arm, a baseline, or what the sampler drew, with its recipe.

A `Candidate` is all that an evaluation is given, and what made its figures is on record beside it:
the spec, its costs, the revision of the code and the versions of the packages.
"""

import functools
import platform
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from msdemucs.cost import cost_of
from msdemucs.errors import Problem, SpecError
from msdemucs.spec import Spec, diff_specs, dump_spec, spec_hash
from msdemucs.study.samplers.study_sampler import in_control
from msdemucs.study.search_space.fields import expressed, propose
from msdemucs.study.search_space.space import Search
from msdemucs.study.trial.recorder import TrialRecorder

if TYPE_CHECKING:
    from msdemucs.train.recipe import Recipe


ENQUEUED = ("baseline", "arm_name", "repeats", "resumes")
"""What marks a trial that no sampler drew."""

PACKAGES = ("msdemucs", "torch", "torchaudio", "numpy", "optuna", "lightning-fabric", "sqlalchemy")
"""Whose versions are recorded with each trial."""

THIS_FILE = Path(__file__).resolve()


@dataclass(frozen=True)
class Candidate:
    """An architecture to train and judge.

    Attributes:
        trial: the trial's number in its study.
        name: the baseline's name, or "trial 7".
        seed: seed of its initial weights and of the order of its data.
        folder: where its weights and logs go; made when something is written.
        recipe: how it is trained; None for the study's own recipe.
        start: a file of weights that it begins with; None for weights drawn by its seed.
        on_saved: is called when a checkpoint has been written to its folder.
        address: what is recorded of a path in its folder.
    """

    trial: int
    name: str
    spec: Spec
    seed: int
    folder: Path
    recipe: "Recipe | None" = None
    start: Path | None = None
    on_saved: Callable[[], None] = lambda: None
    address: Callable[[Path], str] = str


Evaluate = Callable[[Candidate, TrialRecorder], None]
"""Trains and judges one candidate and records its figures; every failure is an exception."""


def propose_candidate(search: Search, log: TrialRecorder, *, folder: Path) -> Candidate:
    """What a trial trains, with all on record that is known before training.

    Args:
        search: what the study asks.
        log: of the trial, whose parameters are drawn on the way.
        folder: of the trial.

    Raises:
        SpecError: it has no valid spec or recipe, or none at the cost that is asked for; no arm
            was left.
        InfeasibleError: it costs more than the study allows, and is no baseline.
    """
    trial, attrs = log.trial, log.trial.user_attrs
    baseline, arm = attrs.get("baseline"), attrs.get("arm_name")
    log.hold_to(search.space.constraints, is_exempt=baseline is not None)
    log.note("is_control", is_control(search, trial))
    only = None if baseline is None else expressed(search.baselines[baseline], search.space.vary)
    fields = propose(trial, search.space.vary, only=only)
    name = str(baseline or arm or f"trial {trial.number}")
    if search.arms:
        if arm is None:  # another process took the last one
            raise SpecError([Problem("no arm was left to train")])
        spec, fields = search.arms[arm].spec, dict(search.arms[arm].fields)
    elif baseline is not None:
        spec = search.baselines[baseline]
    else:
        spec = search.spec(fields, name=name)
    recipe = search.recipe(fields)
    differences = diff_specs(search.base, spec)
    log.note("recipe", recipe.model_dump(mode="json"))
    log.note("spec", dump_spec(spec))
    log.note("spec_hash", spec_hash(spec))
    log.note("differences", {field: list(pair) for field, pair in differences.items()})
    log.note("versions", versions())
    log.note("git", revision())
    log.record(cost_of(spec).figures)
    seed = int(attrs.get("seed", search.space.seed))
    log.note("seed", seed)
    return Candidate(trial.number, name, spec, seed, folder, recipe)


def is_control(search: Search, trial: optuna.Trial) -> bool:
    """Whether a trial is of the random control arm: drawn so, or the repetition of one that was."""
    attrs = trial.user_attrs
    if any(name in attrs for name in ENQUEUED):
        return bool(attrs.get("is_control", False))
    return in_control(search.space.sampler, trial.number)


@functools.cache
def versions() -> dict[str, str]:
    """Python's version and those of PACKAGES that are installed."""
    installed = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):  # run from a source tree that is not installed
            installed[name] = version(name)
    return installed


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
