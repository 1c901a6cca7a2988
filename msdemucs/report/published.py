"""How large a study's best are beside the systems of the published notes, counted as those count.

The notes give sizes and a speed, no SDR: there is no quality to compare, and none is drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.trials import mapping_of, trial_number
from msdemucs.cost.dialects import thop_count
from msdemucs.errors import MsdemucsError
from msdemucs.spec import parse_spec

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
            1e9 * facts["gmacs"] / facts["segment_s"],
            1e6 * facts["mparameters"],
            f"{facts['seconds_per_180_s']:.2f} s for 180 s of audio on a GPU of theirs",
        )
        for name, facts in yaml.safe_load(text).items()
    ]
    return tuple(sorted(systems, key=lambda system: system.macs_per_second))


def sized_trials(findings: Findings) -> tuple[Sized, ...]:
    """The baselines and the main front, the fewest MACs first; unreadable specs left out."""
    points = findings.main_trade.points
    shown = [point for point in points if point.is_baseline]
    shown += [point for point in points if point.is_front and not point.is_baseline]
    specs = {trial_number(row): mapping_of(row, "spec") for row in findings.rows}
    sizes = (_sized(point.name, point.trial, specs[point.trial]) for point in shown[:MOST_SIZED])
    known = [size for size in sizes if size is not None]
    return tuple(sorted(known, key=lambda size: size.macs_per_second))


def _sized(name: str, trial: int, spec: Mapping[str, object]) -> Sized | None:
    try:
        parsed = parse_spec(spec)
        count = thop_count(parsed)
    except MsdemucsError:
        return None
    return Sized(name, trial, count.macs / float(parsed.segment), count.parameters)
