"""The figures that tell how a study came to its front, and why some trials are better."""

from collections.abc import Sequence

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.fronts import HypervolumeTrace
from msdemucs.analysis.importance import FEWEST_TRIALS
from msdemucs.report.figures.ablation import paint_forest, paint_interactions
from msdemucs.report.figures.importance import (
    paint_importances,
    paint_marginal,
    paint_parallel,
)
from msdemucs.report.figures.progress import paint_fidelity, paint_hypervolumes, paint_rungs
from msdemucs.report.parallel import parallel_coordinates
from msdemucs.report.sentences import say
from msdemucs.report.views import FigureView
from msdemucs.units import count

MOST_MARGINALS = 6


def progress_views(findings: Findings) -> list[FigureView]:
    """Hypervolume over trials and over steps, the front at each rung, the trust in rungs."""
    return [*hypervolume_views(findings), *rung_views(findings), *fidelity_views(findings)]


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
    views = []
    for key, by_steps, title in (
        ("trials", False, "Hypervolume by trial"),
        ("steps", True, "Hypervolume by training steps"),
    ):
        if by_steps and not any(trace.steps[-1] for trace in traces):
            continue
        painted = paint_hypervolumes(traces, by_steps=by_steps, height=300).to_plotly_json()
        text = caption + ("" if by_steps else arms_text(traces))
        views.append(FigureView(f"hypervolume-{key}", title, False, say(text), 0, painted))
    return views


def rung_views(findings: Findings) -> list[FigureView]:
    """The fronts at the rungs, of each quality."""
    trades = findings.main_trades
    views = []
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
    return views


def fidelity_views(findings: Findings) -> list[FigureView]:
    """How well each rung ranks trials."""
    fidelity = findings.fidelity
    if fidelity is None:
        return []
    painted = paint_fidelity(fidelity.table, height=340).to_plotly_json()
    title = "How far short runs can be trusted"
    return [FigureView("fidelity", title, False, say(notes_text(fidelity.notes)), 0, painted)]


def notes_text(notes: Sequence[str]) -> str:
    """Notes as sentences."""
    return " ".join(f"{note[:1].upper()}{note[1:]}." for note in notes)


def arms_text(traces: Sequence[HypervolumeTrace]) -> str:
    """What the search and the random control arm had after as many trials."""
    if len(traces) == 1:
        return " There is no random control arm to compare with."
    n = min(len(trace.trials) for trace in traces) - 1
    if any(not trace.volumes[n] for trace in traces):
        return f" The random control arm has no result yet after {count(n, 'trial')}."
    reached = ", ".join(f"{trace.name} {trace.volumes[n]:.3f}" for trace in traces)
    return f" After {count(n, 'trial')} each: {reached}."


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
