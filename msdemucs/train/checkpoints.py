"""What a run saves so that it can go on: complete or not there, whenever it is killed.

A checkpoint is a folder `step-00000400` of two files: the weights in safetensors, and everything
else (optimiser, random state, averages) in a file that is read without executing anything. Both are
written and flushed in a hidden folder first, which then gets its name in one step.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_model, save_model
from torch import nn

from msdemucs.errors import CheckpointError
from msdemucs.files import cause_of, whole
from msdemucs.model import Separator, save_weights

NAME = re.compile(r"step-(\d{8})")
WEIGHTS, STATE = "weights.safetensors", "state.pt"

State = dict[str, Any]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Gives a block in which a run writes a file or folder.

    Raises:
        CheckpointError: it cannot be written; which, and why.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        named = getattr(error, "filename", None)
        place = named if isinstance(named, str) and path.is_dir() else path
        raise CheckpointError(f"{place}: cannot be written: {cause_of(error)}") from error


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: holds them; made when the first is saved.
        keep: how many of the newest stay, beside the best.
        on_saved: is called when one is complete and older ones are gone.
    """

    def __init__(
        self, folder: Path, *, keep: int = 2, on_saved: Callable[[], None] | None = None
    ) -> None:
        self.folder, self.keep, self.on_saved = folder, keep, on_saved

    def steps(self) -> list[int]:
        """The steps that were saved, oldest first; what a kill left half-made is no checkpoint."""
        if not self.folder.is_dir():
            return []
        found = (NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def path(self, step: int) -> Path:
        """The folder of a step's checkpoint."""
        return self.folder / f"step-{step:08d}"

    def save(self, step: int, model: nn.Module, state: Mapping[str, object]) -> Path:
        """Write one checkpoint, then remove those that are no longer needed.

        Args:
            step: counted from 1; a checkpoint of the same step is replaced.
            model: whose weights and buffers are saved.
            state: tensors, numbers, texts, and lists and dictionaries of them; with "best", the
                step whose checkpoint stays whatever comes.

        Raises:
            CheckpointError: it cannot be written; those before it are untouched.
        """
        path = self.path(step)
        try:
            for stale in self.folder.glob(".step-*"):  # what a kill left
                shutil.rmtree(stale)
            with whole(path) as unfinished:
                unfinished.mkdir()
                if isinstance(model, Separator):  # a file like any other of ours
                    normalised = bool(state.get("normalised"))
                    save_weights(model, unfinished / WEIGHTS, normalised=normalised)
                else:
                    save_model(model, str(unfinished / WEIGHTS))
                with (unfinished / STATE).open("wb") as file:  # by name, torch hides a full disk
                    torch.save(dict(state), file)
        except (OSError, SafetensorError, RuntimeError) as error:  # torch's writer raises the last
            raise CheckpointError(f"{path}: cannot be written: {cause_of(error)}") from None
        self._remove_old(best=state.get("best"))
        if self.on_saved:
            self.on_saved()
        return path

    def load(self, model: nn.Module) -> tuple[int, State] | None:
        """The newest checkpoint: its step and state, its weights now the model's.

        None where there is none.

        Raises:
            CheckpointError: it cannot be read; which, and what to do.
        """
        steps = self.steps()
        if not steps:
            return None
        remedy = "remove the folder to go on from " + (
            f"step {steps[-2]}" if steps[1:] else "the beginning"
        )
        return steps[-1], self.read(steps[-1], model, remedy=remedy)

    def read(self, step: int, model: nn.Module, *, remedy: str) -> State:
        """Return the state of a step's checkpoint, its weights now the model's.

        Raises:
            CheckpointError: it cannot be read; which, and the remedy.
        """
        path = self.path(step)
        try:
            load_model(model, path / WEIGHTS)
            state: State = torch.load(path / STATE, weights_only=True, map_location="cpu")
        except Exception as error:  # noqa: BLE001 (a damaged file may raise anything)
            first = (str(error).splitlines() or ["damaged"])[0]
            raise CheckpointError(f"{path}: cannot be read: {first}; {remedy}") from None
        return state

    def _remove_old(self, *, best: object) -> None:
        for step in self.steps()[: -self.keep]:
            if step != best:
                shutil.rmtree(self.path(step), ignore_errors=True)
