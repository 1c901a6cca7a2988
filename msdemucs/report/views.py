"""The figures of a page with their captions, painted from a record's frames."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from msdemucs.analysis.pooling import pooled
from msdemucs.report.attainment import band_of
from msdemucs.report.figures.curves import paint_curves
from msdemucs.report.figures.trades import paint_trade
from msdemucs.report.findings import describe_trade, main_cost, trades_of, view_key
from msdemucs.report.frames import Curve, complete_rows, curves_of, trial_number
from msdemucs.report.fronts import Trade, fronts_by, study_front
from msdemucs.report.sentences import Sentence, say
from msdemucs.report.tables import best_first
from msdemucs.study.records import STUDY_COLUMN, StudyRecord

MOST_CURVES = 120
"""Learning curves in one figure, at most: the best, the front's, the baselines' and the failed
ones first, then by number."""

MOST_LOSSES = 240
"""Points of one curve in that figure, at most."""


@dataclass(frozen=True)
class FigureView:
    """A figure's place on the page; `figure` is None where there is nothing to draw."""

    key: str
    title: str
    is_wide: bool
    caption: Sentence
    n_front: int
    figure: Mapping[str, object] | None


def trade_views(record: StudyRecord) -> list[FigureView]:
    """Quality against each cost; the study's main cost is drawn larger, with the seeds' band."""
    main = main_cost(record)
    return [trade_view(record, trade, is_main=trade.x == main) for trade in trades_of(record)]


def trade_view(record: StudyRecord, trade: Trade, *, is_main: bool) -> FigureView:
    """A trade's figure with its caption."""
    is_compared = STUDY_COLUMN in record.trials
    band = band_of(record, trade) if is_main and trade.points and not is_compared else None
    painted = None
    if trade.points:
        height = 460 if is_main else 380
        fronts = tuple(fronts_by(record, trade, STUDY_COLUMN).items()) if is_compared else ()
        painted = paint_trade(trade, height=height, band=band, fronts=fronts).to_plotly_json()
    caption = describe_trade(trade)
    if band is not None:
        caption = (*caption, *say(f" Band: what single seeds attain, of {band.n_seeds}."))
    return FigureView(
        view_key(record, trade),
        f"{trade.y.header} against {trade.x.header}",
        is_main,
        caption,
        len(trade.front),
        painted,
    )


def curves_view(record: StudyRecord) -> FigureView:
    """Learning curves in one figure; the best trial is emphasised."""
    curves = curves_of(record)
    complete = complete_rows(record)
    best = trial_number(best_first(pooled(record))[0]) if complete else None
    shown = [thinned(curve) for curve in foremost(record, curves, best)]
    painted = paint_curves(shown, best=best, height=400).to_plotly_json() if shown else None
    left_out = len(curves) - len(shown)
    note = f"{len(shown)} of {len(curves)} curves are drawn; each trial has its own below."
    return FigureView("curves", "Learning curves", True, say(note) if left_out else (), 0, painted)


def foremost(record: StudyRecord, curves: tuple[Curve, ...], best: int | None) -> list[Curve]:
    """The curves that matter most, at most MOST_CURVES, in the order of the trials."""
    front = study_front(record)

    def rank(curve: Curve) -> tuple[bool, bool, bool, int]:
        is_named = curve.trial in front or curve.is_baseline
        return curve.trial != best, not is_named, curve.state != "failed", curve.trial

    kept = {curve.trial for curve in sorted(curves, key=rank)[:MOST_CURVES]}
    return [curve for curve in curves if curve.trial in kept]


def thinned(curve: Curve) -> Curve:
    """Every so many-th point of a long curve, the last one always."""
    stride = -(-len(curve.steps) // MOST_LOSSES)
    if stride == 1:
        return curve
    last = (len(curve.steps) - 1) % stride
    return replace(curve, steps=curve.steps[last::stride], losses=curve.losses[last::stride])
