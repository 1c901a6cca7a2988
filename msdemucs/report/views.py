"""The figures of a page with their captions, painted from what a study found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.importance import FEWEST_TRIALS
from msdemucs.analysis.trades import Trade
from msdemucs.analysis.trials import Curve, trial_number
from msdemucs.report.figures.ablation import paint_forest, paint_interactions
from msdemucs.report.figures.choices import (
    paint_importances,
    paint_marginal,
    paint_parallel,
    parallel_coordinates,
)
from msdemucs.report.figures.progress import (
    paint_curves,
    paint_fidelity,
    paint_hypervolumes,
    paint_rungs,
)
from msdemucs.report.figures.sizes import paint_sizes, published, sized_trials
from msdemucs.report.figures.style import group_colour
from msdemucs.report.figures.trades import paint_trade, shows_floor
from msdemucs.report.sentences import Sentence, say
from msdemucs.report.statements import describe_trade
from msdemucs.units import count

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


def trade_views(findings: Findings) -> list[FigureView]:
    """Quality against each cost; the study's main cost is drawn larger, with the seeds' band."""
    return [trade_view(findings, trade) for trade in findings.trades]


def trade_view(findings: Findings, trade: Trade) -> FigureView:
    """A trade's figure with its caption."""
    is_main = trade.x == findings.main_cost
    of_quality = "" if trade.y == findings.quality else f"-{trade.y.column}"
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
        f"front-{trade.x.column}{of_quality}".replace("/", "-"),
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

    def rank(curve: Curve) -> tuple[bool, bool, bool, int]:
        is_named = curve.trial in findings.front or curve.is_baseline
        return curve.trial != best, not is_named, curve.state != "failed", curve.trial

    kept = {curve.trial for curve in sorted(curves, key=rank)[:MOST_CURVES]}
    shown = []
    for curve in (curve for curve in curves if curve.trial in kept):
        stride = -(-len(curve.steps) // MOST_LOSSES)  # and the last step always
        thinned = slice((len(curve.steps) - 1) % stride, None, stride)
        shown.append(replace(curve, steps=curve.steps[thinned], losses=curve.losses[thinned]))
    is_one = not findings.studies
    painted = (
        paint_curves(shown, best=best, height=370, is_one_study=is_one).to_plotly_json()
        if shown
        else None
    )
    left_out = len(curves) - len(shown)
    note = f"{len(shown)} of {len(curves)} curves are drawn; each trial has its own below."
    return FigureView("curves", "Learning curves", True, say(note) if left_out else (), 0, painted)


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


MOST_MARGINALS = 6


def progress_views(findings: Findings) -> list[FigureView]:
    """Hypervolume over trials and over steps, the front at each rung, the trust in rungs."""
    trades, views = findings.main_trades, hypervolume_views(findings)
    for trade in trades:
        fronts = findings.rung_fronts(trade) if trade.points else ()
        if len(fronts) < 2:
            continue
        painted = paint_rungs(fronts, trade, height=340).to_plotly_json()
        reached = ", ".join(f"{front.n} at step {front.step}" for front in fronts)
        is_first = trade.y == findings.quality
        key = "rungs" if is_first else f"rungs-{trade.y.column}".replace("/", "-")
        title = "Fronts at the rungs" + (f", {trade.y.header}" if len(trades) > 1 else "")
        caption = say(f"Trials that reached the rungs: {reached}.")
        views.append(FigureView(key, title, False, caption, 0, painted))
    if (fidelity := findings.fidelity) is not None:
        painted = paint_fidelity(fidelity.table, height=340).to_plotly_json()
        title = "How far short runs can be trusted"
        caption = say(notes_text(fidelity.notes))
        views.append(FigureView("fidelity", title, False, caption, 0, painted))
    return views


def hypervolume_views(findings: Findings) -> list[FigureView]:
    """Hypervolume over trials and over steps; none of an ablation, which searches nothing."""
    traces, trade = findings.hypervolumes, findings.main_trade
    if not traces or findings.is_ablation:
        return []
    names = [measure.header for measure in findings.hypervolume_measures]
    caption = (
        f"Of {', '.join(names[:-1])} and {names[-1]}, in the box from the best of all trials to a "
        "tenth beyond the worst; it begins with the baselines."
    )
    if any(point.n_seeds > 1 for point in trade.points):
        caption += f" Each {trade.noun} counts as the mean of its trainings, from the last one on."
    n = min(len(trace.trials) for trace in traces) - 1
    if len(traces) == 1:
        arms = "There is no random control arm to compare with."
    elif any(not trace.volumes[n] for trace in traces):
        arms = f"The random control arm has no result yet after {count(n, 'trial')}."
    else:
        reached = ", ".join(f"{trace.name} {trace.volumes[n]:.3f}" for trace in traces)
        arms = f"After {count(n, 'trial')} each: {reached}."
    views = []
    for key, by_steps, title in (
        ("trials", False, "Hypervolume by trial"),
        ("steps", True, "Hypervolume by training steps"),
    ):
        if by_steps and not any(trace.steps[-1] for trace in traces):
            continue
        painted = paint_hypervolumes(traces, by_steps=by_steps, height=300).to_plotly_json()
        text = caption if by_steps else f"{caption} {arms}"
        views.append(FigureView(f"hypervolume-{key}", title, False, say(text), 0, painted))
    return views


def notes_text(notes: Sequence[str]) -> str:
    """Notes as sentences."""
    return " ".join(f"{note[:1].upper()}{note[1:]}." for note in notes)


def ablation_views(findings: Findings) -> list[FigureView]:
    """An ablation's forest plot and its interactions."""
    effects, quality = findings.effects, findings.quality
    if effects is None:
        return []
    single = [effect for effect in effects.ranked if not effect.is_interaction]
    pairs = [effect for effect in effects.ranked if effect.is_interaction]
    views = []
    if single:
        noise = effects.noise.sigma.value if effects.noise else None
        caption = "Filled squares may be claimed; open ones are not told apart from chance. "
        if effects.noise is not None:
            sigma = quality.text(effects.noise.sigma.value)
            caption += f"Shaded: one σ between seeds, {sigma} ({effects.noise.source}). "
        painted = paint_forest(single, quality, noise).to_plotly_json()
        title, notes = "What each factor gives", notes_text(effects.notes)
        views.append(FigureView("forest", title, True, say(caption), 0, painted, notes))
    if pairs:
        caption = (
            f"How many {quality.unit} more one alternative gives where the other is there too."
        )
        painted = paint_interactions(pairs, quality).to_plotly_json()
        views.append(FigureView("interactions", "Interactions", False, say(caption), 0, painted))
    return views


def importance_views(findings: Findings) -> list[FigureView]:
    """Importances, parallel coordinates, marginals of the choices that matter most."""
    views = []
    if findings.importances:
        n = findings.importances[0].n
        caption = (
            f"PED-ANOVA over {count(n, 'trial')}: how much each choice tells the best "
            "quarter from the rest; each column sums to 100 %. With few trials this is rough."
        )
        painted = paint_importances(findings.importances).to_plotly_json()
        views.append(
            FigureView("importances", "Which choices matter", True, say(caption), 0, painted)
        )
    if not findings.is_common:
        return views
    parallel = parallel_coordinates(findings)
    if parallel is not None:
        drawn = f"the best {len(parallel.lines)} of " if parallel.n_left_out else ""
        total = count(len(parallel.lines) + parallel.n_left_out, "trial")
        caption = (
            f"One line a trial, {drawn}{total}; coloured: the front of the study. "
            "Drag along an axis to keep what crosses it there, here, in the table and in the "
            "other figures."
        )
        painted = paint_parallel(parallel, height=360).to_plotly_json()
        views.append(
            FigureView("parallel", "Choices and what came of them", True, say(caption), 0, painted)
        )
    marginals = map(findings.marginal, findings.choices)
    for marginal in [known for known in marginals if known is not None][:MOST_MARGINALS]:
        painted = paint_marginal(marginal).to_plotly_json()
        title = f"{findings.quality.header} by {marginal.field}"
        views.append(FigureView(f"marginal-{marginal.field}", title, False, (), 0, painted))
    return views


def importance_note(findings: Findings) -> str:
    """Why importances are missing; "" where they are not, or nothing was varied."""
    if findings.importances or not findings.choices or not findings.is_common:
        return ""
    return f"Importances need at least {FEWEST_TRIALS} complete trials with the same choices."
