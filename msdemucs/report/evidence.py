"""What a study's findings rest on: seeds, tracks, noise, and what does not compare."""

from collections import Counter
from collections.abc import Mapping

from msdemucs.analysis.pooling import pooled, repeat_key
from msdemucs.metrics.unscored import describe_trials
from msdemucs.report.frames import (
    complete_rows,
    curves_of,
    left_out_of,
    quality_of,
    scores_of,
    tracks_text,
    trial_number,
)
from msdemucs.report.fronts import Point, Trade
from msdemucs.report.noise import gap_between, n_seeds
from msdemucs.report.sentences import Part, Sentence, say
from msdemucs.study.records import StudyRecord
from msdemucs.units import count

SAME = 0.01
"""Differences, in the quality's unit, closer than this are one difference, computed twice."""

MOST_NAMED = 8
"""Trials named in one sentence, at most."""


def describe_compared(record: StudyRecord) -> tuple[Sentence, ...]:
    """A warning where studies are set side by side that were not asked alike."""
    compared = record.attrs.get("compared")
    if not isinstance(compared, Mapping) or not compared["unlike"]:
        return ()
    unlike = " and ".join(compared["unlike"])
    names = ", ".join(compared["studies"])
    return (say(f"The studies {names} differ in {unlike}: their scores do not compare."),)


def evidence_text(record: StudyRecord, trade: Trade, first: Point, second: Point) -> str:
    """The interval of a difference, and who agrees: " [0.12, 0.49; 3 of 5 seeds agree]"."""
    gap = gap_between(pooled(record), trade.y, first.trial, second.trial)
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
    """How much of a score is chance, and who is tied with the front because of it."""
    noise = trade.noise
    if noise is None:
        return ()
    tied = len(trade.tied)
    return (
        say(
            f"Trainings of one spec with other seeds differ by {trade.y.text(noise.sigma.value)} "
            f"(σ of {trade.y.header}, {count(noise.degrees, 'degree')} of freedom): two single "
            f"scores closer than {trade.y.text(noise.tie)} may be equal, and "
            + (
                f"{count(tied, trade.noun.removeprefix('complete '))} may be on the front."
                if tied
                else "none ties with the front."
            )
        ),
    )


def describe_evidence(record: StudyRecord) -> Sentence:
    """What the scores stand on: steps of training, tracks, trainings of the same spec."""
    steps = [curve.steps[-1] for curve in curves_of(record) if curve.state == "complete"]
    n_tracks = len(scores_of(record)[["group", "track"]].drop_duplicates())
    most = "" if len(set(steps)) <= 1 else "up to "
    grounds = [f"{most}{count(max(steps), 'step')} of training"] if steps else []
    grounds += [tracks_text(record, n_tracks)] if n_tracks else []
    basis = f"Scores rest on {' and '.join(grounds)}. " if grounds else ""

    complete = complete_rows(record)
    hashes = {repeat_key(row) for row in complete}
    own = [row for row in complete if not isinstance(row.get("duplicate_of"), str)]
    trainings = Counter(map(repeat_key, own))  # what was taken from another trial is none
    trained = n_seeds(record, quality_of(record))
    several = {repeat_key(row) for row in complete if trained.get(trial_number(row), 1) > 1}
    repeated = len(several | {name for name, n in trainings.items() if n > 1})
    if not repeated:
        return say(
            f"{basis}Every spec was trained once, so that how much of a difference is chance "
            "is not known."
        )
    return say(f"{basis}{repeated} of {count(len(hashes), 'spec')} trained more than once.")


def describe_unscored(record: StudyRecord) -> tuple[Sentence, ...]:
    """By which metrics tracks have no score, and why: the means are of the others."""
    complete = {trial_number(row): row.get("unscored") for row in complete_rows(record)}
    sentences = []
    for line, trials in describe_trials(complete).items():
        whose = "" if len(trials) == len(complete) else f" ({count(len(trials), 'trial')})"
        sentences.append(say(f"Of the {record.split} tracks, there is {line}{whose}."))
    return tuple(sentences[:MOST_NAMED])


def describe_left_out(record: StudyRecord) -> tuple[Sentence, ...]:
    """Which scores are over fewer tracks than there were, and may not compare."""
    complete = complete_rows(record)
    without = [row for row in complete if left_out_of(row)]
    if not without:
        return ()
    if len(without) == len(complete) and len({left_out_of(row) for row in complete}) == 1:
        tracks = tracks_text(record, len(left_out_of(complete[0])))
        return (say(f"All scores are without {tracks} that could not be used."),)
    links = [Part(str(row["name"]), trial_number(row)) for row in without[:MOST_NAMED]]
    parts = [part for link in links for part in (Part(", "), link)][1:]
    if len(without) > MOST_NAMED:
        parts.append(Part(f" and {count(len(without) - MOST_NAMED, 'more trial')}"))
    verb, whose = ("is", "its") if len(without) == 1 else ("are", "their")
    ending = (
        f" {verb} without {record.split} tracks that could not be used: {whose} scores do not "
        "compare with the others."
    )
    return ((*parts, Part(ending)),)
