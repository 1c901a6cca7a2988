"""What a study was asked: objectives, search space, recipe, data, machine, versions."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.trials import is_baseline, mapping_of
from msdemucs.units import format_bytes, format_value

ORDER = ("base", "recipe", "data", "machine", "versions", "started", "command")
"""Known keys of a record's attrs in the order of the page; others follow by name."""

BLOCKS = ("search_space",)
"""Keys whose text is shown as it is, in a block of its own."""


@dataclass(frozen=True)
class Fact:
    """A line of the list of what was asked.

    Attributes:
        label: what it is about.
        text: the answer.
        is_block: the text has lines of its own and is shown as written.
    """

    label: str
    text: str
    is_block: bool = False


def configuration(findings: Findings) -> tuple[Fact, ...]:
    """What the study was asked and where it ran, in the order of the page."""
    attrs, rows = findings.record.attrs, findings.rows
    varied = dict.fromkeys(name for row in rows for name in mapping_of(row, "params"))
    baselines = dict.fromkeys(str(row["baseline"]) for row in rows if is_baseline(row))
    facts = [Fact("Objectives", objectives_text(findings))]
    facts += [Fact("Varied", ", ".join(varied))] if any(varied) else []
    facts += [Fact("Baselines", ", ".join(baselines))] if any(baselines) else []
    keys = [key for key in ORDER if key in attrs]
    keys += sorted(key for key in attrs if key not in ORDER and key not in BLOCKS)
    for key in [*keys, *(key for key in BLOCKS if key in attrs)]:
        label, value = key.replace("_", " ").capitalize(), attrs[key]
        if isinstance(value, str):
            is_block = key in BLOCKS or "\n" in value.strip()
            facts.append(Fact(label, value.strip("\n"), is_block=is_block))
        elif isinstance(value, Mapping):
            texts = (f"{name} {text}".strip() for name, text in flatten(value))
            facts.append(Fact(label, " · ".join(texts)))
        else:
            facts.append(Fact(label, inline(value)))
    return tuple(facts)


def objectives_text(findings: Findings) -> str:
    """The objectives with what is better: "maximise uSDR (dB), minimise Parameters"."""
    verbs = {"maximize": "maximise", "minimize": "minimise"}
    texts = [
        f"{verbs[direction]} {findings.measure(column).named}"
        for column, direction in findings.record.directions.items()
    ]
    return "; ".join(texts) or "none"


def flatten(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted names with their values as text."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from flatten(value, f"{name}.")
        elif key.endswith("_bytes") and isinstance(value, int):
            yield name.removesuffix("_bytes"), format_bytes(value)
        else:
            yield name, inline(value)


def inline(value: object) -> str:
    """A value on one line; lists of plain values lose their brackets, nothing reads "none"."""
    if value is None or value in ([], ()):
        return "none"
    if isinstance(value, list | tuple) and not any(isinstance(v, Mapping | list) for v in value):
        texts = [inline(item) for item in value]
        return ("; " if any("," in text for text in texts) else ", ").join(texts)
    if isinstance(value, list | tuple) and all(isinstance(v, Mapping) for v in value):
        return "; ".join(format_value(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
