"""The sampler that asks a model what to train; who knows the model sets `propose`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial

from msdemucs.study.search_space.variations import Scalar, Variation

Propose = Callable[[Sequence[FrozenTrial]], Mapping[str, Scalar]]


class SurrogateSampler(RandomSampler):
    """Draws at random until enough was scored, and then what a model expects most of.

    Args:
        search_space: what is varied.
        seed: of the draws.
        n_startup_trials: trials with a score before the model is asked.
        n_candidates: combinations among which it chooses; a finite space that has no more is
            taken as a whole.
        least_gain: a stopped trial goes on only where it is expected to add this share of the
            hypervolume at least.

    Attributes:
        propose: parameters of the next trial, by all trials so far; none of them for a random draw.
    """

    def __init__(
        self,
        search_space: Mapping[str, Variation],
        *,
        seed: int = 0,
        n_startup_trials: int = 5,
        n_candidates: int = 256,
        least_gain: float = 0.01,
    ) -> None:
        super().__init__(seed=seed)
        for name, value in (("n_startup_trials", n_startup_trials), ("n_candidates", n_candidates)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number from 1 on; found {value}")
        if not 0 <= least_gain < 1:
            raise ValueError(f"least_gain must be a share from 0 to 1; found {least_gain}")
        self.search_space, self.seed = search_space, seed
        self.n_startup_trials, self.n_candidates = n_startup_trials, n_candidates
        self.least_gain = least_gain
        self.propose: Propose | None = None

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002 (Optuna's signature)
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """Every field that may have several values."""
        return {
            field: variation.distribution
            for field, variation in self.search_space.items()
            if self.propose and not variation.distribution.single()
        }

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """What the model expects most of; nothing for a random draw."""
        if not self.propose or not search_space:
            return {}
        found = self.propose(study.get_trials(deepcopy=False))
        return {field: value for field, value in found.items() if field in search_space}
