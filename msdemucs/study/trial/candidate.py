"""One trial's question, and who follows its progress: the seam to any evaluation."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msdemucs.spec import Spec

if TYPE_CHECKING:
    from msdemucs.train.recipe import Recipe


def _nothing() -> None:
    return


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
    on_saved: Callable[[], None] = _nothing
    address: Callable[[Path], str] = str


class Named(Protocol):
    """What listeners know of a candidate."""

    @property
    def trial(self) -> int:
        """The trial's number in its study."""

    @property
    def name(self) -> str:
        """The baseline's name, or "trial 7"."""

    @property
    def seed(self) -> int:
        """Of its initial weights and of the order of its data."""


class Listener(Protocol):
    """What follows a study's progress: a terminal, a log, a test."""

    def said(self, message: str) -> None:
        """A line about the study as a whole."""

    def began(self, candidate: Named, *, complete: int, wanted: int) -> None:
        """A trial begins after `complete` of `wanted` ones."""

    def phase(self, what: str, total: int) -> None:
        """A trial enters a phase of `total` steps."""

    def advanced(self, done: int, note: str) -> None:
        """A phase has done so many of its steps."""

    def ended(self, trial: int, state: str, note: str) -> None:
        """A trial is complete, failed or infeasible."""


class Silent:
    """A listener that shows nothing."""

    def said(self, message: str) -> None:
        """Nothing."""

    def began(self, candidate: Named, *, complete: int, wanted: int) -> None:
        """Nothing."""

    def phase(self, what: str, total: int) -> None:
        """Nothing."""

    def advanced(self, done: int, note: str) -> None:
        """Nothing."""

    def ended(self, trial: int, state: str, note: str) -> None:
        """Nothing."""
