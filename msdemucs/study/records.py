"""What a finished or running study is, as plain data: the seam between studies and reports.

A record holds strings, numbers, dicts and pandas frames only; no Optuna object leaks through it.
Which of its columns a study can optimise, and where each is better, is said here as well.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import pandas as pd

from msdemucs.columns import COLUMNS
from msdemucs.metrics import METRICS, USUAL, Quality
from msdemucs.metrics import Direction as Direction

STATES = ("complete", "failed", "running", "waiting", "stopped", "infeasible", "continued")
"""What a trial can be. Stopped: at a rung, its checkpoint kept. Infeasible: refused before
training, by its plan or by a constraint. Continued: cut short, and another trial goes on."""

STUDY_COLUMN = "study"
"""The column that a combined record's trials have beside TRIAL_COLUMNS: whose they are."""

SPLIT: "Split" = "validation"
"""The split of the tracks by which a study is steered."""

TRIAL_COLUMNS = (*COLUMNS, USUAL)
"""Columns of `StudyRecord.trials` that every record has, absent values as None or NaN. Those of
other qualities follow, named as in YAML: "usdr_db/synthetic", "si_sdr_db/vocals"."""

SCORE_COLUMNS = (
    "trial",  # int
    "seed",  # int: of the training; NaN in studies that did not record it
    "split",  # str: "validation" for what steers a study, "test" for what was judged
    "group",  # str: the data set that the track belongs to
    "track",  # str: "ARTIST - TITLE"
    "source",  # str
    "metric",  # str: of msdemucs.metrics.METRICS
    "value",  # float: of the whole track; NaN where the metric has none
)
"""Columns of `StudyRecord.scores`, one row a trial, seed, track, source and metric."""

FLOOR_COLUMNS = ("split", "group", "track", "source", "metric", "value")
"""Columns of `StudyRecord.floors`, one row a track, source and metric: the mixture taken as the
estimate, which is what doing nothing scores."""

CURVE_COLUMNS = (
    "trial",  # int
    "step",  # int: counted from 1
    "loss",  # float: training loss of the step, in the recipe's unit
)
"""Columns of `StudyRecord.curves`, one row a logged step."""

RUNG_COLUMNS = (
    "trial",  # int
    "seed",  # int: of the training
    "step",  # int: of the rung
    "quality",  # str: as in YAML
    "value",  # float
)
"""Columns of `StudyRecord.rungs`, one row a trial, seed, rung and quality, the last step's
included."""

RUNG_SCORE_COLUMNS = (
    "trial",  # int: one that was stopped
    "step",  # int: of the rung where it was stopped
    *SCORE_COLUMNS[1:],
)
"""Columns of `StudyRecord.rung_scores`: SCORE_COLUMNS of stopped trials, after fewer steps than
those in `scores`, with which they do not compare."""

NOISE, PROMOTION, JUDGE, RESCORE = "noise", "promotion", "judge", "rescore"
"""Kinds of what is computed after a trial has ended: trainings with other seeds, for longer; scores
of chosen trials on test tracks; scores by another metric."""

LATER_COLUMNS = (
    "trial",  # int: the trial that it is about; -1 for the base of the study
    "kind",  # str: NOISE, PROMOTION, JUDGE or RESCORE
    "convention",  # str: the quality or metric: "si_sdr_db/vocals", "sdr_bsseval_db"
    "value",  # float, dB
    "seed",  # int
    "detail",  # dict: recipe, steps, weights, when, scores; of "judge" the rows of the score
    "split",  # str: of the tracks that were scored, as in SCORE_COLUMNS
)
"""Columns of `StudyRecord.later`: what was computed after a trial had ended."""

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

Split = Literal["validation", "test"]


def split_of(attrs: Mapping[str, object]) -> Split:
    """Returns the split of the scores by which a study with these attributes chose its trials.

    It is "test" for studies of earlier versions, whose data have no validation tracks.
    """
    data = attrs.get("data")
    is_old = isinstance(data, Mapping) and "test" in data and "validation" not in data
    return "test" if is_old else "validation"


LOOKS = "test_looks"
"""Key of a record's attrs: a mapping of `when` and `why` for each time that its test tracks were
read; absent where they never were."""


def looked(n_looks: int) -> str:
    """Returns how often a study's test tracks were looked at, in words."""
    times = {0: "never looked at", 1: "looked at once"}
    often = f"looked at {n_looks} times: the best of several looks is optimistic"
    return f"the test tracks were {times.get(n_looks, often)}"


@dataclass(frozen=True, eq=False)
class StudyRecord:
    """A study read back: what was asked, and one row a trial.

    Attributes:
        name: the study's name in its storage.
        title: a line for people; the name when nobody wrote one.
        directions: objectives in their order, each the name of a numeric column of `trials`.
        attrs: what the study was asked and where it ran, JSON-able. Known keys, all optional:
            `search_space` (the YAML text), `recipe`, `data`, `machine`, `versions` (mappings),
            `base` (the name of the spec that differences are taken from), `started`, `command`,
            LOOKS.
        trials: TRIAL_COLUMNS, and a column for each further quality, on `split`, by trial.
        scores: SCORE_COLUMNS.
        curves: CURVE_COLUMNS.
        rungs: RUNG_COLUMNS; empty where nobody asked for rungs.
        later: LATER_COLUMNS.
        rung_scores: RUNG_SCORE_COLUMNS.
        floors: FLOOR_COLUMNS.
    """

    name: str
    title: str
    directions: Mapping[str, Direction]
    attrs: Mapping[str, object]
    trials: pd.DataFrame
    scores: pd.DataFrame
    curves: pd.DataFrame
    rungs: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(RUNG_COLUMNS)))
    later: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(LATER_COLUMNS)))
    rung_scores: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(RUNG_SCORE_COLUMNS))
    )
    floors: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(FLOOR_COLUMNS)))

    @property
    def split(self) -> Split:
        """Of the tracks by whose scores trials were chosen."""
        split = split_of(self.attrs)
        return split if split == "test" else next(iter(self.scores["split"]), split)

    @property
    def n_looks(self) -> int:
        """How often the study's test tracks were looked at."""
        looks = self.attrs.get(LOOKS, ())
        return len(looks) if isinstance(looks, Sequence) else 0

    @cached_property
    def qualities(self) -> Mapping[str, Quality]:
        """Column → quality, of every quality that trials have a column of."""
        sources = {*self.scores["source"], *self.rung_scores["source"]}
        sources |= {str(name) for spec in self.trials["spec"] for name in _sources(spec)}
        # before the first spec is recorded: of two parts the first is a source
        sources |= {str(name).split("/")[1] for name in self.trials if str(name).count("/") == 2}
        return {
            str(column): asked_quality(str(column), sources=sources)
            for column in self.trials
            if is_quality(str(column))
        }


def is_quality(name: str) -> bool:
    """Whether a column or an objective is a quality: its name begins with a metric's."""
    return name.split("/")[0] in METRICS


def better(name: str) -> Direction | None:
    """Where an objective is better; None for what is none."""
    return METRICS[name.split("/")[0]].direction if is_quality(name) else COSTS.get(name)


def turned(name: str, value: float) -> float:
    """Return an objective's value turned so that more is better."""
    return value if better(name) == "maximize" else -value


def qualities_of(names: Iterable[str]) -> list[str]:
    """Those of some objectives that are qualities, in their order."""
    return [name for name in names if is_quality(name)]


def ranked_by(names: Iterable[str]) -> list[str]:
    """Return the qualities by which trials are ranked, the first of them first.

    They are those of a study's objectives; where all of those are costs, the usual one.
    """
    return [name for name in names if is_quality(name)] or [USUAL]


def asked_quality(text: str, *, sources: Collection[str]) -> Quality:
    """A quality as it is written where the groups of tracks are not known.

    What is neither metric nor source is taken for a group.

    Raises:
        UsageError: an unknown metric; two parts behind it of which the first is no source.
    """
    groups = [part for part in text.split("/", 2)[1:] if part not in sources]
    return Quality.parse(text, sources=sources, groups=groups)


def _sources(spec: object) -> Collection[str]:
    """The sources of a trial's spec; none where it is not known."""
    sources = spec.get("sources") if isinstance(spec, Mapping) else None
    return sources if isinstance(sources, list) else ()
