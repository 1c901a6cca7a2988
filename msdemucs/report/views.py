"""The figures of a page with their captions, painted from what a study found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.trades import Trade
from msdemucs.analysis.trials import Curve, trial_number
from msdemucs.report.figures.curves import paint_curves
from msdemucs.report.figures.sizes import paint_sizes
from msdemucs.report.figures.style import group_colour
from msdemucs.report.figures.trades import paint_trade, shows_floor
from msdemucs.report.published import published, sized_trials
from msdemucs.report.sentences import Sentence, say
from msdemucs.report.statements import describe_trade

MOST_CURVES = 120
"""Learning curves in one figure, at most: the best, the front's, the baselines' and the failed
ones first, then by number."""

MOST_LOSSES = 240
"""Points of one curve in that figure, at most."""


@dataclass(frozen=True)
class FigureView:
    """A figure's place on the page.

    Attributes:
        key: of the element.
        title: its heading.
        is_wide: over both columns.
        caption: the sentences below it.
        n_front: trials on its front.
        figure: plotly's description; None where there is nothing to draw.
        notes: what else is to be known of it, folded away.
    """

    key: str
    title: str
    is_wide: bool
    caption: Sentence
    n_front: int
    figure: Mapping[str, object] | None
    notes: str = ""


def legend(findings: Findings, shown: Sequence[Trade]) -> list[tuple[str, str]]:
    """The marks that figures of quality against cost show: the mark's key and its meaning.

    The key of a study that is compared is its colour.

    Args:
        findings: of the study.
        shown: what the figures are of.
    """
    trades = [trade for trade in shown if trade.points]
    promoted = [findings.promoted[trade.y.column] for trade in trades]
    points = [point for trade in trades for point in trade.points]
    admitted = [point for point in points if not point.beyond]
    sampled, baselines = (
        [point for point in admitted if point.is_baseline == is_baseline]
        for is_baseline in (False, True)
    )
    on_front = any(point.is_front for point in admitted)
    noun = findings.noun.replace("complete", "sampled")
    of_one_study = (
        ("front", f"{noun} on the front", any(p.is_front for p in sampled)),
        ("tied", "tied with it within the noise", any(p.is_tied for p in sampled)),
        ("dominated", "dominated", any(not (p.is_front or p.is_tied) for p in sampled)),
        ("baseline-front", "baseline on the front", any(p.is_front for p in baselines)),
        ("baseline", "baseline, not on it", any(not p.is_front for p in baselines)),
        ("line", "front; what it beats, shaded", on_front),
    )
    of_several = (
        *((group_colour(index), name, bool(points)) for index, name in enumerate(findings.studies)),
        ("ringed", "with an edge: on the front of all", on_front),
        ("baseline", "baseline", bool(baselines)),
    )
    marks = (
        *(of_several if findings.studies else of_one_study),
        ("beyond", "beyond a constraint: on no front", len(admitted) < len(points)),
        ("promoted", "the same, trained for longer", any(promoted)),
        ("floor", "the mixture itself", any(map(shows_floor, trades, promoted))),
    )
    return [(mark, text) for mark, text, is_shown in marks if is_shown]


def view_key(findings: Findings, trade: Trade) -> str:
    """The name of a trade's figure: of its cost, and of the quality where that is not the first."""
    first = trade.y == findings.quality
    return f"front-{trade.x.column}{'' if first else f'-{trade.y.column}'}".replace("/", "-")


def trade_views(findings: Findings) -> list[FigureView]:
    """Quality against each cost; the study's main cost is drawn larger, with the seeds' band."""
    return [trade_view(findings, trade) for trade in findings.trades]


def trade_view(findings: Findings, trade: Trade) -> FigureView:
    """A trade's figure with its caption."""
    is_main = trade.x == findings.main_cost
    band = findings.bands.get(trade.y.column) if is_main else None
    painted = None
    if trade.points:
        fronts = findings.study_fronts(trade) if findings.studies else None
        height = 430 if is_main else 380
        promoted = findings.promoted[trade.y.column]
        painted = paint_trade(
            trade, height=height, band=band, fronts=fronts, promoted=promoted
        ).to_plotly_json()
    caption = describe_trade(trade)
    if band is not None:
        caption = (*caption, *say(f" Band: what single seeds attain, of {band.n_seeds}."))
    return FigureView(
        view_key(findings, trade),
        f"{trade.y.header} against {trade.x.header}",
        is_main,
        caption,
        len(trade.front),
        painted,
    )


def curves_view(findings: Findings) -> FigureView:
    """Learning curves in one figure; the best trial is emphasised."""
    curves, best_spec = findings.curves, findings.best_spec
    best = trial_number(best_spec) if best_spec and findings.is_common else None
    shown = [thinned(curve) for curve in foremost(findings, best)]
    is_one = not findings.studies
    painted = (
        paint_curves(shown, best=best, height=370, is_one_study=is_one).to_plotly_json()
        if shown
        else None
    )
    left_out = len(curves) - len(shown)
    note = f"{len(shown)} of {len(curves)} curves are drawn; each trial has its own below."
    return FigureView("curves", "Learning curves", True, say(note) if left_out else (), 0, painted)


def foremost(findings: Findings, best: int | None) -> list[Curve]:
    """The curves that matter most, at most MOST_CURVES, in the order of the trials."""

    def rank(curve: Curve) -> tuple[bool, bool, bool, int]:
        is_named = curve.trial in findings.front or curve.is_baseline
        return curve.trial != best, not is_named, curve.state != "failed", curve.trial

    kept = {curve.trial for curve in sorted(findings.curves, key=rank)[:MOST_CURVES]}
    return [curve for curve in findings.curves if curve.trial in kept]


def size_view(findings: Findings) -> FigureView | None:
    """The front and the baselines beside the systems of the published notes, by size alone."""
    sizes = sized_trials(findings)
    if not sizes:
        return None
    caption = (
        "Filled: baselines and the front of this study; open: the systems of the published notes "
        "at their own segments, with 4 sources. All are counted as the notes count, by thop, which "
        "leaves attention's products out and takes transposed convolutions a stride too high. The "
        "notes tell sizes and times, not SDR; they were trained by another recipe on other data, "
        "and nothing here compares their quality with that of short runs."
    )
    painted = paint_sizes(sizes, published()).to_plotly_json()
    return FigureView("sizes", "Sizes beside published systems", True, say(caption), 0, painted)


def thinned(curve: Curve) -> Curve:
    """Every so many-th point of a long curve, the last one always."""
    stride = -(-len(curve.steps) // MOST_LOSSES)
    if stride == 1:
        return curve
    last = (len(curve.steps) - 1) % stride
    return replace(curve, steps=curve.steps[last::stride], losses=curve.losses[last::stride])
