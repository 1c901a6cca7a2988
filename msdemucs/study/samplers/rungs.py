"""Who goes on from a rung, and who is taken up again later? By successive halving, on fronts.

Trials come to a rung one after another (asynchronously), each with its score there, in each quality
that the study optimises, and with costs that were known before it began. Those at the rung are
sorted into fronts by domination, each front is thinned so that its first points already span it,
and the best 1/η go on. A newcomer is judged against those that came before it; one that was stopped
may go on later, when others have come whom it beats.

Sources: Li et al. 2020 (A System for Massively Parallel Hyperparameter Tuning, arXiv:1810.05934)
for asynchronous halving; Schmucker et al. 2021 (Multi-objective Asynchronous Successive Halving,
arXiv:2106.12639) for ranks by fronts; Salinas et al. 2021 (A Multi-Objective Perspective on Jointly
Tuning Hardware and Hyperparameters, arXiv:2106.05680) for the ε-net; Deb et al. 2002 (NSGA-II) for
domination in fronts and for the crowding distance. Tolerance, normalised log costs and a least
number of survivors are ours.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, TypeVar

import numpy as np
import optuna
from jaxtyping import Bool
from optuna.trial import FrozenTrial

from msdemucs.metrics import USUAL
from msdemucs.study.records import COMPUTED, MEASURED, ranked_by, turned
from msdemucs.study.search_space.sampling import Fidelity, Thinning
from msdemucs.study.storage.results import STOPPED_AT, at_rung, has_failed, is_stopped

Name = TypeVar("Name", bound=Hashable)

Point = tuple[float, ...]
"""(Each quality, turned so that less is better, then the log of each cost)."""

DIGITS = 9
"""Distances that agree to so many digits are equal, so that rounding does not decide."""


@dataclass(frozen=True)
class RungScore:
    """What a rung knows of a trial.

    Attributes:
        qualities: its scores after the rung's steps, the higher the better; as many for all.
        costs: known before training, each above 0 and the lower the better; as many for all.
    """

    qualities: tuple[float, ...]
    costs: tuple[float, ...] = ()

    @property
    def point(self) -> Point:
        """Qualities, and costs on the scale on which equal factors are equal steps."""
        turned = (-quality for quality in self.qualities)
        return (*turned, *(math.log(cost) for cost in self.costs))


@dataclass(frozen=True)
class Halving:
    """The rule.

    A *priority* is a trial's place among all at a rung, 0 for the best; an *order* lists trials
    from best to worst. Priorities are what `goes_on` reads.

    Attributes:
        eta: one in so many goes on.
        survivors: at least so many go on from every rung.
        delta_db: a quality counts as better only from so much on, since training it again with
            another seed would move it by as much.
        thinning: how a front is ordered. epsilon_net: each next point is the one farthest from
            those before it; crowding: ends first, then by the room around a point.
        n_qualities: how many coordinates of a point are qualities.
    """

    eta: float = 3.0
    survivors: int = 1
    delta_db: float = 0.0
    thinning: Thinning = "epsilon_net"
    n_qualities: int = 1

    def places(self, n_trials: int) -> int:
        """How many of the trials that came to a rung go on from it."""
        share = Fraction(n_trials) / Fraction(self.eta)
        return max(self.survivors, math.ceil(share))

    def goes_on(self, own: RungScore, others: Sequence[RungScore]) -> bool:
        """Whether a trial is among those that go on.

        Args:
            own: the trial's.
            others: of all others that came to the rung so far, those that were stopped or went on.
        """
        priority = self.priorities([own, *others])[0]
        return priority < self.places(len(others) + 1)

    def going(self, standings: Mapping[Name, RungScore]) -> set[Name]:
        """The names of all that go on from a rung, once these have come to it."""
        places = self.places(len(standings))
        priorities = self.priorities([*standings.values()])
        return {
            name for name, priority in zip(standings, priorities, strict=True) if priority < places
        }

    def priorities(self, standings: Sequence[RungScore]) -> list[int]:
        """For each trial how many are placed before it; trials that stand alike share a place."""
        points = [standing.point for standing in standings]
        place, before = {}, 0
        for point in self.order(points):
            place[point] = before
            before += points.count(point)
        return [place[point] for point in points]

    def order(self, points: Sequence[Point]) -> list[Point]:
        """The points from best to worst, each once."""
        thin = epsilon_net if self.thinning == "epsilon_net" else crowding
        if not points:
            return []
        spans = tuple(max(values) - min(values) or 1.0 for values in zip(*points, strict=True))
        return [point for front in self.fronts(points) for point in thin(front, spans)]

    def fronts(self, points: Sequence[Point]) -> list[list[Point]]:
        """The points that none dominates, then those that none of the rest does, and so on."""
        distinct = sorted(set(points))
        dominated = self.dominated(distinct)
        fronts, left = [], np.ones(len(distinct), dtype=bool)
        while left.any():
            is_front = left & ~dominated[left].any(axis=0)
            fronts.append([distinct[index] for index in np.flatnonzero(is_front)])
            left &= ~is_front
        return fronts

    def dominated(self, points: Sequence[Point]) -> Bool[np.ndarray, "P P"]:
        """For each of some distinct points, which others it is better than.

        It is when a quality is better by the tolerance or more, and no other coordinate is worse.
        """
        all_ = np.array(points, dtype=float).reshape(len(points), -1)
        gains = all_[None] - all_[:, None]  # of each over each, coordinate by coordinate
        is_better = (gains[..., : self.n_qualities] >= self.delta_db).any(axis=2)
        dominated = is_better & (gains >= 0).all(axis=2)
        np.fill_diagonal(dominated, val=False)
        return np.asarray(dominated, dtype=bool)


def epsilon_net(front: Sequence[Point], spans: Point) -> list[Point]:
    """A front in an order whose every beginning spans it: the farthest point comes next.

    The first is the one of the best first quality.

    Args:
        front: distinct points.
        spans: what each coordinate is divided by before distances are taken.
    """
    ordered = sorted(front)
    scaled = np.array(ordered, dtype=float).reshape(len(ordered), -1) / np.array(spans)
    gap = np.full(len(ordered), np.inf)  # of each to the nearest that is in the order
    chosen = [0]
    while len(chosen) < len(ordered):
        away = np.sqrt(((scaled - scaled[chosen[-1]]) ** 2).sum(axis=1))
        gap = np.minimum(gap, away)
        gap[chosen] = -1
        chosen.append(int(np.argmax(np.round(gap, DIGITS))))
    return [ordered[index] for index in chosen]


def crowding(front: Sequence[Point], spans: Point) -> list[Point]:
    """A front's ends first, then its points by the distance between the neighbours of each."""
    room = dict.fromkeys(front, 0.0)
    for axis, span in enumerate(spans):
        along = sorted(front, key=lambda point: (point[axis], point))
        room[along[0]] = room[along[-1]] = math.inf
        for before, point, after in zip(along, along[1:], along[2:], strict=False):
            room[point] += (after[axis] - before[axis]) / span
    return sorted(front, key=lambda point: (-round(room[point], DIGITS), point))


KNOWN = (*COMPUTED, *MEASURED)
"""Objectives that are known before training, and by which trials are judged beside qualities."""

RESUMES, RESUMES_AT = "resumes", "resumes_at"
"""On a trial that takes a stopped one up again: its number, and the step at which it stopped."""

CARRIED = ("baseline", "seed", "folder", "is_control")
"""What a stopped trial hands on."""


class RungJudge(Protocol):
    """Decides which trials of a study go on from its rungs."""

    def objection(self, study: optuna.Study, trial: optuna.Trial, step: int) -> str:
        """Return why a running trial stops at the rung of a step; "" where it goes on."""

    def take_up(self, study: optuna.Study) -> Sequence[int]:
        """Enqueue the stopped trials that go on by now, and return their numbers.

        Call it while holding the study's lock. Each is enqueued once, with its parameters, seed
        and folder, so that it resumes from its checkpoint.
        """


class HalvingJudge:
    """Compares trials at a rung with all others that came to it, by successive halving.

    Args:
        fidelity: the study's rungs, and how the rule is set.
    """

    def __init__(self, fidelity: Fidelity) -> None:
        self.fidelity = fidelity

    def objection(self, study: optuna.Study, trial: optuna.Trial, step: int) -> str:
        """As `RungJudge` says."""
        attrs = trial.user_attrs
        if step not in self.fidelity.rungs or is_protected(attrs) or is_past(attrs, step):
            return ""
        names = study.metric_names or ()
        others = rung(study, step)
        standing = others.pop(identity(attrs), None) or rung_score(attrs, names, step)
        rule = rule_of(study, self.fidelity)
        if standing is None or rule.goes_on(standing, [*others.values()]):
            return ""
        n_trials = len(others) + 1
        place = rule.priorities([standing, *others.values()])[0] + 1
        scores = at_rung(attrs, step)
        shown = ", ".join(f"{name} {scores[name]:.2f}" for name in ranked_by(names))
        return (
            f"at step {step}: place {place} of {n_trials} there, of which "
            f"{rule.places(n_trials)} go on ({shown})"
        )

    def take_up(self, study: optuna.Study) -> list[int]:
        """As `RungJudge` says."""
        trials = study.get_trials(deepcopy=False)
        resumed = {trial.user_attrs.get(RESUMES) for trial in trials}
        stopped = [t for t in trials if can_go_on(t) and t.number not in resumed]
        rule, taken = rule_of(study, self.fidelity), []
        for step in self.fidelity.rungs:
            here = [trial for trial in stopped if trial.user_attrs[STOPPED_AT] == step]
            going = rule.going(rung(study, step)) if here else set()
            for trial in here:
                if identity(trial.user_attrs) in going:
                    enqueue(study, trial, step)
                    taken.append(trial.number)
        return taken


def can_go_on(trial: FrozenTrial) -> bool:
    """Return whether a trial was stopped at a rung and has a checkpoint of its own."""
    return is_stopped(trial) and "duplicate_of" not in trial.user_attrs


def taken_up(trials: Sequence[FrozenTrial]) -> set[int]:
    """The numbers of stopped trials that another one has taken up, or will, and did not fail."""
    return {
        int(trial.user_attrs[RESUMES])
        for trial in trials
        if RESUMES in trial.user_attrs and not has_failed(trial)
    }


def enqueue(study: optuna.Study, trial: FrozenTrial, step: int) -> None:
    """Have a trial that stopped at a step go on from there."""
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    attrs = {key: trial.user_attrs[key] for key in CARRIED if key in trial.user_attrs}
    attrs.setdefault("folder", str(trial.number))
    study.enqueue_trial(params, user_attrs={**attrs, RESUMES: trial.number, RESUMES_AT: step})


def rule_of(study: optuna.Study, fidelity: Fidelity) -> Halving:
    """Who goes on, by the noise between seeds that the study has measured, if it has."""
    noise, qualities = study.user_attrs.get("noise"), ranked_by(study.metric_names or ())
    noise_db = 0.0
    if isinstance(noise, dict) and noise.get("quality", USUAL) == qualities[0]:
        noise_db = float(noise["sigma_db"])
    measured = math.sqrt(2) * noise_db
    return Halving(
        eta=fidelity.eta,
        survivors=fidelity.survivors,
        delta_db=measured if fidelity.delta_db is None else fidelity.delta_db,
        thinning=fidelity.thinning,
        n_qualities=len(qualities),
    )


def rung(study: optuna.Study, step: int) -> dict[tuple[object, object], RungScore]:
    """Who came to a rung; a trial that goes on with another's training is the same one."""
    scores, names = {}, study.metric_names or ()
    for trial in study.get_trials(deepcopy=False):
        score = rung_score(trial.user_attrs, names, step)
        if score is not None:
            scores[identity(trial.user_attrs)] = score
    return scores


def rung_score(attrs: Mapping[str, Any], objectives: Sequence[str], step: int) -> RungScore | None:
    """How a trial stands at a rung by a study's objectives; None where it did not come to it."""
    scores = at_rung(attrs, step)
    qualities = [turned(name, scores.get(name, math.nan)) for name in ranked_by(objectives)]
    costs = [float(attrs.get(name, math.nan)) for name in objectives if name in KNOWN]
    if any(math.isnan(value) for value in qualities) or not all(value > 0 for value in costs):
        return None
    return RungScore(tuple(qualities), tuple(costs))


def identity(attrs: Mapping[str, Any]) -> tuple[object, object]:
    """What two trials share that are one training: architecture, recipe and seed."""
    recipe = attrs.get("recipe")
    return attrs.get("spec_hash"), (repr(recipe), attrs.get("seed"))


def is_protected(attrs: Mapping[str, Any]) -> bool:
    """Whether a trial is never stopped: a baseline, or of the control arm."""
    return attrs.get("baseline") is not None or bool(attrs.get("is_control"))


def is_past(attrs: Mapping[str, Any], step: int) -> bool:
    """Whether a trial was let past a rung before it was taken up again."""
    return step <= int(attrs.get(RESUMES_AT, 0))
