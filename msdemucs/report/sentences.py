"""Sentences in which trials' names are links: of effects, and of what findings rest on."""

from collections import Counter
from dataclasses import dataclass
from math import isfinite

from msdemucs.analysis.effects import Effect
from msdemucs.analysis.findings import Findings
from msdemucs.analysis.measure import Measure, measure_of
from msdemucs.analysis.noise import repeat_key
from msdemucs.analysis.trades import Trade, TradePoint
from msdemucs.analysis.trials import busy_times_text, is_copy, left_out_of, number, trial_number
from msdemucs.metrics.quality import describe_trials
from msdemucs.units import count, format_seconds, percent, signed_percent, typeset


@dataclass(frozen=True)
class Part:
    """A stretch of a sentence; with a trial's number it is that trial's name."""

    text: str
    trial: int | None = None


Sentence = tuple[Part, ...]


def text_of(sentence: Sentence) -> str:
    """The sentence without its links."""
    return "".join(part.text for part in sentence)


def say(*parts: str | Part | TradePoint) -> Sentence:
    """A sentence of texts and trials."""
    return tuple(map(_part, parts))


def _part(part: str | Part | TradePoint) -> Part:
    if isinstance(part, Part):
        return part
    return Part(part) if isinstance(part, str) else Part(part.name, part.trial)


def tracks_text(split: str, n: int) -> str:
    """So many of the tracks that a study selected by: "3 validation tracks"."""
    return count(n, f"{split} track")


def limits_text(point: TradePoint) -> str:
    """The constraints that a point exceeds, by their headers: "MACs/s, Parameters"."""
    return ", ".join(measure_of(column).header for column in point.beyond)


def objectives_text(findings: Findings) -> str:
    """The objectives with what is better: "maximise uSDR (dB), minimise Parameters"."""
    verbs = {"maximize": "maximise", "minimize": "minimise"}
    texts = [
        f"{verbs[direction]} {findings.measure(column).named}"
        for column, direction in findings.record.directions.items()
    ]
    return "; ".join(texts) or "none"


CLAIMS = {
    "better": "",
    "worse": "",
    "not told apart": ": not told apart from chance",
    "too few": ": too few seeds or tracks to claim it",
}


def effect_label(effect: Effect) -> str:
    """The factor and its alternative, or the two of an interaction."""
    if not effect.is_interaction:
        return f"{effect.factor}: {effect.alternative}"
    names = zip(effect.factor.split("×"), effect.alternative.split("×"), strict=False)
    return " × ".join(f"{factor.strip()} {level.strip()}" for factor, level in names)


def hover_text(effect: Effect, quality: Measure) -> str:
    """What stands over an effect's point."""
    p = f"Holm-adjusted p {effect.p:.3f}" if isfinite(effect.p) else "too few tracks for a p-value"
    confused = f"\nconfused with {', '.join(effect.confused_with)}" if effect.confused_with else ""
    basis = f"{effect.verdict}; {p}; {effect.n_seeds} seeds, {effect.n_tracks} tracks"
    return f"{claim_text(effect, quality)}\n{basis}{confused}"


def claim_text(effect: Effect, quality: Measure) -> str:
    """In words: "fusion per_source gains 0.31 dB [0.12, 0.49] over convolution at +0.0 % MACs"."""
    size, factor, alternative = effect.size, effect.factor, effect.alternative
    if not isfinite(size):
        return f"{factor} {alternative}: not complete."
    interval = ""
    if isfinite(effect.low):
        ends = (effect.low, effect.high) if size >= 0 else (-effect.high, -effect.low)
        interval = f" [{ends[0]:.2f}, {ends[1]:.2f}]".replace("-", "−")
    is_gain = quality.sign * size >= 0
    amount = quality.text(abs(size)) + interval
    if quality.direction == "maximize":
        change, more = f"{'gains' if is_gain else 'loses'} {amount}", " more than"
        to = "over" if is_gain else "against"
    else:  # who gains something of which less is better?
        change = f"gives {amount} {'less' if is_gain else 'more'} {quality.header}"
        more, to = " than", "than"
    claim = CLAIMS.get(effect.verdict, "")
    if effect.is_interaction:
        return f"{factor}: together {alternative} {change}{more} the sum of both{claim}."
    macs = effect.macs_change
    cost = f" at {signed_percent(macs)} MACs" if isfinite(macs) else ""
    left = " (left out of all)" if effect.kind == "left out" else ""
    return f"{factor} {alternative} {change} {to} {effect.against}{left}{cost}{claim}."


SAME = 0.01
"""Differences, in the quality's unit, closer than this are one difference, computed twice."""

MOST_NAMED = 8
"""Trials named in one sentence, at most."""


def describe_comparison(findings: Findings) -> tuple[Sentence, ...]:
    """A warning where studies are set side by side that were not asked alike."""
    if findings.is_common:
        return ()
    unlike, names = " and ".join(findings.unlike), ", ".join(findings.studies)
    return (
        say(
            f"The studies {names} differ in {unlike}: their scores do not compare. Each has a "
            "front of its own; there is no best of all, and no budget."
        ),
    )


def uncertainty_text(
    findings: Findings, trade: Trade, first: TradePoint, second: TradePoint
) -> str:
    """The interval of a difference, and who agrees: " [0.12, 0.49; 3 of 5 seeds agree]"."""
    gap = findings.difference(trade.y, first.trial, second.trial)
    if gap is None or not gap.has_interval:
        return ""
    if abs(gap.mean - (first.y - second.y)) > SAME:
        return ""  # over other tracks than the qualities are
    is_ahead = gap.mean >= 0
    low, high = (gap.low, gap.high) if is_ahead else (-gap.high, -gap.low)
    of, noun = (gap.n_seeds, "seeds") if gap.n_seeds > 1 else (gap.n_tracks, "tracks")
    ends = f"{low:.2f}, {high:.2f}".replace("-", "−")
    return f" [{ends}; {gap.n_agree} of {of} {noun} agree]"


def describe_noise(trade: Trade) -> tuple[Sentence, ...]:
    """How much of a score is chance, and what of the front is not told apart because of it."""
    noise, points = trade.noise, trade.admitted
    if noise is None:
        return ()
    ties = ""
    if trade.front:
        noun, best, tied = trade.noun.removeprefix("complete "), trade.best(), len(trade.tied)
        is_each_as_good = all(
            abs(best.y - point.y) <= noise.tie_between(best.n_seeds, point.n_seeds)
            for point in points
        )
        if len(points) > 1 and is_each_as_good:
            ties = f", and all {count(len(points), noun)} may be as good as the best"
        else:
            who = f"{count(tied, noun)} may be on" if tied else "none ties with"
            ties = f", and {who} the front"
    return (
        say(
            f"Trainings of one spec with other seeds differ by {trade.y.text(noise.sigma.value)} "
            f"(σ of {trade.y.header}, {count(noise.degrees, 'degree')} of freedom): two single "
            f"scores closer than {trade.y.text(noise.tie)} may be equal"
            f"{ties}."
        ),
    )


def describe_spending(findings: Findings) -> tuple[Sentence, ...]:
    """How long the study's trials took, and which share of them was stopped."""
    timed = [row for row in findings.rows if isfinite(number(row, "seconds"))]
    if not timed:
        return ()
    n_stopped = sum(row["state"] == "stopped" for row in timed)
    stopped = f", {percent(n_stopped / len(timed))} of them stopped at a rung" if n_stopped else ""
    took = typeset(format_seconds(sum(number(row, "seconds") for row in timed)))
    n_specs = len({repeat_key(row) for row in timed})
    of_specs = f" of {count(n_specs, 'spec')}" if n_specs < len(timed) else ""
    return (say(f"{count(len(timed), 'trial')}{of_specs} took {took}{stopped}."),)


def describe_basis(findings: Findings) -> Sentence:
    """What the scores stand on: steps of training, tracks, trainings of the same spec."""
    steps = [curve.steps[-1] for curve in findings.curves if curve.state == "complete"]
    split, n_tracks = findings.record.split, findings.n_tracks
    most = "" if len(set(steps)) <= 1 else "up to "
    grounds = [f"{most}{count(max(steps), 'step')} of training"] if steps else []
    grounds += [tracks_text(split, n_tracks)] if n_tracks else []
    basis = f"Scores rest on {' and '.join(grounds)}. " if grounds else ""

    complete = findings.complete_rows
    specs = {repeat_key(row) for row in complete}
    trainings = Counter(repeat_key(row) for row in complete if not is_copy(row))
    n_seeds = findings.scores.groupby("trial")["seed"].nunique()
    seeded = {repeat_key(row) for row in complete if n_seeds.get(trial_number(row), 1) > 1}
    repeated = len(seeded | {key for key, n in trainings.items() if n > 1})
    if repeated:
        return say(f"{basis}{repeated} of {count(len(specs), 'spec')} trained more than once.")
    is_known = any(noise is not None for noise in findings.noise.values())
    chance = "" if is_known else ", so that how much of a difference is chance is not known"
    return say(f"{basis}Every spec was trained once{chance}.")


def describe_unscored(findings: Findings) -> tuple[Sentence, ...]:
    """By which metrics tracks have no score, and why: the means are of the others."""
    complete = {trial_number(row): row.get("unscored") for row in findings.complete_rows}
    sentences = []
    for line, trials in describe_trials(complete).items():
        whose = "" if len(trials) == len(complete) else f" ({count(len(trials), 'trial')})"
        split = findings.record.split
        sentences.append(say(f"Of the {split} tracks, there is {line}{whose}."))
    return tuple(sentences[:MOST_NAMED])


def describe_busy_times(findings: Findings) -> tuple[Sentence, ...]:
    """How many latencies tell of the machine's load, and count for nothing."""
    text = busy_times_text(findings.record.trials)
    return (say(text),) if text else ()


def describe_left_out(findings: Findings) -> tuple[Sentence, ...]:
    """Which scores are over fewer tracks than there were, and may not compare."""
    complete, split = findings.complete_rows, findings.record.split
    without = [row for row in complete if left_out_of(row)]
    if not without:
        return ()
    if len(without) == len(complete) and len({left_out_of(row) for row in complete}) == 1:
        tracks = tracks_text(split, len(left_out_of(complete[0])))
        return (say(f"All scores are without {tracks} that could not be used."),)
    links = [Part(str(row["name"]), trial_number(row)) for row in without[:MOST_NAMED]]
    parts = [part for link in links for part in (Part("; "), link)][1:]
    if len(without) > MOST_NAMED:
        parts.append(Part(f" and {count(len(without) - MOST_NAMED, 'more trial')}"))
    verb, whose = ("is", "its") if len(without) == 1 else ("are", "their")
    ending = (
        f" {verb} without {split} tracks that could not be used: {whose} scores do not "
        "compare with the others."
    )
    return ((*parts, Part(ending)),)


OPTIMISM = (
    "By how much the best score is luck: the mean noise of the winner, E[e(argmax t + e)], with "
    "e normal of σ/√seeds and truths t spread as the scores are less what the noise adds to "
    "their variance, t = mean + √(max(0, V − mean σ²/seeds)/V) · (score − mean)."
)
"""The formula, as the page and tables for papers give it."""


def describe_optimism(trade: Trade) -> tuple[Sentence, ...]:
    """What the best would score if it were trained again; nothing where the noise is unknown."""
    fall = trade.expected_fall
    if fall is None or trade.y.text(fall) == trade.y.text(0.0):
        return ()
    best = trade.best()
    at = trade.y.text(best.y - trade.y.sign * fall)
    return (
        say(
            f"The best of {len(trade.admitted)} noisy scores is optimistic: trained again with "
            "other seeds, expect ",
            best,
            f" to be {trade.y.text(fall)} worse, at {at} of {trade.y.header}.",
        ),
    )
