"""One trial's question and the log that its answer is written in: the seam to any evaluation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import optuna

from msdemucs.errors import DataError
from msdemucs.spec import Spec

if TYPE_CHECKING:
    from msdemucs.train.recipe import Recipe

Row = tuple[str, str, str, float | None, float | None, int]
"""(group, track, source, usdr_db, input_usdr_db, seed); None where the reference is silent."""


@dataclass(frozen=True)
class Candidate:
    """An architecture to train and judge.

    Attributes:
        trial: the trial's number in its study.
        name: the baseline's name, or "trial 7".
        seed: seed of its initial weights and of the order of its data.
        folder: where its weights and logs go; made when something is written.
        recipe: how it is trained; None for the study's own recipe.
    """

    trial: int
    name: str
    spec: Spec
    seed: int
    folder: Path
    recipe: "Recipe | None" = None


class Listener(Protocol):
    """What follows a study's progress: a terminal, a log, a test."""

    def said(self, message: str) -> None:
        """A line about the study as a whole."""

    def began(self, candidate: Candidate, *, complete: int, wanted: int) -> None:
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

    def began(self, candidate: Candidate, *, complete: int, wanted: int) -> None:
        """Nothing."""

    def phase(self, what: str, total: int) -> None:
        """Nothing."""

    def advanced(self, done: int, note: str) -> None:
        """Nothing."""

    def ended(self, trial: int, state: str, note: str) -> None:
        """Nothing."""


class TrialLog:
    """Writes a trial's figures to the study's database as they become known.

    A finished trial cannot be changed, so everything is written before it ends, and what a failed
    trial had measured is kept.
    """

    def __init__(self, trial: optuna.Trial, listener: Listener) -> None:
        self._trial = trial
        self._listener = listener
        self._curve: list[tuple[int, float]] = []
        self._left_out: list[str] = []
        self.figures: dict[str, float] = {}

    def record(self, figures: Mapping[str, float]) -> None:
        """Keep numbers under the names of the record's columns; objectives are read from them."""
        for name, value in figures.items():
            self._trial.set_user_attr(name, value)
            self.figures[name] = value

    def note(self, name: str, value: object) -> None:
        """Keep anything that JSON holds."""
        self._trial.set_user_attr(name, value)

    def scores(self, rows: Sequence[Row]) -> None:
        """Keep the scores of every test track and source."""
        self._trial.set_user_attr("scores", [list(row) for row in rows])

    def left_out(self, error: DataError) -> None:
        """Say and keep that a track could not be used, so that the scores are of the others."""
        self._left_out.append(str(error))
        self._trial.set_user_attr("left_out", self._left_out)
        self._listener.said(f"left out: {error}")

    def began(self, candidate: Candidate, *, complete: int, wanted: int) -> None:
        """Say that the trial begins."""
        self._listener.began(candidate, complete=complete, wanted=wanted)

    def ended(self, trial: int, state: str, note: str) -> None:
        """Say how the trial ended."""
        self._listener.ended(trial, state, note)

    def phase(self, what: str, total: int) -> None:
        """Say that a phase of `total` steps begins."""
        self._listener.phase(what, total)

    def advanced(self, done: int, note: str = "") -> None:
        """Say how many steps of the phase are done."""
        self._listener.advanced(done, note)

    def loss(self, step: int, loss: float) -> None:
        """Add a point to the learning curve and say so."""
        self._curve.append((step, loss))
        self._listener.advanced(step, f"loss {loss:.4f}")

    def close(self) -> None:
        """Write the learning curve."""
        if self._curve:
            self._trial.set_user_attr("curve", [list(point) for point in self._curve])


Evaluate = Callable[[Candidate, TrialLog], None]
"""Trains and judges one candidate and records its figures; every failure is an exception."""
