"""What a study was asked, as the list at the report's end."""

from dataclasses import replace

from msdemucs.analysis.findings import Findings
from msdemucs.report.details import configuration
from msdemucs.study.records import StudyRecord


def facts(record: StudyRecord) -> dict[str, str]:
    return {fact.label: fact.text for fact in configuration(Findings(record))}


def test_objectives_fields_and_baselines_are_listed(record: StudyRecord) -> None:
    found = facts(record)
    assert found["Objectives"] == "maximise uSDR (dB); minimise MACs per second of audio"
    assert found["Varied"] == "channels.start, fusion.output.kind"
    assert found["Baselines"] == "htdemucs, htdemucs_n, htdemucs_nn"


def test_machines_and_recipes_read_without_code(record: StudyRecord) -> None:
    machine = {"memory_bytes": 3 * 2**30, "gpus": [], "versions": {"torch": "2.11.0"}}
    found = facts(replace(record, attrs={"machine": machine, "recipe": {"clip_norm": None}}))
    assert found["Machine"] == "memory 3.00 GiB · gpus none · versions.torch 2.11.0"
    assert found["Recipe"] == "clip_norm none"


def test_tracks_left_out_before_the_first_trial_are_listed(record: StudyRecord) -> None:
    reasons = ["a/bass.wav: is missing; the folder has drums, other", "b/bass.wav: is damaged"]
    found = facts(replace(record, attrs={"tracks_left_out": reasons}))
    assert found["Tracks left out"] == "; ".join(reasons)
    assert facts(replace(record, attrs={"x": ["a", "b"]}))["X"] == "a, b"
