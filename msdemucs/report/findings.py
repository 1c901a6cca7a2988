"""What a study found, in sentences whose every number comes from its record."""

from collections.abc import Mapping, Sequence

from msdemucs.report.answers import INTERACTION, answers_of, unanswered
from msdemucs.report.asked import objectives_text
from msdemucs.report.evidence import (
    describe_compared,
    describe_evidence,
    describe_left_out,
    describe_noise,
    evidence_text,
)
from msdemucs.report.frames import (
    costs_of,
    count_states,
    mapping_of,
    qualities_of,
    quality_of,
    rows_of,
    tracks_text,
)
from msdemucs.report.fronts import Point, Trade, trade_of
from msdemucs.report.judged import describe_judged, describe_split
from msdemucs.report.measures import Measure, percent, signed_percent
from msdemucs.report.optimism import describe_optimism
from msdemucs.report.sentences import Sentence, say
from msdemucs.study.records import StudyRecord
from msdemucs.units import count

BARS = "95 % t-interval of the mean over seeds, from σ pooled over repeated specs"
"""What an error bar of a quality is."""

MOST_ANSWERS = 4
"""Sentences about an ablation's effects."""

MOST_BASELINES = 4
"""Sentences about beaten baselines, at most."""

MOST_REASONS = 4
"""Reasons told for one state, at most, the commonest first."""

MOST_LISTED = 16
"""Trials named under a figure, at most."""


def summarise_states(record: StudyRecord) -> str:
    """How many trials are in each state, with reasons: "3 trials: 2 complete, 1 failed (…)."."""
    texts = []
    for state in count_states(record):
        reasons = "; ".join(
            reason if n == state.n or n == 1 else f"{n} × {reason}"
            for reason, n in state.reasons[:MOST_REASONS]
        )
        left = sum(n for _, n in state.reasons[MOST_REASONS:])
        reasons += f"; {left} for other reasons, each in its row" if left else ""
        texts.append(f"{state.n} {state.state}" + (f" ({reasons})" if reasons else ""))
    total = count(len(rows_of(record)), "trial")
    return f"{total}: {', '.join(texts)}." if texts else "No trial has been started yet."


def main_cost(record: StudyRecord) -> Measure:
    """The study's first objective that is a cost, or the first cost that is always drawn."""
    costs = costs_of(record)
    asked = [cost for column in record.directions for cost in costs if cost.column == column]
    return asked[0] if asked else costs[0]


def trades_of(record: StudyRecord) -> tuple[Trade, ...]:
    """What is drawn: qualities against the main cost, then the first against the other costs."""
    main, first = main_cost(record), quality_of(record)
    others = [cost for cost in costs_of(record) if cost != main]
    return (*main_trades(record), *(trade_of(record, cost, first) for cost in others))


def view_key(record: StudyRecord, trade: Trade) -> str:
    """The name of a trade's figure: of its cost, and of the quality where that is not the first."""
    first = trade.y == quality_of(record)
    return f"front-{trade.x.column}{'' if first else f'-{trade.y.column}'}".replace("/", "-")


def findings_of(record: StudyRecord) -> tuple[Sentence, ...]:
    """The study's results, the most important first; what cannot be said is left out."""
    trades = main_trades(record)
    if not any(trade.points for trade in trades):
        return (
            *describe_split(record),
            say(f"Nothing can be compared yet. {summarise_states(record)}"),
        )
    told = [trade for trade in trades if trade.points]
    return (
        *describe_split(record),
        *describe_compared(record),
        *describe_answers(record),
        *(found for trade in told for found in describe_best(record, trade)),
        *(found for trade in told for found in describe_optimism(trade)),
        *describe_judged(record),
        describe_evidence(record),
        *(found for trade in told for found in describe_noise(trade)),
        *describe_left_out(record),
        *(describe_front(trade) for trade in told),
        *(found for trade in told for found in describe_beaten_baselines(trade)),
        *(found for trade in told for found in describe_against_base(record, trade)),
        *(found for trade in told for found in describe_floor(trade)),
    )


def main_trades(record: StudyRecord) -> tuple[Trade, ...]:
    """Each of the study's qualities against its main cost."""
    main = main_cost(record)
    return tuple(trade_of(record, main, quality) for quality in qualities_of(record))


def describe_question(record: StudyRecord) -> Sentence:
    """What was asked, in one sentence: objectives, what varies, around which base, how long."""
    goals = objectives_text(record)
    varied = len({name for row in rows_of(record) for name in mapping_of(row, "params")})
    base = record.attrs.get("base")
    over = f" over {count(varied, 'choice')} of a spec" if varied else ""
    around = f" around {base}" if isinstance(base, str) else ""
    recipe = record.attrs.get("recipe")
    name = recipe.get("name") if isinstance(recipe, Mapping) else None
    trained = f"; recipe {name}" if isinstance(name, str) else ""
    return say(f"Asked: {goals}{over}{around}{trained}.")


def describe_answers(record: StudyRecord) -> tuple[Sentence, ...]:
    """The largest effects of an ablation, those that may be claimed first."""
    if reason := unanswered(record):
        return (say(f"{reason[:1].upper()}{reason[1:]}."),)
    known = [answer for answer in answers_of(record) if answer.verdict != "incomplete"]
    known.sort(key=lambda answer: (not answer.is_told, answer.kind == INTERACTION))
    said = tuple(say(answer.sentence) for answer in known[:MOST_ANSWERS])
    if not known or known[0].is_told:
        return said
    seeds, tracks = (min(getattr(a, name) for a in known) for name in ("n_seeds", "n_tracks"))
    head = (
        f"None of {count(len(known), 'effect')} may be claimed, "
        f"with {count(seeds, 'seed')} and {tracks_text(record, tracks)}."
    )
    return (say(head), *said)


def describe_best(record: StudyRecord, trade: Trade) -> tuple[Sentence, ...]:
    """The best trial, and its distance to the best of the baselines or of the sampled trials."""
    if not trade.admitted:
        return ()
    best = _best(trade.admitted, trade)
    head = (f"Best {trade.y.header} ({record.split}): ", best, f" with {_at(best, trade)}")
    baselines = [point for point in trade.admitted if point.is_baseline]
    sampled = [point for point in trade.admitted if not point.is_baseline]
    if not baselines or not sampled:
        return (say(*head, "."),)
    other = _best(sampled if best.is_baseline else baselines, trade)
    role = "sampled trial" if best.is_baseline else "baseline"
    worse = "below" if trade.y.direction == "maximize" else "above"
    gap = f"{trade.y.text(abs(best.y - other.y))}{evidence_text(record, trade, best, other)}"
    return (
        say(*head, f"; the best {role}, ", other, f", is {gap} {worse} ({_at(other, trade)})."),
    )


def describe_against_base(record: StudyRecord, trade: Trade) -> tuple[Sentence, ...]:
    """For each baseline but the base: what it gains over the base, and what it costs."""
    base = next((p for p in trade.points if p.name == record.attrs.get("base")), None)
    if base is None or base.x <= 0:
        return ()
    others = [point for point in trade.points if point.is_baseline and point is not base]
    sentences = []
    for point in others[:MOST_BASELINES]:
        better = trade.y.is_better(point.y, base.y)
        gained = f" {'gains' if better else 'loses'} {trade.y.text(abs(point.y - base.y))}"
        change = signed_percent(point.x / base.x - 1)
        against = f" at {change} {trade.x.header}"
        evidence = evidence_text(record, trade, point, base)
        verb = "over" if better else "against"
        sentences.append(say(point, f"{gained}{evidence} {verb} ", base, f"{against}."))
    return tuple(sentences)


def describe_front(trade: Trade) -> Sentence:
    """How many trials are on the front, and between which ends."""
    front = trade.front
    pair = f"the front of {trade.y.header} against {trade.x.header}"
    total = count(len(trade.points), trade.noun)
    if not front:
        return say(f"None of {total} is on {pair}: each exceeds a constraint.")
    if len(front) == 1:
        return say(front[0], f" alone is on {pair}, of {total}.")
    first, last = front[0], front[-1]
    ends = (f", from {_at(first, trade)} (", first, f") to {_at(last, trade)} (", last, ").")
    return say(f"{len(front)} of {total} are on {pair}", *ends)


def describe_trade(trade: Trade) -> Sentence:
    """A figure's caption: how many points are on this pair's front, and which."""
    left_out = f" {count(trade.n_unmeasured, trade.noun)} without both numbers."
    note = (left_out if trade.n_unmeasured else "") + describe_bars(trade)
    if not trade.points:
        return say(f"No {trade.noun} has both numbers.{note}")
    total = count(len(trade.points), trade.noun)
    distinct = list({point.name: point for point in trade.front}.values())
    names = [part for point in distinct[:MOST_LISTED] for part in (", ", point)][1:]
    rest = f" and {len(distinct) - MOST_LISTED} more" if len(distinct) > MOST_LISTED else ""
    said = f"{len(trade.front)} of {total} on the front of this pair: "
    return say(said, *names, f"{rest}.{note}") + describe_beyond(trade)


def describe_bars(trade: Trade) -> str:
    """What a point is the mean of, and what its bar means."""
    if not trade.points:
        return ""
    noun, is_mean = trade.noun.removeprefix("complete "), any(p.n_seeds > 1 for p in trade.points)
    of = f" A point is the mean over the seeds of one {noun}, {seeds_text(trade.points)}."
    mean = of if is_mean else ""
    if trade.noise is None:
        return mean
    return f"{mean} Bars: {BARS} ({trade.y.text(trade.noise.sigma.value)})."


def seeds_text(points: Sequence[Point]) -> str:
    """How many seeds points are means over: "3 seeds", "2 to 3 seeds"."""
    fewest, most = (end(point.n_seeds for point in points) for end in (min, max))
    return count(most, "seed") if fewest == most else f"{fewest} to {most} seeds"


def describe_beyond(trade: Trade) -> Sentence:
    """Which references are shown although they exceed a constraint."""
    shown = [point for point in trade.points if point.beyond]
    if not shown:
        return ()
    named = [part for p in shown[:MOST_LISTED] for part in (", ", p, f" ({', '.join(p.beyond)})")]
    return say(" Crossed, beyond a constraint and on no front: ", *named[1:], ".")


def describe_beaten_baselines(trade: Trade) -> tuple[Sentence, ...]:
    """For each baseline, the cheapest sampled trial that costs less and scores no worse."""
    sentences = []
    sampled = [point for point in trade.points if not point.is_baseline]
    for baseline in (point for point in trade.points if point.is_baseline):
        better = [point for point in sampled if _beats(point, baseline, trade)]
        if better and baseline.x > 0:
            cheapest = min(better, key=lambda point: (point.x, -trade.y.sign * point.y))
            share = percent(cheapest.x / baseline.x)
            scores = f"{trade.y.text(cheapest.y)} against {trade.y.text(baseline.y)}"
            sentences.append(
                say(
                    cheapest,
                    " reaches ",
                    baseline,
                    f" at {share} of its {trade.x.header} ({scores}).",
                )
            )
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


def _best(points: Sequence[Point], trade: Trade) -> Point:
    """The best quality; of equals the cheapest."""
    return max(points, key=lambda point: (trade.y.sign * point.y, trade.x.sign * point.x))


def _beats(point: Point, other: Point, trade: Trade) -> bool:
    """Whether a point costs less and is at least as good."""
    return point.x < other.x and not trade.y.is_better(other.y, point.y)


def _at(point: Point, trade: Trade) -> str:
    """A point's quality and cost: "3.21 dB at 4.2 GMAC/s"; a count says of what."""
    counted = f" {trade.x.header}" if trade.x.unit in ("count", "") else ""
    return f"{trade.y.text(point.y)} at {trade.x.text(point.x)}{counted}"
