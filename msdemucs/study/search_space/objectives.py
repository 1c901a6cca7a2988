"""What a study optimises and what it may cost: objectives, constraints, an equal cost for all."""

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from msdemucs.columns import COLUMNS
from msdemucs.cost.width import UNUSED
from msdemucs.metrics import METRICS
from msdemucs.spec import Section
from msdemucs.study.records import Direction, is_quality

COSTS: Mapping[str, Direction] = {
    name: column.direction
    for name, column in COLUMNS.items()
    if column.is_objective and column.direction
}
"""The recorded columns that a study can optimise, beside qualities, and where better is."""

COMPUTED = tuple(name for name in COSTS if COLUMNS[name].known == "plan")
"""Costs that are known before a model is built."""

MEASURED = tuple(name for name in COSTS if COLUMNS[name].known == "measured")
"""Costs that are measured on the model before it is trained."""

SPENT = tuple(name for name, column in COLUMNS.items() if column.is_spent)
"""What a trial spent: a duplicate spends nothing."""


def better(name: str) -> Direction | None:
    """Where an objective is better; None for what is none."""
    return METRICS[name.split("/")[0]].direction if is_quality(name) else COSTS.get(name)


def turned(name: str, value: float) -> float:
    """Return an objective's value turned so that more is better."""
    return value if better(name) == "maximize" else -value


def qualities_of(names: Iterable[str]) -> list[str]:
    """Those of some objectives that are qualities, in their order."""
    return [name for name in names if is_quality(name)]


class AtCost(Section):
    """What every trial costs: the width is solved for it, whatever else differs."""

    gmacs_per_second: Annotated[float, Field(gt=0)]
    """10⁹ MACs for a second of audio; each spec gets the widest channels that stay below."""
    unused: Annotated[float, Field(gt=0, lt=1)] = UNUSED
    """The share of it that may be left over, as widths are whole numbers; a spec that no width
    brings so near is refused."""

    @property
    def macs_per_second(self) -> float:
        """The budget in MACs."""
        return self.gmacs_per_second * 1e9


class InfeasibleError(Exception):
    """A trial that ends before training: its spec is invalid or costs more than is allowed.

    Attributes:
        violations: constraint → by how much it is exceeded, in its own unit.
    """

    def __init__(self, reason: str, violations: Mapping[str, float]) -> None:
        self.violations = dict(violations)
        super().__init__(reason)


def excesses(constraints: Mapping[str, float], figures: Mapping[str, float]) -> dict[str, float]:
    """Constraint → by which share its figure exceeds it, below 0 where it holds.

    Shares, since samplers add up what is exceeded over all constraints.
    """
    return {name: figures[name] / most - 1 for name, most in constraints.items() if name in figures}
