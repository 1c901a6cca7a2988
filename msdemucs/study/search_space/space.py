"""A search space: what a person writes in search_spaces/*.yaml, and what it means."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from optuna.trial import FrozenTrial, TrialState
from pydantic import Field, JsonValue, field_validator, model_validator

from msdemucs.cost import solve_width
from msdemucs.cost.width import UNUSED
from msdemucs.errors import Problem, SpecError, UsageError
from msdemucs.metrics import METRICS, USUAL
from msdemucs.spec import Section, Spec, nearest, plan, validate_data
from msdemucs.spec.interchange import read_document
from msdemucs.spec.source import Node, override
from msdemucs.study.ablation.designs import Alternatives, ArmSpec, Design
from msdemucs.study.records import COMPUTED, COSTS, MEASURED, SPENT, Direction, better, is_quality
from msdemucs.study.search_space.fields import (
    RECIPE,
    changed_spec,
    inner_last,
    recipe_fields,
    spec_fields,
)
from msdemucs.study.search_space.sampling import EXHAUSTIVE, Fidelity, Sampler, Seed
from msdemucs.study.search_space.variations import Variation, untried

if TYPE_CHECKING:
    from msdemucs.train.recipe import Recipe


NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"
"""The pattern of a name."""

LONGEST_NAME = 100
"""Letters of a name."""

FILE_ENDINGS = (".db", ".journal", ".log", ".yaml", ".yml")
"""Of what commands take for a file in place of a study's name."""

MOST_LISTED = 4096
"""Combinations of a space whose untried ones are listed: a list takes some 20 ms."""

TASK_FIELDS = ("name", "sources", "sample_rate", "audio_channels")
"""What makes scores comparable: no study varies these."""

EMBEDDED_BAND = "data/synthetic"
EMBEDDED_SAMPLE = "data/sample"


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


class DataRoots(Section):
    """Folders of tracks, in MUSDB18-HQ's layout or MUSDB18's."""

    train: Annotated[tuple[str, ...], Field(min_length=1)] = (EMBEDDED_BAND,)
    """Folders whose train split is trained on."""
    validation: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Folders whose validation split steers the study, each a group in the report. null: the
    validation/ folders beside the train split, where there are any; else tracks held out of it, by
    the study's seed, or MUSDB's official ones."""
    test: Annotated[tuple[str, ...], Field(min_length=1)] = (EMBEDDED_BAND, EMBEDDED_SAMPLE)
    """Folders whose test split `msdemucs study judge` alone reads, for what was chosen."""

    @field_validator("train", "validation", "test", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        value = [value] if isinstance(value, str) else value
        return tuple(value) if isinstance(value, list) else value


class SearchSpace(Section):
    """What a study varies, around what, how each trial is trained and by what it is judged."""

    name: str
    """The study's name: its database is studies/<name>.db."""
    title: str = ""
    """A line for people."""
    base: str
    """The spec around which the search moves: a zoo name, or a path relative to this file."""
    set: Mapping[str, JsonValue] = {}
    """Dotted spec fields set alike in the base and in every baseline, and dotted recipe fields set
    for every trial: {segment: 2, recipe.steps: 100}."""
    mode: Literal["search", "ablation"] = "search"
    """search: trials are drawn from `vary`; ablation: arms are made of `factors` by `design`."""
    vary: Mapping[str, Variation] = {}
    """Dotted field of the spec, or of the recipe (recipe.lr) → its choices, range or subsets; none,
    for a study of its baselines alone."""
    factors: Mapping[str, Alternatives] = {}
    """In an ablation, factor → alternatives → the dotted fields that differ from the base. An
    alternative without fields names the base's own."""
    design: Design = Design()
    """In an ablation, which combinations are trained."""
    repeats: Annotated[int, Field(ge=1)] = 1
    """Trainings, each with a seed of its own; an ablation's arms share the seeds."""
    fidelity: Fidelity | None = None
    """Rungs at which trials that fall behind are stopped early; null: every trial is trained to
    the recipe's end."""
    baselines: Mapping[str, Mapping[str, JsonValue]] = {}
    """Zoo names (or paths) of the trials that come first; a mapping gives each its own fields."""
    objectives: Mapping[str, Direction] = {USUAL: "maximize", "macs_per_second": "minimize"}
    """One to four qualities and costs. A quality is metric[/source][/group]: usdr_db is the mean
    over sources, si_sdr_db/vocals of one alone; `msdemucs metrics` lists metrics."""
    constraints: Mapping[str, Annotated[float, Field(gt=0)]] = {}
    """Cost → the most that it may be: {macs_per_second: 8e9, latency_ms_p50: 200}. What exceeds it
    is not trained and does not count, but for baselines, which are references."""
    at_cost: AtCost | None = None
    """The same cost for all: the width of every trial and baseline is solved for it, but for
    baselines that set channels themselves."""
    trials: Annotated[int, Field(ge=1)] = 40
    """Trials to complete in all, baselines included."""
    sampler: Sampler = Sampler()
    """Who proposes the next trial, and how many are drawn at random to compare with."""
    seed: Seed = 0
    """Seed of every training, the same for all trials: they begin with equal weights where their
    layers are alike and see the same data in the same order, so that differences are paired."""
    recipe: str = "field_notes"
    """How each trial is trained: a shipped recipe's name, or a path relative to this file."""
    data: DataRoots = DataRoots()
    """Tracks to train on, to steer by and to judge on; the embedded set when not given."""

    @field_validator("name")
    @classmethod
    def _names_files(cls, name: str) -> str:
        if not re.fullmatch(NAME, name):
            raise ValueError(f"must be letters, digits and . _ - alone; found “{name}”")
        if len(name) > LONGEST_NAME:
            raise ValueError(f"must have at most {LONGEST_NAME} letters; found {len(name)}")
        if name.endswith(FILE_ENDINGS):
            raise ValueError(f"must not end as a file's name does; found “{name}”")
        return name

    @field_validator("objectives", mode="before")
    @classmethod
    def _directed(cls, value: object) -> object:
        names = _names_of(value)
        return {name: better(name) or "maximize" for name in names} if names else value

    @field_validator("objectives")
    @classmethod
    def _one_to_four(cls, objectives: Mapping[str, Direction]) -> Mapping[str, Direction]:
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

    @field_validator("constraints", mode="before")
    @classmethod
    def _known_costs(cls, value: object) -> object:
        known = (*COMPUTED, *MEASURED)
        for name in value if isinstance(value, dict) else ():
            if name not in known:
                hint = nearest(str(name), known)
                raise ValueError(f"found “{name}”, which is no cost: {hint}")
        return value

    @field_validator("baselines", mode="before")
    @classmethod
    def _list_of_names(cls, value: object) -> object:
        if isinstance(value, dict):
            return {name: {} if fields is None else fields for name, fields in value.items()}
        return {name: {} for name in _names_of(value)}

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if self.mode == "ablation" and not self.factors:
            raise ValueError("a study of mode ablation needs at least one factor; found none")
        if self.mode == "search" and not (self.vary or self.baselines or self.factors):
            raise ValueError("a study of mode search needs at least one field to vary; found none")
        return self

    @property
    def seeds_a_trial(self) -> int:
        """Trainings of each trial; an ablation has a trial for each seed of an arm."""
        return 1 if self.mode == "ablation" else self.repeats

    @property
    def can_be_listed(self) -> bool:
        """Whether the combinations are few, and each is trained only once.

        A finite space that is larger than MOST_LISTED without its conditions is none.
        """
        sizes = [variation.n_values or math.inf for variation in self.vary.values()]
        is_trained_once = not self.objectives.keys() & SPENT
        return bool(sizes) and is_trained_once and math.prod(sizes) <= MOST_LISTED

    def is_used_up(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether a study with these trials has nothing left to begin.

        No combination of an exhaustive sampler's or of a space that can be listed, those in work
        included; or none of the arms or baselines of a study that draws nothing.
        """
        if self.vary and self.sampler.kind not in EXHAUSTIVE and not self.can_be_listed:
            return False
        if any(trial.state == TrialState.WAITING for trial in trials):
            return False
        return not self.vary or next(untried(self.vary, trials), None) is None


def _names_of(value: object) -> list[str]:
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


@dataclass(frozen=True)
class Search:
    """A search space with its specs resolved and every choice tried.

    Attributes:
        space: what was asked.
        text: the YAML as it was written.
        path: the file; relative paths start where it lies.
        setting: "full" or "small".
        base: the spec that differences are taken from, `set` applied.
        baselines: name → spec, `set` and its own fields applied.
        arms: of an ablation, by name.
        written: the fields under `set` as they stand in the file, so that faults of the recipe are
            told there.
    """

    space: SearchSpace
    text: str
    path: Path
    setting: str
    base: Spec
    baselines: Mapping[str, Spec]
    arms: Mapping[str, ArmSpec] = field(default_factory=dict)
    written: Mapping[str, Node] = field(default_factory=dict, repr=False)

    def asking(
        self,
        *,
        trials: int | None = None,
        name: str | None = None,
        data: Sequence[Path] | None = None,
        seed: int | None = None,
    ) -> "Search":
        """The search with what a command line asks in place of what the file says.

        Raises:
            SpecError: a name that names no file.
            UsageError: a number of trials for an ablation, whose design has it.
        """
        if trials is not None and self.arms:
            arms = f"{len(self.arms)} arms with {self.space.repeats} seeds each"
            raise UsageError(f"an ablation trains its {arms}: leave --trials out")
        asked = self.space.model_dump(mode="json")
        if trials is not None:
            asked["trials"] = trials
        if name is not None:
            asked["name"] = name
        if data:
            roots = [str(path) for path in data]
            asked["data"] = {"train": roots, "test": roots}
        if seed is not None:
            asked["seed"] = asked["sampler"]["seed"] = seed
        return self.as_asked(validate_data(asked, SearchSpace, origin="command line"))

    def as_asked(self, space: SearchSpace) -> "Search":
        """The same search with a number of trials, a name, data or seeds of its own."""
        return replace(self, space=space)

    def spec(self, fields: Mapping[str, object], *, name: str = "") -> Spec:
        """The base with varied fields in place.

        Raises:
            SpecError: the combination makes no valid spec.
        """
        named = {"name": name} if name else {}
        spec = changed_spec(self._document, {**spec_fields(fields), **named})
        return self.at_cost(spec)

    def at_cost(self, spec: Spec) -> Spec:
        """A spec as wide as the study's cost asks for; where it asks for none, as it is.

        Raises:
            PlanError: it does not build, or no width comes near that cost.
        """
        at_cost = self.space.at_cost
        if at_cost is None:
            plan(spec)
            return spec
        return solve_width(spec, at_cost.macs_per_second, unused=at_cost.unused)

    def recipe(self, fields: Mapping[str, object]) -> "Recipe":
        """The study's recipe with varied fields in place; those of the spec are left aside.

        Raises:
            UsageError: a recipe that is neither shipped nor a file.
            SpecError: the combination makes no valid recipe.
        """
        from msdemucs.train.recipe import load_recipe  # loads torch

        source = resolve(self.space.recipe, self.path.parent)
        changed = recipe_fields({**self.space.set, **self.written, **fields})

        def set_here(problem: Problem) -> Problem:
            """The problem, at its line under `set` if it comes from there."""
            if problem.path == str(self.path):
                return replace(problem, field=f"set.{RECIPE}{problem.field}")
            for name in recipe_fields(self.written):
                if not problem.field and re.search(rf"\b{re.escape(name)}\b", problem.message):
                    node, at = self.written[RECIPE + name], f"set.{RECIPE}{name}"
                    return node.problem(problem.message, field=at, hint=problem.hint)
            return problem

        try:
            return load_recipe(source, overrides={f: changed[f] for f in inner_last(changed)})
        except SpecError as error:
            raise SpecError([set_here(problem) for problem in error.problems]) from None

    @cached_property
    def _document(self) -> Node:
        """The base as it was written, `set` applied."""
        document = read_document(resolve(self.space.base, self.path.parent))
        return override(document, spec_fields(self.space.set))


def resolve(name: str, folder: Path) -> str | Path:
    """A file beside the search space where there is one, else the name itself."""
    path = folder / name
    return path if path.is_file() else name
