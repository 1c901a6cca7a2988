"""What a search space asks of short runs: at which steps trials are judged, and by which rule."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from msdemucs.spec import Section

Thinning = Literal["epsilon_net", "crowding"]


class Fidelity(Section):
    """Rungs at which trials are judged, so that those behind are stopped early.

    Who goes on is decided by asynchronous successive halving, on fronts of (qualities at the rung,
    log costs): see msdemucs.study.samplers.halving. Baselines and the control arm always go on.
    """

    rungs: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]
    """Optimiser steps after which a trial is judged, rising; the recipe's last step needs none."""
    eta: Annotated[float, Field(gt=1)] = 3.0
    """One trial in so many goes on from a rung."""
    survivors: Annotated[int, Field(ge=1)] = 4
    """At least so many go on from every rung."""
    delta_db: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """A quality counts as better from so much on. Where nothing is given: from one standard
    deviation of the difference of two trainings, as `study noise` measured it; from 0 before."""
    thinning: Thinning = "epsilon_net"
    """Which of a front go on first. epsilon_net: those that span it best; crowding: its ends and
    those with most room around them (NSGA-II)."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(
            later <= earlier for earlier, later in zip(self.rungs, self.rungs[1:], strict=False)
        ):
            raise ValueError(f"rungs must rise; found {list(self.rungs)}")
        return self
