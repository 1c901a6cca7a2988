"""The figures that tell how a study came to its front, and why some trials are better."""

from collections.abc import Sequence

from msdemucs.report.answers import INTERACTION, Answer, answers_of, effects_of, fidelity_of
from msdemucs.report.figures.ablation import paint_forest, paint_interactions
from msdemucs.report.figures.progress import paint_climbs, paint_fidelity, paint_rungs
from msdemucs.report.figures.sizes import paint_sizes
from msdemucs.report.figures.why import paint_importances, paint_marginal, paint_parallel
from msdemucs.report.findings import main_cost, main_trades
from msdemucs.report.frames import quality_of
from msdemucs.report.fronts import trade_of
from msdemucs.report.parallel import parallel_of
from msdemucs.report.progress import Climb, climbs_of, rung_fronts, volume_measures
from msdemucs.report.published import published, sized_trials
from msdemucs.report.sentences import say
from msdemucs.report.views import FigureView
from msdemucs.report.why import FEWEST_TRIALS, fields_by_importance, importances_of, marginal_of
from msdemucs.study.records import StudyRecord
from msdemucs.units import count

MOST_MARGINALS = 6


def progress_views(record: StudyRecord) -> list[FigureView]:
    """Hypervolume over trials and over steps, and the front at each rung."""
    trade = trade_of(record, main_cost(record))
    climbs = climbs_of(record)
    views = []
    names = [measure.header for measure in volume_measures(record)]
    over = f"{', '.join(names[:-1])} and {names[-1]}"
    for key, by_steps, title in (
        ("trials", False, "Hypervolume by trial"),
        ("steps", True, "Hypervolume by training steps"),
    ):
        if not climbs or (by_steps and not any(climb.steps[-1] for climb in climbs)):
            continue
        painted = paint_climbs(climbs, by_steps=by_steps, height=300).to_plotly_json()
        caption = (
            f"Of {over}, in the box from the best of all trials to a tenth beyond the worst; "
            "it begins with the baselines."
        )
        if any(point.n_seeds > 1 for point in trade.points):
            caption += (
                f" Each {trade.noun} counts as the mean of its trainings, from the last one on."
            )
        caption += "" if by_steps else compared(climbs)
        views.append(FigureView(f"climb-{key}", title, False, say(caption), 0, painted))
    trades = main_trades(record)
    for own in trades:
        fronts = rung_fronts(record, own) if own.points else ()
        if len(fronts) > 1:
            painted = paint_rungs(fronts, own, height=340).to_plotly_json()
            reached = ", ".join(f"{front.n} at step {front.step}" for front in fronts)
            caption = f"Trials that reached the rungs: {reached}."
            key = "rungs" if own.y == trade.y else f"rungs-{own.y.column}".replace("/", "-")
            title = "Fronts at the rungs" + (f", {own.y.header}" if len(trades) > 1 else "")
            views.append(FigureView(key, title, False, say(caption), 0, painted))
    trust = fidelity_of(record)
    if trust is not None:
        painted = paint_fidelity(trust.table, height=340).to_plotly_json()
        told = " ".join(f"{note[:1].upper()}{note[1:]}." for note in trust.notes)
        title = "How far short runs can be trusted"
        views.append(FigureView("fidelity", title, False, say(told), 0, painted))
    return views


def compared(climbs: Sequence[Climb]) -> str:
    """What the search and the random control arm had after as many trials."""
    if len(climbs) == 1:
        return " There is no random control arm to compare with."
    n = min(len(climb.trials) for climb in climbs) - 1
    reached = ", ".join(f"{climb.name} {climb.volumes[n]:.3f}" for climb in climbs)
    return f" After {count(n, 'trial')} each: {reached}."


def answer_views(record: StudyRecord) -> list[FigureView]:
    """An ablation's forest plot and its interactions."""
    answers, quality = answers_of(record), quality_of(record)
    found = effects_of(record)
    effects = [answer for answer in answers if answer.kind != INTERACTION]
    views = []
    if effects and found is not None:
        noise = found.noise.sigma.value if found.noise else None
        caption = "Filled squares may be claimed; open ones are not told apart from chance. "
        if noise is not None and found.noise is not None:
            caption += (
                f"Shaded: one σ between seeds, {quality.text(noise)} ({found.noise.source}). "
            )
        caption += " ".join(f"{note[:1].upper()}{note[1:]}." for note in found.notes)
        painted = paint_forest(effects, quality, noise).to_plotly_json()
        views.append(FigureView("forest", "What each factor gives", True, say(caption), 0, painted))
    pairs: list[Answer] = [answer for answer in answers if answer.kind == INTERACTION]
    if pairs:
        caption = (
            f"How many {quality.unit} more one alternative gives where the other is there too."
        )
        painted = paint_interactions(pairs, quality).to_plotly_json()
        views.append(FigureView("interactions", "Interactions", False, say(caption), 0, painted))
    return views


def why_views(record: StudyRecord) -> list[FigureView]:
    """Importances, marginals of the choices that matter most, parallel coordinates."""
    found = importances_of(record)
    fields = fields_by_importance(record, found)
    views = []
    if found:
        caption = (
            f"PED-ANOVA over {count(found[0].n, 'trial')}: how much each choice tells the best "
            "quarter from the rest; each column sums to 100 %. With few trials this is rough."
        )
        painted = paint_importances(found).to_plotly_json()
        views.append(
            FigureView("importances", "Which choices matter", True, say(caption), 0, painted)
        )
    parallel = parallel_of(record, fields)
    if parallel is not None:
        left_out = parallel.n_left_out
        drawn = f"the best {len(parallel.lines)} of " if left_out else ""
        total = count(len(parallel.lines) + left_out, "trial")
        caption = (
            f"One line a trial, {drawn}{total}; coloured: the front of the study. "
            "Drag along an axis to keep what crosses it there, here, in the table and in the "
            "other figures."
        )
        painted = paint_parallel(parallel, height=360).to_plotly_json()
        views.append(
            FigureView("parallel", "Choices and what came of them", True, say(caption), 0, painted)
        )
    quality = quality_of(record)
    marginals = [marginal_of(record, field, quality) for field in fields]
    for marginal in [one for one in marginals if one is not None][:MOST_MARGINALS]:
        painted = paint_marginal(marginal).to_plotly_json()
        title = f"{quality.header} by {marginal.field}"
        views.append(FigureView(f"marginal-{marginal.field}", title, False, (), 0, painted))
    return views


def size_view(record: StudyRecord) -> FigureView | None:
    """The front and the baselines beside the systems of the published notes, by size alone."""
    own = sized_trials(record, trade_of(record, main_cost(record)))
    if not own:
        return None
    caption = (
        "Filled: baselines and the front of this study; open: the systems of the published notes "
        "at their own segments, with 4 sources. All are counted as the notes count, by thop, which "
        "leaves attention's products out and takes transposed convolutions a stride too high. The "
        "notes tell sizes and times, not SDR; they were trained by another recipe on other data, "
        "and nothing here compares their quality with that of short runs."
    )
    painted = paint_sizes(own, published()).to_plotly_json()
    return FigureView("sizes", "Sizes beside published systems", True, say(caption), 0, painted)


def why_note(record: StudyRecord) -> str:
    """Why importances are missing; "" where they are not, or nothing was varied."""
    if importances_of(record) or not fields_by_importance(record, ()):
        return ""
    return f"Importances need at least {FEWEST_TRIALS} complete trials with the same choices."
