"""What a study optimises and what it may cost: objectives, constraints, an equal cost for all."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from msdemucs.cost.width import UNUSED
from msdemucs.spec import Section, nearest
from msdemucs.study.records import GROUP_COLUMN_PREFIX, Direction

OBJECTIVES: Mapping[str, Direction] = {
    "usdr_db": "maximize",
    "macs": "minimize",
    "macs_per_second": "minimize",
    "parameters": "minimize",
    "inference_bytes": "minimize",
    "training_bytes": "minimize",
    "latency_ms_p50": "minimize",
    "latency_ms_p95": "minimize",
    "rtf": "minimize",
    "peak_memory_bytes": "minimize",
    "seconds": "minimize",
    "train_seconds": "minimize",
}
"""The recorded columns that a study can optimise and where better is, beside the score of one
group of tracks."""

COMPUTED = ("macs_per_second", "macs", "parameters", "inference_bytes", "training_bytes")
"""Costs that are known before a model is built."""

MEASURED = ("latency_ms_p50", "latency_ms_p95", "rtf")
"""Costs that are measured on the model before it is trained."""

SPENT = ("seconds", "cpu_seconds", "gpu_seconds", "steps", "train_seconds")
"""What a trial spent: a duplicate spends nothing."""


def as_objectives(value: object) -> object:
    """A list of names as names with their directions.

    Raises:
        ValueError: neither names nor names with directions, or a name given twice.
    """
    names = names_of(value)
    return {name: OBJECTIVES.get(name, "maximize") for name in names} if names else value


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
    """The objectives: one to four recorded columns, metrics up and costs down.

    Raises:
        ValueError: they are not.
    """
    if not 1 <= len(objectives) <= 4:
        raise ValueError(f"needs one to four objectives; found {len(objectives)}")
    for name, direction in objectives.items():
        is_group = name.startswith(GROUP_COLUMN_PREFIX)
        if name not in OBJECTIVES and not is_group:
            hint = nearest(name, list(OBJECTIVES))
            raise ValueError(f"found “{name}”, which is no recorded column: {hint}")
        better = "maximize" if is_group else OBJECTIVES[name]
        if direction != better:
            kind = "a metric" if better == "maximize" else "a cost"
            raise ValueError(f"{name} is {kind}: {better} it; found {direction}")
    return objectives


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
