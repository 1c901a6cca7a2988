"""The record of one trial, written as its figures become known, and who is told how it goes."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from statistics import fmean
from typing import NamedTuple, Protocol

import optuna

from msdemucs.errors import DataError
from msdemucs.study.records import FLOOR_COLUMNS
from msdemucs.study.storage.databases import together
from msdemucs.study.storage.results import (
    FLOORS,
    RUNG,
    RUNG_SCORES,
    RUNGS,
    SCORES,
    STOPPED_AT,
    as_table,
)
from msdemucs.units import format_count


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


class Row(NamedTuple):
    """A score as it is recorded: the columns of `SCORE_COLUMNS` behind the trial."""

    seed: int
    split: str
    group: str
    track: str
    source: str
    metric: str
    value: float


Floor = tuple[str, str, str, str, str, float]
"""A row of FLOOR_COLUMNS."""


class InfeasibleError(Exception):
    """A trial that ends before training: its spec is invalid or costs more than is allowed.

    Attributes:
        violations: constraint → by how much it is exceeded, in its own unit.
    """

    def __init__(self, reason: str, violations: Mapping[str, float]) -> None:
        self.violations = dict(violations)
        super().__init__(reason)


class StoppedError(Exception):
    """A trial was stopped at a rung; its checkpoint stays.

    Attributes:
        step: of the rung.
    """

    def __init__(self, step: int, reason: str) -> None:
        super().__init__(reason)
        self.step = step


Objection = Callable[[int], str]
"""Why a trial should stop at the rung of a step; "" where it goes on."""


class TrialRecorder:
    """Writes a trial's figures to the study's database as they become known.

    A finished trial cannot be changed, so everything is written before it ends, and what a failed
    trial had measured is kept.

    Args:
        trial: whose.
        listener: is told of progress.
        objection: is asked at every rung; None lets every trial go on.
    """

    def __init__(
        self, trial: optuna.Trial, listener: Listener, objection: Objection | None = None
    ) -> None:
        self.trial = trial
        self.progress = listener
        self._objection = objection
        self._rungs: list[tuple[int, int, str, float]] = []
        self._curve: list[tuple[int, float]] = []
        self._reasons: dict[str, list[str]] = {}
        self._constraints: Mapping[str, float] = {}
        self._is_exempt = False
        self._told: set[str] = set()
        self._violations: dict[str, float] = {}
        self.figures: dict[str, float] = {}

    def together(self) -> AbstractContextManager[None]:
        """A block whose figures and notes are written at its end, in one transaction."""
        return together(self.trial.storage)

    def hold_to(self, constraints: Mapping[str, float], *, is_exempt: bool = False) -> None:
        """Compare what is recorded from now on with constraints.

        Args:
            constraints: cost → the most that it may be.
            is_exempt: whether what exceeds them is trained nevertheless: a reference.
        """
        self._constraints, self._is_exempt = constraints, is_exempt

    def record(self, figures: Mapping[str, float], *, is_certain: bool = True) -> None:
        """Keep numbers under the names of the record's columns; objectives are read from them.

        Args:
            figures: column → number.
            is_certain: whether they may refuse a trial; those that are not are recorded again.

        Raises:
            InfeasibleError: a certain one exceeds a constraint; the sampler has been told.
        """
        with self.together():
            for name, value in figures.items():
                self.trial.set_user_attr(name, value)
                self.figures[name] = value
        exceeded = {}
        for name, most in self._constraints.items():
            if is_certain and name in figures:
                excess = figures[name] / most - 1  # a share, since samplers add up what is exceeded
                self.tell(name, excess)
                if excess > 0:
                    exceeded[name] = figures[name] - most
        if exceeded:
            self._violations |= exceeded
            self.trial.set_user_attr("violations", self._violations)
            if not self._is_exempt:
                lines = [
                    f"{name} is {format_count(figures[name])}, above "
                    f"{format_count(self._constraints[name])}"
                    for name in exceeded
                ]
                raise InfeasibleError("; ".join(lines), exceeded)

    def tell(self, constraint: str, excess: float) -> None:
        """Tell the sampler by which share a constraint is exceeded; the first telling counts."""
        if constraint not in self._told:
            self._told.add(constraint)
            self.trial.set_constraint(constraint, excess)

    def note(self, name: str, value: object) -> None:
        """Keep anything that JSON holds."""
        self.trial.set_user_attr(name, value)

    def scores(self, rows: Sequence[Row], floors: Sequence[Floor] = ()) -> None:
        """Keep the scores of every track, source and metric, and what the mixture scores."""
        self.trial.set_user_attr(SCORES, as_table(Row._fields, rows))
        if floors:
            self.trial.set_user_attr(FLOORS, as_table(FLOOR_COLUMNS, floors))

    def rung_scores(self, step: int, rows: Sequence[Row]) -> None:
        """Keep the scores of every track, source and metric where the trial stopped."""
        table = as_table(("step", *Row._fields), [(step, *row) for row in rows])
        self.trial.set_user_attr(RUNG_SCORES, table)

    def left_out(self, error: DataError) -> None:
        """Say and keep that a validation track could not be used: the scores are of the others."""
        self._without("left_out", str(error))

    def trained_without(self, reason: str) -> None:
        """Say and keep that a training track was damaged: the training went on without it."""
        self._without("trained_without", reason)

    def _without(self, name: str, reason: str) -> None:
        if reason not in self._reasons.setdefault(name, []):
            self._reasons[name].append(reason)
            self.trial.set_user_attr(name, self._reasons[name])
            self.progress.said(f"left out: {reason}")

    def loss(self, step: int, loss: float) -> None:
        """Add a point to the learning curve and say so."""
        self._curve.append((step, loss))
        self.progress.advanced(step, f"loss {loss:.4f}")

    def resume(self, points: Sequence[tuple[int, float]]) -> None:
        """Begin the learning curve with the points of a training that is gone on with."""
        self._curve = [*points]

    def rung(
        self, step: int, scores: Mapping[str, Mapping[int, float]], *, is_past: bool = False
    ) -> None:
        """Keep the scores that a trial has after some steps, and ask whether it goes on.

        Args:
            step: of the rung.
            scores: of each quality and seed.
            is_past: whether it went on from there before.

        Raises:
            StoppedError: it does not.
        """
        self._rungs += [
            (seed, step, quality, value)
            for quality, by_seed in scores.items()
            for seed, value in by_seed.items()
        ]
        self.trial.set_user_attr(RUNGS, [list(row) for row in self._rungs])
        means = {name: fmean(by_seed.values()) for name, by_seed in scores.items() if by_seed}
        self.trial.set_user_attr(f"{RUNG}{step}", means)
        reason = self._objection(step) if self._objection and not is_past else ""
        if reason:
            self.trial.set_user_attr(STOPPED_AT, step)
            raise StoppedError(step, reason)

    def close(self) -> None:
        """Write the learning curve."""
        if self._curve:
            self.trial.set_user_attr("curve", [list(point) for point in self._curve])
