"""Everything that a report, a paper's tables or a command tells of a study, computed once.

    findings = Findings(load_study("demo"))
    findings.front              # numbers of the trials on the study's front
    findings.trades[0].points   # quality against the main cost
    findings.noise["usdr_db"]   # σ of one training over seeds, where it is known

Each attribute is computed when it is first asked for, by a function of this package that takes
plain frames and rows; whoever tells or paints takes a Findings and not the record.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from math import isfinite

import pandas as pd

from msdemucs.analysis.effects import Effects, effects_against
from msdemucs.analysis.fidelity import Fidelity, fidelity
from msdemucs.analysis.followups import (
    TEST,
    JudgedTrial,
    PromotedTrial,
    judged_trials,
    looks_at_test,
    promoted_trials,
)
from msdemucs.analysis.fronts import (
    HypervolumeTrace,
    box_places,
    front_of,
    hypervolume_traces,
    steering_quality,
)
from msdemucs.analysis.importance import (
    Importance,
    Marginal,
    choices_by_importance,
    importances,
    marginal,
)
from msdemucs.analysis.measure import (
    Measure,
    ScoreTable,
    by_training,
    cost_measures,
    mean_by_trial,
    measure_of,
    quality_measures,
    recorded_measures,
    score_tables,
    source_means,
    stopped_score_tables,
)
from msdemucs.analysis.noise import Noise, Pool, noise_of, pool
from msdemucs.analysis.statistics import PairedDifference, paired_difference
from msdemucs.analysis.trades import (
    Band,
    Budget,
    RungFront,
    Trade,
    TradePoint,
    attainment_band,
    budgets,
    fronts_by_group,
    mixture_quality,
    ranked_points,
    rung_fronts,
    trade_points,
)
from msdemucs.analysis.trials import (
    Curve,
    Row,
    StateCount,
    constant_choices,
    count_states,
    exceeded_constraints,
    is_baseline,
    is_busy_time,
    is_complete,
    learning_curves,
    mapping_of,
    named_by_choices,
    number,
    rows_of,
    trial_number,
    varied_fields,
    without_busy_times,
)
from msdemucs.errors import StudyError, UsageError
from msdemucs.metrics import Quality
from msdemucs.study.records import STUDY_COLUMN, StudyRecord


class Findings:
    """What a study found.

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
        return quality_measures(self.record)

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
        """What quality is drawn against."""
        return cost_measures(self.record)

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

    # Chance

    @cached_property
    def trainings(self) -> Mapping[str, pd.DataFrame]:
        """Quality → its value for each training of each spec: columns trial, seed, value."""
        return {
            measure.column: by_training(self.pooled_scores, measure.quality)
            for measure in self.qualities
            if measure.quality is not None
        }

    @cached_property
    def n_seeds(self) -> Mapping[str, Mapping[int, int]]:
        """Quality → trial → the trainings that its value is the mean of."""
        return {
            column: {int(str(trial)): len(rows) for trial, rows in trainings.groupby("trial")}
            for column, trainings in self.trainings.items()
        }

    @cached_property
    def noise(self) -> Mapping[str, Noise | None]:
        """Quality → its spread over seeds; None where no spec was trained twice."""
        return {
            measure.column: noise_of(self.pool, measure.quality)
            for measure in self.qualities
            if measure.quality is not None
        }

    @cached_property
    def floors(self) -> Mapping[str, float | None]:
        """Quality → what the mixture scores as the estimate; None where that is not known."""
        return {
            measure.column: mixture_quality(self.floor_scores, measure)
            for measure in self.qualities
        }

    @cached_property
    def test_floors(self) -> Mapping[str, float | None]:
        """The same on test tracks, once a trial was judged there."""
        floors = self.record.floors[self.record.floors["split"] == TEST]
        return {measure.column: mixture_quality(floors, measure) for measure in self.qualities}

    def difference(self, measure: Measure, first: int, second: int) -> PairedDifference | None:
        """How much more one spec's trial scores than another's; None where they share no track."""
        if measure.quality is None:
            return None
        return paired_difference(self.pooled_scores, measure.quality, first, second)

    # Fronts

    def trade(self, cost: Measure, quality: Measure | None = None) -> Trade:
        """Quality against a cost over the complete trials, with the front of this pair.

        Args:
            cost: the cost.
            quality: one of `qualities`; the first when not given.
        """
        y = quality or self.quality
        noise = self.noise.get(y.column)
        n_busy = sum(
            is_busy_time(row, cost.column) and not isfinite(number(row, cost.column))
            for row in self.complete_specs
        )
        points = trade_points(self.complete_specs, cost, y, noise, self.n_seeds.get(y.column, {}))
        return Trade(
            cost,
            y,
            ranked_points(points, (cost.direction, y.direction), noise)
            if self.is_common
            else points,
            len(self.complete_specs) - len(points) - n_busy,
            self.floors.get(y.column),
            noise,
            self.noun,
            self.is_common,
            n_busy,
        )

    @cached_property
    def main_trades(self) -> tuple[Trade, ...]:
        """Each of the study's qualities against its main cost."""
        return tuple(self.trade(self.main_cost, quality) for quality in self.qualities)

    @property
    def main_trade(self) -> Trade:
        """The first of the study's qualities against its main cost."""
        return self.main_trades[0]

    @cached_property
    def trades(self) -> tuple[Trade, ...]:
        """What is drawn: `main_trades`, then the first quality against the other costs."""
        others = [cost for cost in self.costs if cost != self.main_cost]
        return (*self.main_trades, *(self.trade(cost) for cost in others))

    def study_fronts(self, trade: Trade) -> dict[str, list[TradePoint]]:
        """The front of each of the combined studies, by its name."""
        return fronts_by_group(
            trade, {trial_number(row): str(row[STUDY_COLUMN]) for row in self.rows}
        )

    @cached_property
    def bands(self) -> Mapping[str, Band | None]:
        """Quality → what single seeds attain at each main cost; none of combined studies."""
        return {
            trade.y.column: attainment_band(trade, self.trainings[trade.y.column])
            for trade in self.main_trades
            if trade.points and not self.studies and trade.y.column in self.trainings
        }

    @cached_property
    def front(self) -> frozenset[int]:
        """Numbers of the complete trials whose spec is on the study's front."""
        first = set(self.front_specs["trial"])
        return frozenset(
            trial for arm in self.pool.repeats if arm.trial in first for trial in arm.trials
        )

    @cached_property
    def front_specs(self) -> pd.DataFrame:
        """The complete specs that nothing beats in all of the study's objectives, the best first.

        A baseline beyond a constraint is a reference, not an answer, and not among them.
        """
        record = self.pool.record
        return front_of(record) if self.is_common else record.trials.iloc[:0]

    @cached_property
    def references(self) -> Mapping[str, tuple[str, ...]]:
        """Baseline → the constraints that it exceeds, of those that are trained as references."""
        return {
            str(row["name"]): limits
            for row in self.complete_specs
            if (limits := exceeded_constraints(row))
        }

    @cached_property
    def budgets(self) -> tuple[Budget, ...]:
        """What is best under each limit of each cost."""
        return budgets(self.trades)

    # How the search went

    @cached_property
    def hypervolume_measures(self) -> tuple[Measure, ...]:
        """What hypervolumes are over: all objectives; quality and main cost where it is but one."""
        if len(self.record.directions) > 1:
            return tuple(map(self.measure, self.record.directions))
        return self.quality, self.main_cost

    @cached_property
    def box_places(self) -> Mapping[int, tuple[float, ...]]:
        """Where each spec lies in the box of hypervolumes, by the trial that stands for it."""
        return box_places(self.complete_specs, self.hypervolume_measures)

    @cached_property
    def hypervolumes(self) -> tuple[HypervolumeTrace, ...]:
        """The hypervolume after each trial of the search, and of the random control arm."""
        if not self.is_common:
            return ()
        return hypervolume_traces(self.rows, self.box_places, self.pool.repeats)

    def rung_fronts(self, trade: Trade) -> tuple[RungFront, ...]:
        """The front at every rung, of a trade's quality and cost."""
        if not self.is_common:
            return ()
        return rung_fronts(self.pool.record.rungs, self.specs, trade)

    @cached_property
    def fidelity(self) -> Fidelity | None:
        """How well each rung ranks trials; None without rungs, or with too few trials."""
        if self.record.rungs.empty or not self.is_common:
            return None
        try:
            return fidelity(self.record)
        except UsageError:
            return None

    # Choices

    @cached_property
    def importances(self) -> tuple[Importance, ...]:
        """How much each choice matters for the qualities and for each cost."""
        if not self.is_common:
            return ()
        timed = rows_of(without_busy_times(self.record.trials))
        return importances(tuple(filter(is_complete, timed)), (*self.qualities, *self.costs))

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """All choices, those that matter most for the quality first."""
        return choices_by_importance(self.complete_rows, self.importances, self.quality)

    def marginal(self, field: str) -> Marginal | None:
        """The quality by one choice; None where the trials do not differ in it."""
        return marginal(self.complete_rows, field, self.quality)

    @cached_property
    def _effects(self) -> tuple[Effects | None, str]:
        """The effects of an ablation; or none, and what of its record is damaged."""
        if not self.is_ablation:
            return None, ""
        try:
            noise = self.noise.get(self.quality.column)
            return effects_against(noise, self.record), ""
        except StudyError as error:
            return None, str(error)
        except UsageError:
            return None, ""

    @property
    def effects(self) -> Effects | None:
        """The effects of an ablation; None for another study, or before an arm is complete."""
        return self._effects[0]

    @property
    def why_no_effects(self) -> str:
        """Why an ablation's effects cannot be told; "" where they can, or it is none."""
        return self._effects[1]

    # Afterwards

    @cached_property
    def test_looks(self) -> pd.DataFrame:
        """What was scored on test tracks after the study: each row is one look at them."""
        return looks_at_test(self.record.later)

    @cached_property
    def judged(self) -> Mapping[str, tuple[JudgedTrial, ...]]:
        """Quality → the trials that were judged on test tracks, the best there first."""
        return {
            measure.column: judged_trials(self.test_looks, self.rows, measure)
            for measure in self.qualities
        }

    @cached_property
    def promoted(self) -> Mapping[str, tuple[PromotedTrial, ...]]:
        """Quality → the trials that were trained for longer, the best after it first."""
        return {
            measure.column: promoted_trials(
                self.record.later, self.rows, measure, self.record.split
            )
            for measure in self.qualities
        }


def findings_of(study: "Findings | StudyRecord") -> Findings:
    """Return the findings of a study; those that are given as they are."""
    return study if isinstance(study, Findings) else Findings(study)
