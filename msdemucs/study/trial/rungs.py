"""How did a trial score at the rungs that it came to? Two files in its folder keep it."""

import json
from collections.abc import Sequence
from pathlib import Path

from msdemucs.files import write_text
from msdemucs.study.storage.scores import as_table
from msdemucs.study.trial.recorder import Row

RUNGS = "rungs.json"
"""Of every rung the qualities."""

RUNG_SCORES = "rung-scores.json"
"""Of the last rung the scores of every validation track and source."""

Rungs = dict[int, dict[str, dict[int, float]]]
"""Step → quality → seed → score."""


def read_rungs(folder: Path) -> Rungs:
    """How the trial of a folder scored at the rungs that it came to."""
    path = folder / RUNGS
    if not path.is_file():
        return {}
    by_step = json.loads(path.read_text(encoding="utf-8"))
    return {
        int(step): {
            quality: {int(seed): float(value) for seed, value in by_seed.items()}
            for quality, by_seed in scores.items()
        }
        for step, scores in by_step.items()
        if all(isinstance(by_seed, dict) for by_seed in scores.values())  # else of a version before
    }


def write_rungs(folder: Path, rungs: Rungs) -> None:
    """Keep how a trial scored at its rungs, in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RUNGS, json.dumps(rungs))


def read_rung_scores(folder: Path, step: int) -> list[Row]:
    """The scores of every track, source and metric at a rung, if it is the last that was scored."""
    path = folder / RUNG_SCORES
    if not path.is_file():
        return []
    table = json.loads(path.read_text(encoding="utf-8"))
    is_it = table["step"] == step and table.get("columns") == list(Row._fields)
    return [Row(*row) for row in table["rows"]] if is_it else []


def write_rung_scores(folder: Path, step: int, rows: Sequence[Row]) -> None:
    """Keep the scores of every track, source and metric at a rung, in place of an earlier one's."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RUNG_SCORES, json.dumps({"step": step, **as_table(Row._fields, rows)}))
