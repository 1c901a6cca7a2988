"""What a study recorded, as reports and tables read it: its trials, their numbers, their scores.

`findings.Findings` is this, and all that is concluded from it.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import pandas as pd

from msdemucs.analysis.fronts import (
    steering_quality,
)
from msdemucs.analysis.measure import (
    COSTS,
    MEMORIES,
    Measure,
    ScoreTable,
    mean_by_trial,
    measure_of,
    recorded_measures,
    score_tables,
    source_means,
    stopped_score_tables,
)
from msdemucs.analysis.noise import Pool, pool
from msdemucs.analysis.trials import (
    Curve,
    Row,
    StateCount,
    constant_choices,
    count_states,
    is_baseline,
    is_complete,
    learning_curves,
    mapping_of,
    named_by_choices,
    number,
    rows_of,
    trial_number,
    varied_fields,
)
from msdemucs.metrics import Quality
from msdemucs.study.records import STUDY_COLUMN, StudyRecord, ranked_by


class Recorded:
    """What a study recorded, as it is told.

    Args:
        record: the study, or several as one.
    """

    def __init__(self, record: StudyRecord) -> None:
        is_named = STUDY_COLUMN in record.trials  # by `combine`, of each study alone
        self.record = record if is_named else named_by_choices(record)

    # Trials

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All trials."""
        return rows_of(self.record.trials)

    @cached_property
    def complete_rows(self) -> tuple[Row, ...]:
        """The trials that came to their end."""
        return tuple(filter(is_complete, self.rows))

    @cached_property
    def pool(self) -> Pool:
        """The study with its trainings of one spec as one."""
        return pool(self.record)

    @cached_property
    def specs(self) -> tuple[Row, ...]:
        """All trials, those of one spec as one: the mean of its trainings."""
        return rows_of(self.pool.record.trials)

    @cached_property
    def complete_specs(self) -> tuple[Row, ...]:
        """The complete ones of `specs`."""
        return tuple(filter(is_complete, self.specs))

    @cached_property
    def states(self) -> tuple[StateCount, ...]:
        """How many trials are in which state, and why."""
        return count_states(self.rows)

    @cached_property
    def best_first(self) -> tuple[Row, ...]:
        """All trials, the best quality on top, those without one at the end, by number."""
        return self._by_quality(self.rows)

    @cached_property
    def best_spec(self) -> Row | None:
        """The complete spec of the best quality; None before there is one."""
        return next(iter(self._by_quality(self.complete_specs)), None)

    def _by_quality(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        quality = self.quality

        def rank(row: Row) -> tuple[bool, float, int]:
            value = number(row, quality.column)
            missing = value != value
            return missing, 0.0 if missing else -quality.sign * value, trial_number(row)

        return tuple(sorted(rows, key=rank))

    @cached_property
    def noun(self) -> str:
        """What a point of a figure stands for."""
        if not self.pool.repeated:
            return "complete trial"
        return "arm" if self.is_ablation else "spec"

    @property
    def is_ablation(self) -> bool:
        """Whether the study was asked what single factors do."""
        return bool(mapping_of(self.record.attrs, "ablation"))

    @cached_property
    def varied_fields(self) -> tuple[str, ...]:
        """The fields in which the trials' choices differ, in the order of the search space."""
        return varied_fields(self.rows)

    @cached_property
    def constant_choices(self) -> Mapping[str, str]:
        """Field → the choice that all trials have there."""
        return constant_choices(self.rows)

    @cached_property
    def baselines(self) -> Mapping[int, str]:
        """Trial → the name of the baseline that it is."""
        return {trial_number(row): str(row["baseline"]) for row in self.rows if is_baseline(row)}

    @property
    def base(self) -> str | None:
        """The name of the spec that differences are taken from."""
        base = self.record.attrs.get("base")
        return base if isinstance(base, str) else None

    # Studies side by side

    @cached_property
    def studies(self) -> tuple[str, ...]:
        """The names of the studies that were combined, in their order; none of a single one."""
        if STUDY_COLUMN not in self.record.trials:
            return ()
        return tuple(dict.fromkeys(str(row[STUDY_COLUMN]) for row in self.rows))

    @cached_property
    def unlike(self) -> tuple[str, ...]:
        """In what combined studies differ, so that their scores do not compare."""
        unlike = mapping_of(self.record.attrs, "compared").get("unlike", ())
        return tuple(map(str, unlike)) if isinstance(unlike, list | tuple) else ()

    @property
    def is_common(self) -> bool:
        """Whether all scores compare, so that there is a front and a best of all trials."""
        return not self.unlike

    # Numbers

    @cached_property
    def measures(self) -> tuple[Measure, ...]:
        """The objectives, and all numbers that some trial has: qualities first, then costs."""
        return recorded_measures(self.record, self.rows)

    @cached_property
    def qualities(self) -> tuple[Measure, ...]:
        """The study's objectives that are qualities; uSDR over everything where none is."""
        return tuple(map(self.measure, ranked_by(self.record.directions)))

    @property
    def quality(self) -> Measure:
        """The first of the study's qualities."""
        return self.qualities[0]

    @cached_property
    def metric(self) -> Quality:
        """The first quality's metric over all sources: what the tables by source are of."""
        return replace(steering_quality(self.record), source="")

    @cached_property
    def costs(self) -> tuple[Measure, ...]:
        """What quality is drawn against: COSTS, a memory, then the study's other objectives."""
        known, objectives = self.record.trials, self.record.directions
        memories = [name for name in MEMORIES if name in known and known[name].notna().any()]
        drawn = (*COSTS, *memories[:1])
        others = (name for name in objectives if name not in (*drawn, *self.record.qualities))
        return tuple(map(self.measure, (*drawn, *others)))

    @cached_property
    def main_cost(self) -> Measure:
        """The study's first objective that is a cost, or the first cost that is always drawn."""
        columns = {cost.column: cost for cost in self.costs}
        objectives = [columns[name] for name in self.record.directions if name in columns]
        return next(iter([*objectives, *self.costs]))

    def measure(self, column: str) -> Measure:
        """The measure of a column of the trials."""
        return measure_of(column, self.record)

    # Scores

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The scores that the study selected by: those of its split."""
        return self._of_split(self.record.scores)

    @cached_property
    def pooled_scores(self) -> pd.DataFrame:
        """The same, trainings of one spec under the trial that stands for it."""
        return self._of_split(self.pool.record.scores)

    @cached_property
    def floor_scores(self) -> pd.DataFrame:
        """What the mixture scores as the estimate, on that split."""
        return self._of_split(self.record.floors)

    def _of_split(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["split"] == self.record.split]

    @cached_property
    def n_tracks(self) -> int:
        """Tracks that the study selected by."""
        return len(self.scores[["group", "track"]].drop_duplicates())

    @cached_property
    def source_means(self) -> pd.DataFrame:
        """The metric of each source alone: one row a trial, one column a source."""
        return source_means(self.scores, self.metric)

    @cached_property
    def metric_means(self) -> Mapping[int, float]:
        """The metric over all sources, by trial."""
        return mean_by_trial(self.scores, self.metric)

    @cached_property
    def score_tables(self) -> Mapping[int, ScoreTable]:
        """Each trial's scores by track and source; of stopped ones, those at their last rung."""
        stopped = self._of_split(self.record.rung_scores)
        return stopped_score_tables(stopped, self.floor_scores, self.metric) | score_tables(
            self.scores, self.floor_scores, self.metric
        )

    @cached_property
    def curves(self) -> tuple[Curve, ...]:
        """Every trial's training losses."""
        return learning_curves(self.record.curves, self.rows)
