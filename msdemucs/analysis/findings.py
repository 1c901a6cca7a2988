"""Everything that a report, a paper's tables or a command tells of a study, computed once.

    findings = Findings(load_study("demo"))
    findings.front              # numbers of the trials on the study's front
    findings.trades[0].points   # quality against the main cost
    findings.noise["usdr_db"]   # σ of one training over seeds, where it is known

Each attribute is computed when it is first asked for, by a function of this package that takes
plain frames and rows; whoever tells or paints takes a Findings and not the record.
"""

from collections.abc import Mapping
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
    promoted_trials,
)
from msdemucs.analysis.fronts import (
    HypervolumeTrace,
    box_places,
    front_of,
    hypervolume_traces,
)
from msdemucs.analysis.importance import (
    Importance,
    Marginal,
    importances,
    marginal,
)
from msdemucs.analysis.measure import (
    Measure,
    by_training,
)
from msdemucs.analysis.noise import Noise, noise_of
from msdemucs.analysis.recorded import Recorded
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
    exceeded_constraints,
    is_busy_time,
    is_complete,
    mapping_of,
    number,
    rows_of,
    trial_number,
    without_busy_times,
)
from msdemucs.errors import StudyError, UsageError
from msdemucs.study.records import STUDY_COLUMN, StudyRecord


class Findings(Recorded):
    """What a study found: its record as it is told, and all that is computed of it.

    Args:
        record: the study, or several as one.
    """

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
        of_quality = (known for known in self.importances if known.measure == self.quality)
        shares = next((known.shares for known in of_quality), {})
        names = dict.fromkeys(
            name for row in self.complete_rows for name in mapping_of(row, "params")
        )
        return tuple(sorted(names, key=lambda name: -shares.get(name, 0.0)))

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
        later = self.record.later
        return later[later["split"] == TEST] if len(later) else later

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
