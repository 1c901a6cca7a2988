"""What a study optimises and what it may cost: objectives, constraints, an equal cost for all."""

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field

from msdemucs.columns import COLUMNS
from msdemucs.cost.width import UNUSED
from msdemucs.metrics import METRICS
from msdemucs.spec import Section, nearest
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


def as_objectives(value: object) -> object:
    """A list of names as names with their directions.

    Raises:
        ValueError: neither names nor names with directions, or a name given twice.
    """
    names = names_of(value)
    return {name: better(name) or "maximize" for name in names} if names else value


def names_of(value: object) -> list[str]:
    """The names of a list; none of a mapping.

    Raises:
        ValueError: neither, or a name given twice.
    """
    if isinstance(value, Mapping):
        return []
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("must be a list of names, or a mapping (name: value)")
    twice = sorted({name for name in value if value.count(name) > 1})
    if twice:
        raise ValueError(f"a name is given twice; found {', '.join(twice)} again")
    return value


def checked_objectives(objectives: Mapping[str, Direction]) -> Mapping[str, Direction]:
    """The objectives: one to four qualities and costs, each in the direction that is better.

    Raises:
        ValueError: they are not.
    """
    if not 1 <= len(objectives) <= 4:
        raise ValueError(f"needs one to four objectives; found {len(objectives)}")
    for name, direction in objectives.items():
        expected = better(name)
        if expected is None:
            metric, *parts = name.split("/")
            hint = nearest(metric, [*METRICS] if parts else [*METRICS, *COSTS])
            kind = "metric of a quality" if parts else "metric and no cost"
            raise ValueError(f"found “{name}”; “{metric}” is no {kind}: {hint}")
        if direction != expected:
            kind = "a quality that is better " if is_quality(name) else "a cost, better "
            kind += "high" if expected == "maximize" else "low"
            raise ValueError(f"{name} is {kind}: {expected} it; found {direction}")
    return objectives


def turned(name: str, value: float) -> float:
    """Return an objective's value turned so that more is better."""
    return value if better(name) == "maximize" else -value


def qualities_of(names: Iterable[str]) -> list[str]:
    """Those of some objectives that are qualities, in their order."""
    return [name for name in names if is_quality(name)]


def known_costs(value: object) -> object:
    """Constraints as they were written.

    Raises:
        ValueError: one that is no cost known before training.
    """
    known = (*COMPUTED, *MEASURED)
    for name in value if isinstance(value, dict) else ():
        if name not in known:
            raise ValueError(f"found “{name}”, which is no cost: {nearest(str(name), known)}")
    return value


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
