"""What a finished or running study is, as plain data: the seam between studies and reports.

A record holds strings, numbers, dicts and pandas frames only; no Optuna object leaks through it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

Direction = Literal["maximize", "minimize"]

STATES = ("complete", "failed", "running", "waiting", "infeasible")
"""What a trial can be. Infeasible: refused before training, by its plan or by a constraint."""

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
    "peak_memory_bytes",  # int: peak of the whole process (CPU) or of the allocator (GPU)
    "seconds",  # float, s: wall time of the whole trial
    "train_seconds",  # float, s: wall time of its training alone
    "seed",  # int
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
    "group",  # str: the data set that the track belongs to
    "track",  # str: "ARTIST - TITLE"
    "source",  # str
    "usdr_db",  # float, dB: of the whole track; NaN when the reference is silent
    "input_usdr_db",  # float, dB: with the mixture as the estimate, the floor; NaN likewise
)
"""Columns of `StudyRecord.scores`, one row a trial, test track and source."""

CURVE_COLUMNS = (
    "trial",  # int
    "step",  # int: counted from 1
    "loss",  # float: training loss of the step, in the recipe's unit
)
"""Columns of `StudyRecord.curves`, one row a logged step."""


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
    """

    name: str
    title: str
    directions: Mapping[str, Direction]
    attrs: Mapping[str, object]
    trials: pd.DataFrame
    scores: pd.DataFrame
    curves: pd.DataFrame
