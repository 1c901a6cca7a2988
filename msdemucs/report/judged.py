"""What test tracks said of trials that were chosen without them, and how often they were asked."""

from math import isfinite

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.judged import TEST
from msdemucs.analysis.measure import Measure, measure_of_quality
from msdemucs.analysis.trials import mapping_of, rows_of, trial_number
from msdemucs.metrics.unscored import describe_trials
from msdemucs.report.sentences import Part, Sentence, say
from msdemucs.study.records import looked
from msdemucs.units import count

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
    sentences += [
        say(f"Of the test tracks, there is {line}.") for line in describe_trials(unscored)
    ]
    trials = count(looks["trial"].nunique(), "trial")
    return (*sentences, say(f"For {trials}, {looked(findings.record.n_looks)}."))
