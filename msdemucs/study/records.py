"""What a finished or running study is, as plain data: the seam between studies and reports.

A record holds strings, numbers, dicts and pandas frames only; no Optuna object leaks through it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from msdemucs.metrics import METRICS, Quality
from msdemucs.metrics import Direction as Direction

STATES = ("complete", "failed", "running", "waiting", "stopped", "infeasible", "continued")
"""What a trial can be. Stopped: at a rung, its checkpoint kept. Infeasible: refused before
training, by its plan or by a constraint. Continued: cut short, and another trial goes on."""

STUDY_COLUMN = "study"
"""The column that a combined record's trials have beside TRIAL_COLUMNS: whose they are."""

TRIAL_COLUMNS = (
    "trial",  # int: the trial's number in its study
    "state",  # str: one of STATES
    "name",  # str: the baseline's name, or "trial 7"
    "baseline",  # str | None: the baseline's name when the trial is one
    "usdr_db",  # float, dB: mean over sources of the mean over test tracks; NaN when not measured
    "macs",  # int: multiply-accumulates of one forward pass over a segment
    "macs_per_second",  # float: MACs for one second of audio
    "parameters",  # int: learned numbers
    "latency_ms_p05",  # float, ms: 5th percentile of the wall time of one segment's forward pass
    "latency_ms_p50",  # float, ms: median wall time of one segment's forward pass
    "latency_ms_p95",  # float, ms: its 95th percentile
    "rtf",  # float: seconds of compute for one second of audio
    "latency_busy",  # float: share of the cores that others kept busy while latency was measured
    "inference_bytes",  # int: peak activation memory of one segment's forward pass, computed
    "training_bytes",  # int: the same of a training step on one segment
    "peak_memory_bytes",  # int: peak of the whole process (CPU) or of the allocator (GPU)
    "seconds",  # float, s: wall time of the whole trial
    "train_seconds",  # float, s: wall time of its training alone
    "cpu_seconds",  # float, s: CPU time of the trial's process
    "gpu_seconds",  # float, s: wall time that a GPU was held; NaN without one
    "steps",  # int: optimiser steps that the trial trained, over all its seeds
    "stopped_at",  # int: the step of the rung at which it was stopped; NaN otherwise
    "seed",  # int: the first of its seeds
    "arm",  # dict: factor -> alternative, in an ablation; empty otherwise
    "is_control",  # bool: of the random control arm
    "duplicate_of",  # str | None: "study/trial" whose result it took, its spec being the same
    "violations",  # dict: constraint -> by how much it is exceeded; empty where all hold
    "recipe",  # dict: the full recipe that it was trained by; empty in older studies
    "device",  # str | None: what it was trained and timed on: "cpu: AMD EPYC"
    "weights",  # str | None: path or URL of its weights
    "log",  # str | None: path or URL of its log
    "git",  # str | None: revision of the source tree, "+" after it where it was changed
    "spec",  # dict: the canonical full spec, as dump_spec gives it
    "spec_hash",  # str: 16 hexadecimal digits, name excluded
    "differences",  # dict: dotted field -> [value in the base, value in the trial]
    "params",  # dict: the values that the sampler chose, by name
    "failure",  # str | None: why a trial failed or was refused
    "left_out",  # list[str]: why each test track that the scores are without could not be used
    "started",  # str | None: ISO 8601 with offset
    "versions",  # dict: package -> version
)
"""Columns of `StudyRecord.trials` that every record has, absent values as None or NaN."""

GROUP_COLUMN_PREFIX = "usdr_db/"
"""One further column a group of test tracks: "usdr_db/synthetic", dB, usdr_db over it alone."""

SCORE_COLUMNS = (
    "trial",  # int
    "seed",  # int: of the training
    "split",  # str: "validation" for what steers a study, "test" for what was judged
    "group",  # str: the data set that the track belongs to
    "track",  # str: "ARTIST - TITLE"
    "source",  # str
    "metric",  # str: of metrics.METRICS
    "value",  # float: NaN where there is none, as with a silent reference
)
"""Columns of `StudyRecord.scores`, one row a trial, seed, track, source and metric."""

FLOOR_COLUMNS = ("split", "group", "track", "source", "metric", "value")
"""Columns of `StudyRecord.floors`: the mixture taken as the estimate, once a track."""

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
    "quality",  # str: as in YAML, "si_sdr_db/vocals"
    "value",  # float
)
"""Columns of `StudyRecord.rungs`, a row a trial, seed, rung and quality, the last step's too."""

RUNG_SCORE_COLUMNS = (
    "trial",  # int: one that was stopped
    "step",  # int: of the rung where it was stopped
    *SCORE_COLUMNS[1:],
)
"""Columns of `StudyRecord.rung_scores`: SCORE_COLUMNS of stopped trials, after fewer steps than
those in `scores`, with which they do not compare."""

LATER_COLUMNS = (
    "trial",  # int: the trial that it is about; -1 for the base of the study
    "kind",  # str: "promotion", "rescore", "noise" …
    "convention",  # str: "usdr_db", "sdr_bsseval_db" …
    "value",  # float, dB
    "seed",  # int
    "detail",  # dict: recipe, steps, weights, when
    "split",  # str: of the tracks, "validation" or "test"
)
"""Columns of `StudyRecord.later`: what was computed after a trial had ended."""


@dataclass(frozen=True, eq=False)
class StudyRecord:
    """A study read back: what was asked, and one row a trial.

    Attributes:
        name: the study's name in its storage.
        title: a line for people; the name when nobody wrote one.
        directions: objectives in their order, each the name of a numeric column of `trials`.
        attrs: what the study was asked and where it ran, JSON-able. Known keys, all optional:
            `search_space` (the YAML text), `recipe`, `data`, `machine`, `versions` (mappings),
            `base` (the name of the spec that differences are taken from), `started`, `command`.
        trials: TRIAL_COLUMNS and a GROUP_COLUMN_PREFIX column for each group, by trial.
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
    def split(self) -> str:
        """The split of the tracks by which the study was steered."""
        return str(next(iter(self.scores["split"]), "validation"))

    @cached_property
    def qualities(self) -> Mapping[str, Quality]:
        """The qualities that columns of `trials` are named by, parsed once."""
        sources, groups = (set(self.scores[name]) for name in ("source", "group"))
        names = [str(name) for name in [*self.trials, *self.directions]]
        sources |= {name.split("/")[1] for name in names if name.count("/") == 1} - groups
        return {
            name: Quality.parse(name, sources=sources, groups=groups)
            for name in dict.fromkeys(names)
            if name.split("/")[0] in METRICS
        }
