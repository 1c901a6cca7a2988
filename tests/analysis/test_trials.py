"""What a trial is called: by its choices, under the names that the search space gives them."""

from dataclasses import replace

import pandas as pd

from msdemucs.analysis.combined import combine
from msdemucs.analysis.findings import Findings
from msdemucs.analysis.trials import choice_text, named_by_choices, short_field
from msdemucs.study.records import StudyRecord
from tests.records import TOYS, make_ablation, make_record, make_search


def chosen(*params: dict[str, object]) -> StudyRecord:
    """A study of htdemucs and as many sampled trials as there are choices."""
    toys = [TOYS[0], *(replace(TOYS[3], name=f"trial {n}") for n in range(1, len(params) + 1))]
    record = make_record(toys)
    return replace(record, trials=record.trials.assign(params=pd.Series([{}, *params])))


def names(record: StudyRecord) -> list[str]:
    return list(named_by_choices(record).trials["name"])


def test_a_trial_is_named_by_the_fields_that_vary_and_a_baseline_with_its_width() -> None:
    always = {"attention.0.mechanism": "linear"}
    fields = ("spectral.resolutions", "fusion.output", "channels.start")
    record = chosen(
        {"spectral.resolutions": "2048+4096", "fusion.output": "weighted", "channels.start": 8}
        | always,
        {"spectral.resolutions": "4096", "fusion.output": "sum", "channels.start": 12} | always,
    )
    assert names(record) == [
        "htdemucs, 8 channels",
        "2048+4096, weighted, 8 channels",
        "4096, sum, 12 channels",
    ]
    findings = Findings(record)
    assert findings.varied_fields == fields
    assert findings.constant_choices == {"attention.0.mechanism": "linear"}


def test_a_choice_that_does_not_say_of_what_it_is_has_its_field_before_it() -> None:
    record = chosen(
        {
            "depth": 4,
            "recipe.lr": 0.00031234567,
            "skip": True,
            "fusion.output": "sum",
            "merge": "sum",
        },
        {"depth": 5, "recipe.lr": 0.001, "skip": False, "fusion.output": "none", "merge": "gated"},
    )
    assert names(record)[1:] == [
        "depth 4, lr 0.0003123, skip, output sum, merge sum",
        "depth 5, lr 0.001, no skip, no fusion.output, gated",
    ]


def test_a_choice_that_only_some_trials_had_varies() -> None:
    record = chosen({"attention": "softmax"}, {})
    record = chosen({"width": 2, "attention": "softmax"}, {"width": 2})
    assert names(record)[1:] == ["softmax", "trial 2"]


def test_arms_and_trials_without_choices_keep_their_names() -> None:
    ablation = make_ablation()
    assert names(ablation) == list(ablation.trials["name"])
    alike = make_record()  # each chose the same
    assert names(alike)[3:] == ["trial 3", "trial 4", "trial 5"]


def test_what_a_baseline_has_beside_the_search_space_is_told_as_its_spec_has_it() -> None:
    row = {"baseline": "htdemucs", "params": {}, "spec": {"a": [{"n_fft": 2048}, {"n_fft": 4096}]}}
    assert choice_text(row, "a") == "2048+4096"
    assert choice_text({**row, "spec": {"a": {"kind": "sum", "width": 9}}}, "a") == "sum (width 9)"
    assert choice_text({**row, "baseline": None}, "a") == "–"
    assert short_field("attention.0.mechanism") == "attention.mechanism"


def test_combined_studies_name_their_trials_each_by_what_varied_in_it() -> None:
    both = combine([make_record(), replace(make_search(12), name="search")])
    named = list(Findings(both).record.trials["name"])
    assert named[:2] == ["multires: htdemucs, 8 channels", "multires: htdemucs_n, 8 channels"]
    assert named[6] == "search: 4 channels, sum, trial 0"
