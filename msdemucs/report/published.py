"""How large a study's best are beside the systems of the published notes, counted as those count.

The notes give sizes and a speed, no SDR: there is no quality to compare, and none is drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from msdemucs.cost.dialects import thop_count
from msdemucs.errors import MsdemucsError
from msdemucs.report.frames import mapping_of, rows_of, trial_number
from msdemucs.report.fronts import Trade
from msdemucs.spec import parse_spec
from msdemucs.study.records import StudyRecord

MOST_SIZED = 12
"""Trials of a study beside the notes' systems, at most: baselines, then the front's by cost."""


@dataclass(frozen=True)
class Sized:
    """A system as the notes' profiler sizes it.

    Attributes:
        name: of the system, or of the trial.
        trial: its number; None for a published system.
        macs_per_second: multiply-accumulates for a second of audio.
        parameters: those that the profiler knows.
        note: what else is known of it; "" for nothing.
    """

    name: str
    trial: int | None
    macs_per_second: float
    parameters: float
    note: str = ""


@cache
def published() -> tuple[Sized, ...]:
    """The notes' systems, the fewest MACs first."""
    text = (files("msdemucs.report") / "published.yaml").read_text(encoding="utf-8")
    systems = [
        Sized(
            str(name),
            None,
            1e9 * own["gmacs"] / own["segment_s"],
            1e6 * own["mparameters"],
            f"{own['seconds_per_180_s']:.2f} s for 180 s of audio on a GPU of theirs",
        )
        for name, own in yaml.safe_load(text).items()
    ]
    return tuple(sorted(systems, key=lambda system: system.macs_per_second))


def sized_trials(record: StudyRecord, trade: Trade) -> tuple[Sized, ...]:
    """The baselines and the front of a trade, the fewest MACs first; unreadable specs left out."""
    wanted = [p for p in trade.points if p.is_baseline]
    wanted += [p for p in trade.points if p.is_front and not p.is_baseline]
    specs = {trial_number(row): mapping_of(row, "spec") for row in rows_of(record)}
    found = [_sized(point.name, point.trial, specs[point.trial]) for point in wanted[:MOST_SIZED]]
    known = [one for one in found if one is not None]
    return tuple(sorted(known, key=lambda one: one.macs_per_second))


def _sized(name: str, trial: int, spec: Mapping[str, object]) -> Sized | None:
    try:
        parsed = parse_spec(spec)
        count = thop_count(parsed)
    except MsdemucsError:
        return None
    return Sized(name, trial, count.macs / float(parsed.segment), count.parameters)
