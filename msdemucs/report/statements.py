"""What a study found, in sentences whose every number comes from its record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.followups import TEST
from msdemucs.analysis.measure import Measure, measure_of_quality
from msdemucs.analysis.trades import Trade, TradePoint
from msdemucs.analysis.trials import mapping_of, rows_of, short_field, trial_number
from msdemucs.metrics.quality import describe_trials
from msdemucs.report.audio import Excerpt
from msdemucs.report.sentences import (
    Part,
    Sentence,
    claim_text,
    describe_basis,
    describe_busy_times,
    describe_comparison,
    describe_left_out,
    describe_noise,
    describe_optimism,
    describe_spending,
    describe_unscored,
    limits_text,
    objectives_text,
    say,
    tracks_text,
    uncertainty_text,
)
from msdemucs.study.records import looked
from msdemucs.units import count, percent, signed_percent

BARS = "95 % t-interval of the mean over seeds, from σ pooled over repeated specs"
"""What an error bar of a quality is."""

MOST_EFFECTS = 4
"""Sentences about an ablation's effects."""

MOST_FALLEN = 2
"""Trials named that a promotion made worse, at most: the worst of them."""

MOST_BASELINES = 4
"""Sentences about beaten baselines, at most."""

MOST_REASONS = 4
"""Reasons told for one state, at most, the commonest first."""

MOST_LISTED = 16
"""Trials named under a figure, at most."""


def summarise_states(findings: Findings) -> str:
    """How many trials are in each state, with reasons: "3 trials: 2 complete, 1 failed (…)."."""
    texts = []
    for state in findings.states:
        reasons = "; ".join(
            reason if n == state.n or n == 1 else f"{n} × {reason}"
            for reason, n in state.reasons[:MOST_REASONS]
        )
        left = sum(n for _, n in state.reasons[MOST_REASONS:])
        reasons += f"; {left} for other reasons, each in its row" if left else ""
        texts.append(f"{state.n} {state.state}" + (f" ({reasons})" if reasons else ""))
    total = count(len(findings.rows), "trial")
    return f"{total}: {', '.join(texts)}." if texts else "No trial has been started yet."


MOST_FIELDS = 5
"""Varied fields that the question names."""

MOST_LEADING = 3
"""Sentences on the first screen, at most."""


@dataclass(frozen=True)
class Statements:
    """A study's results in sentences; what cannot be said is left out.

    Attributes:
        leading: what a stranger must know, at most MOST_LEADING.
        evidence: what the study cost, and how far its scores may be trusted.
        further: all others.
    """

    leading: tuple[Sentence, ...]
    evidence: tuple[Sentence, ...] = ()
    further: tuple[Sentence, ...] = ()


def statements(findings: Findings) -> tuple[Sentence, ...]:
    """All sentences about a study's results, the most important first."""
    said = arranged_statements(findings)
    return (*said.leading, *said.evidence, *said.further)


def arranged_statements(findings: Findings) -> Statements:
    """The same, by where they stand on the page."""
    trades = [trade for trade in findings.main_trades if trade.points]
    if not trades:
        nothing = say(f"Nothing can be compared yet. {summarise_states(findings)}")
        return Statements((*describe_split(findings), nothing, *describe_busy_times(findings)))
    judged, effects = describe_judged(findings), describe_effects(findings)
    beaten = [said for trade in trades for said in describe_beaten_baselines(findings, trade)]
    ranked = (
        *describe_split(findings),
        *describe_comparison(findings),
        *(said for trade in trades for said in describe_promoted(findings, trade)),
        *effects[:2],
        *(said for trade in trades for said in describe_best(findings, trade)),
        *judged[:1],
        *beaten[:1],
        *(said for trade in trades for said in describe_front(trade)),
        *effects[2:],
        *beaten[1:],
        *(said for trade in trades for said in describe_against_base(findings, trade)),
        *(said for trade in trades for said in describe_floor(trade)),
    )
    evidence = (
        *describe_spending(findings),
        describe_basis(findings),
        *describe_left_out(findings),
        *(said for trade in trades for said in describe_noise(trade)),
        *(said for trade in trades for said in describe_optimism(trade)),
        *describe_busy_times(findings),
        *describe_unscored(findings),
        *judged[1:],
    )
    return Statements(ranked[:MOST_LEADING], evidence, ranked[MOST_LEADING:])


def describe_question(findings: Findings) -> Sentence:
    """What was asked, in one sentence: objectives, what varies, around which base, how long."""
    goals = objectives_text(findings)
    varied = [short_field(field) for field in findings.choices]
    over = f" over {', '.join(varied[:MOST_FIELDS])}" if varied else ""
    if len(varied) > MOST_FIELDS:
        over += f" and {count(len(varied) - MOST_FIELDS, 'other field')}"
    around = f" around {findings.base}" if findings.base else ""
    name = mapping_of(findings.record.attrs, "recipe").get("name")
    trained = f"; trained by the recipe “{name}”" if isinstance(name, str) else ""
    return say(f"Asked: {goals}{over}{around}{trained}.")


def describe_heard(findings: Findings, excerpts: Mapping[int, Excerpt]) -> Sentence:
    """Which trials can be heard, and in what; nothing where none can."""
    if not excerpts:
        return ()
    names = {trial_number(row): str(row["name"]) for row in findings.rows}
    links = [Part(names[trial], trial) for trial in excerpts]
    sources = dict.fromkeys(s.source for excerpt in excerpts.values() for s in excerpt.sources)
    what = ", ".join(dict.fromkeys(excerpt.title for excerpt in excerpts.values()))
    each = "" if len(links) == 1 else ", each in one excerpt"
    head = f"{count(len(links), 'trial')} of {len(names)} can be heard{each}, of "
    parts = [part for link in links for part in (Part("; "), link)][1:]
    return say(f"{head}{count(len(sources), 'source')} ({what}): ", *parts, ".")


def describe_effects(findings: Findings) -> tuple[Sentence, ...]:
    """The largest effects of an ablation, those that may be claimed first."""
    if reason := findings.why_no_effects:
        return (say(f"{reason[:1].upper()}{reason[1:]}."),)
    ranked = findings.effects.ranked if findings.effects else ()
    known = [effect for effect in ranked if effect.verdict != "incomplete"]
    known.sort(key=lambda effect: (not effect.is_claimed, effect.is_interaction))
    claims = tuple(say(claim_text(effect, findings.quality)) for effect in known[:MOST_EFFECTS])
    if not known or known[0].is_claimed:
        return claims
    n_seeds, n_tracks = (min(getattr(e, name) for e in known) for name in ("n_seeds", "n_tracks"))
    head = (
        f"None of {count(len(known), 'effect')} may be claimed, "
        f"with {count(n_seeds, 'seed')} and {tracks_text(findings.record.split, n_tracks)}."
    )
    return (say(head), *claims)


def scale_text(trade: Trade) -> str:
    """What doing nothing scores: "; silence 0.00 dB, the mixture −5.10 dB"; "" where unknown."""
    floors = (("silence", trade.y.silence), ("the mixture", trade.floor))
    known = [f"{name} {trade.y.text(floor)}" for name, floor in floors if floor is not None]
    return f"; {', '.join(known)}" if known else ""


def describe_promoted(findings: Findings, trade: Trade) -> tuple[Sentence, ...]:
    """What became of the trials that were trained for longer, the best of them first."""
    promoted, y = findings.promoted[trade.y.column], trade.y
    if not promoted or not trade.is_common:
        return ()
    points = {point.trial: point for point in trade.points}
    best, title = promoted[0], f"{y.header} ({findings.record.split}{scale_text(trade)})"
    recipe = f" by the recipe “{best.recipe}”" if best.recipe else ""
    head = f"Trained for longer ({count(best.steps, 'step')}{recipe}), the best by {title} is "
    parts: list[str | Part | TradePoint] = [head, Part(best.name, best.trial)]
    cost = f" at {trade.x.text(points[best.trial].x)}" if best.trial in points else ""
    of = f", of {len(promoted)}" if len(promoted) > 1 else ""
    parts.append(f" with {y.text(best.long)}{cost}{of} (in the study {y.text(best.short)})")
    worse = [trial for trial in promoted if trial.change(y) < 0][-MOST_FALLEN:]
    for trial in worse:
        parts += ["; ", Part(trial.name, trial.trial)]
        parts.append(f" fell from {y.text(trial.short)} to {y.text(trial.long)}")
    return (say(*parts, "."),)


def describe_best(findings: Findings, trade: Trade) -> tuple[Sentence, ...]:
    """The best trial, and its distance to the best of the baselines or of the sampled trials."""
    if not trade.admitted or not trade.is_common:
        return ()
    best = trade.best()
    better = [p for p in trade.points if p.beyond and trade.y.is_better(p.y, best.y)]
    end: tuple[str | TradePoint, ...] = ()
    if better:
        beyond = trade.best(better)
        why = f" with {trade.y.text(beyond.y)} ({limits_text(beyond)})."
        end = (" Better, but beyond a constraint: ", beyond, why)
    is_promoted = bool(findings.promoted[trade.y.column])
    scale = "" if is_promoted else scale_text(trade)
    title = f"{trade.y.header} ({findings.record.split}{scale})"
    said = (
        f"As the study trained them, the best by {title} is " if is_promoted else f"Best {title}: "
    )
    head = (said, best, f" with {_at(best, trade)}")
    baselines = [point for point in trade.admitted if point.is_baseline]
    sampled = [point for point in trade.admitted if not point.is_baseline]
    if not baselines or not sampled:
        return (say(*head, ".", *end),)
    other = trade.best(sampled if best.is_baseline else baselines)
    role = "sampled trial" if best.is_baseline else "baseline"
    worse = "below" if trade.y.direction == "maximize" else "above"
    gap = f"{trade.y.text(abs(best.y - other.y))}{uncertainty_text(findings, trade, best, other)}"
    return (
        say(
            *head, f"; the best {role}, ", other, f", is {gap} {worse} ({_at(other, trade)}).", *end
        ),
    )


def describe_against_base(findings: Findings, trade: Trade) -> tuple[Sentence, ...]:
    """For each baseline but the base: what it gains over the base, and what it costs."""
    base = next((p for p in trade.points if findings.baselines.get(p.trial) == findings.base), None)
    if base is None or base.x <= 0:
        return ()
    others = [point for point in trade.points if point.is_baseline and point is not base]
    sentences = []
    for point in others[:MOST_BASELINES]:
        better = trade.y.is_better(point.y, base.y)
        gained = f" {'gains' if better else 'loses'} {trade.y.text(abs(point.y - base.y))}"
        change = signed_percent(point.x / base.x - 1)
        against = f" at {change} {trade.x.header}"
        interval = uncertainty_text(findings, trade, point, base)
        verb = "over" if better else "against"
        sentences.append(say(point, f"{gained}{interval} {verb} ", base, f"{against}."))
    return tuple(sentences)


def describe_front(trade: Trade) -> tuple[Sentence, ...]:
    """How many trials are on the front, and between which ends."""
    front = trade.front
    pair = f"the front of {trade.y.header} against {trade.x.header}"
    total = count(len(trade.points), trade.noun)
    if not trade.is_common:
        return ()
    if not front:
        return (say(f"None of {total} is on {pair}: each exceeds a constraint."),)
    if len(front) == 1:
        return (say(front[0], f" alone is on {pair}, of {total}."),)
    first, last = front[0], front[-1]
    ends = (f", from {_at(first, trade)} (", first, f") to {_at(last, trade)} (", last, ").")
    return (say(f"{len(front)} of {total} are on {pair}", *ends),)


def describe_trade(trade: Trade) -> Sentence:
    """A figure's caption: how many points are on this pair's front, and which."""
    left_out = f" {count(trade.n_unmeasured, trade.noun)} without both numbers."
    busy = f" {count(trade.n_busy, trade.noun)} timed on a busy machine: not drawn."
    note = (left_out if trade.n_unmeasured else "") + (busy if trade.n_busy else "")
    if not trade.points:
        return say(f"No {trade.noun} has both numbers.{note}")
    if any(point.n_seeds > 1 for point in trade.points):
        noun = trade.noun.removeprefix("complete ")
        note += f" A point is the mean over the seeds of one {noun}, {seeds_text(trade.points)}."
    if trade.noise is not None:
        note += f" Bars: {BARS} ({trade.y.text(trade.noise.sigma.value)})."
    total = count(len(trade.points), trade.noun)
    if not trade.is_common:
        return say(f"{total}; the scores of the studies do not compare.{note}") + (
            describe_beyond(trade)
        )
    distinct = list({point.name: point for point in trade.front}.values())
    names = [part for point in distinct[:MOST_LISTED] for part in ("; ", point)][1:]
    more = f" and {len(distinct) - MOST_LISTED} more" if len(distinct) > MOST_LISTED else ""
    said = f"{len(trade.front)} of {total} on the front of this pair: "
    return say(said, *names, f"{more}.{note}") + describe_beyond(trade)


def seeds_text(points: Sequence[TradePoint]) -> str:
    """How many seeds points are means over: "3 seeds", "2 to 3 seeds"."""
    fewest, most = (end(point.n_seeds for point in points) for end in (min, max))
    return count(most, "seed") if fewest == most else f"{fewest} to {most} seeds"


def describe_beyond(trade: Trade) -> Sentence:
    """Which references are shown although they exceed a constraint."""
    shown = [point for point in trade.points if point.beyond]
    if not shown:
        return ()
    named = [part for p in shown[:MOST_LISTED] for part in ("; ", p, f" ({limits_text(p)})")]
    return say(" Crossed, beyond a constraint and on no front: ", *named[1:], ".")


def describe_beaten_baselines(findings: Findings, trade: Trade) -> tuple[Sentence, ...]:
    """For each baseline, the cheapest sampled trial that costs less and scores no worse.

    Nothing is said where the difference has no interval: it might be chance.
    """
    if not trade.is_common:
        return ()
    sentences = []
    sampled = [point for point in trade.points if not point.is_baseline]
    for baseline in (point for point in trade.points if point.is_baseline):
        better = [
            point
            for point in sampled
            if point.x < baseline.x and not trade.y.is_better(baseline.y, point.y)
        ]
        if not better or baseline.x <= 0:
            continue
        cheapest = min(better, key=lambda point: (point.x, -trade.y.sign * point.y))
        if not (interval := uncertainty_text(findings, trade, cheapest, baseline)):
            continue
        share = percent(cheapest.x / baseline.x)
        gap = f"{trade.y.text(abs(cheapest.y - baseline.y))}{interval}"
        more = "more" if trade.y.direction == "maximize" else "less"
        parts = (" reaches ", baseline, f" at {share} of its {trade.x.header}, with {gap} {more}.")
        sentences.append(say(cheapest, *parts))
    return tuple(sentences[:MOST_BASELINES])


def describe_floor(trade: Trade) -> tuple[Sentence, ...]:
    """How many trials are better than no separation at all."""
    floors = (("the mixture itself as the estimate", trade.floor), ("silence", trade.y.silence))
    texts: list[str] = []
    for name, floor in floors:
        if floor is not None:
            n = sum(trade.y.is_better(point.y, floor) for point in trade.points)
            of = "" if texts else f" of {count(len(trade.points), trade.noun)}"
            texts.append(f"{n}{of} beat {name} ({trade.y.text(floor)})")
    return (say(f"By {trade.y.header}, {'; '.join(texts)}."),) if texts else ()


def _at(point: TradePoint, trade: Trade) -> str:
    """A point's quality and cost: "3.21 dB at 4.2 GMAC/s"; a count says of what."""
    counted = f" {trade.x.header}" if trade.x.unit in ("count", "") else ""
    return f"{trade.y.text(point.y)} at {trade.x.text(point.x)}{counted}"


MIXTURE = "the mixture itself"
"""What stands for a trial in the line of what doing nothing scores."""

MOST_TOLD = 4
"""Judged trials in one sentence, at most."""


def on_test(measure: Measure) -> Measure:
    """A quality of the study, of test tracks."""
    return measure_of_quality(measure.quality, TEST) if measure.quality else measure


def describe_split(findings: Findings) -> tuple[Sentence, ...]:
    """A warning where a study selected on test tracks; else nothing."""
    if findings.record.split != TEST or not len(findings.record.scores):
        return ()
    return (
        say(
            "This study selected on its test tracks: what stopped, steered and ranked its trials "
            "are the scores shown here. They are optimistic, and no test result."
        ),
    )


def describe_judged(findings: Findings) -> tuple[Sentence, ...]:
    """The judged trials, test beside validation, and how often the test tracks were looked at."""
    looks, split = findings.test_looks, findings.record.split
    if not len(looks):
        return ()
    sentences = []
    for measure in findings.qualities:
        parts: list[Part] = []
        for trial in findings.judged[measure.column][:MOST_TOLD]:
            scores = measure.text(trial.test)
            if isfinite(trial.validation):
                scores += f" ({measure.text(trial.validation)} on {split})"
            link = Part(trial.name, trial.trial)
            parts += [Part("; " if parts else ""), link, Part(f" {scores}")]
        if parts:
            if (floor := findings.test_floors[measure.column]) is not None:
                parts.append(Part(f"; {MIXTURE} {measure.text(floor)}"))
            sentences.append((Part(f"{measure.header} on test tracks: "), *parts, Part(".")))
    unscored = {
        trial_number(row): mapping_of(row, "detail").get("unscored") for row in rows_of(looks)
    }
    lacking = describe_trials(unscored)
    sentences += [say(f"Of the test tracks, there is {line}.") for line in lacking]
    trials = count(looks["trial"].nunique(), "trial")
    said = looked(findings.record.n_looks)
    return (*sentences, say(f"{said[:1].upper()}{said[1:]} (scores of {trials})."))
