"""What test tracks said of trials that were chosen without them, and how often they were asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan
from statistics import fmean

import pandas as pd

from msdemucs.metrics.unscored import describe_trials
from msdemucs.report.frames import number, qualities_of, rows_of, trial_number
from msdemucs.report.fronts import floor_of
from msdemucs.report.measures import Measure, measure_of_quality
from msdemucs.report.sentences import Part, Sentence, say
from msdemucs.study.records import Split, StudyRecord, looked
from msdemucs.units import count

JUDGE = "judge"
"""The kind of later rows that `study judge` keeps."""

TEST: Split = "test"

MIXTURE = "the mixture itself"
"""What stands for a trial in the line of what doing nothing scores."""

MOST_TOLD = 4
"""Judged trials in one sentence, at most."""


@dataclass(frozen=True)
class Judged:
    """A trial that was scored on test tracks.

    Attributes:
        trial: its number.
        name: its name.
        validation: its quality on the tracks that the study selected by; NaN where it is unknown,
            and of weights that a promotion trained for longer.
        test: the same on test tracks, of all looks the mean.
        n_looks: how often it was scored there.
    """

    trial: int
    name: str
    validation: float
    test: float
    n_looks: int


def looks_at_test(record: StudyRecord) -> pd.DataFrame:
    """The later rows whose scores are of test tracks: each is one look at them."""
    later = record.later
    return later[later["split"] == TEST] if len(later) else later


def judged_of(record: StudyRecord, measure: Measure) -> tuple[Judged, ...]:
    """The trials, and their promotions, judged by a quality: best on test tracks first."""
    looks = looks_at_test(record)
    values: dict[tuple[int, str], list[float]] = {}
    for row in looks[looks["kind"] == JUDGE].to_dict("records"):
        value = _value({str(name): own for name, own in row.items()}, measure)
        if isfinite(value):
            detail = row["detail"]
            recipe = str(detail.get("promoted", "")) if isinstance(detail, Mapping) else ""
            values.setdefault((int(row["trial"]), recipe), []).append(value)
    trials = {trial_number(row): row for row in rows_of(record)}
    found = [
        Judged(
            trial,
            f"{trials[trial]['name']}, promoted by {recipe}"
            if recipe
            else str(trials[trial]["name"]),
            nan if recipe else number(trials[trial], measure.column),
            fmean(of_trial),
            len(of_trial),
        )
        for (trial, recipe), of_trial in values.items()
        if trial in trials
    ]
    return tuple(sorted(found, key=lambda one: -measure.sign * one.test))


def _value(row: Mapping[str, object], measure: Measure) -> float:
    """A look's quality: of its scores where it kept them, else its own value if it is of that."""
    detail = row["detail"]
    scores = detail.get("scores") if isinstance(detail, Mapping) else None
    if measure.quality is not None and isinstance(scores, Mapping):
        frame = pd.DataFrame(scores["rows"], columns=list(scores["columns"]))
        return measure.quality.of(frame[frame["split"] == TEST] if "split" in frame else frame)
    return float(str(row["value"])) if row["convention"] == measure.column else nan


def on_test(measure: Measure) -> Measure:
    """A quality of the study, of test tracks."""
    return measure_of_quality(measure.quality, TEST) if measure.quality else measure


def describe_split(record: StudyRecord) -> tuple[Sentence, ...]:
    """A warning where a study selected on test tracks; else nothing."""
    if record.split != TEST or not len(record.scores):
        return ()
    return (
        say(
            "This study selected on its test tracks: what stopped, steered and ranked its trials "
            "are the scores shown here. They are optimistic, and no test result."
        ),
    )


def describe_judged(record: StudyRecord) -> tuple[Sentence, ...]:
    """The judged trials, test beside validation, and how often the test tracks were looked at."""
    looks = looks_at_test(record)
    if not len(looks):
        return ()
    sentences = []
    for measure in qualities_of(record):
        parts: list[Part] = []
        for one in judged_of(record, measure)[:MOST_TOLD]:
            scores = measure.text(one.test)
            if isfinite(one.validation):
                scores += f" ({measure.text(one.validation)} on {record.split})"
            parts += [Part("; " if parts else ""), Part(one.name, one.trial), Part(f" {scores}")]
        if parts:
            if (floor := floor_of(record, measure, TEST)) is not None:
                parts.append(Part(f"; {MIXTURE} {measure.text(floor)}"))
            sentences.append((Part(f"{measure.header} on test tracks: "), *parts, Part(".")))
    lacking = describe_trials(
        {
            int(row["trial"]): row["detail"].get("unscored")
            for row in looks.to_dict("records")
            if isinstance(row["detail"], Mapping)
        }
    )
    sentences += [say(f"Of the test tracks, there is {line}.") for line in lacking]
    trials = count(looks["trial"].nunique(), "trial")
    return (*sentences, say(f"For {trials}, {looked(record.n_looks)}."))
