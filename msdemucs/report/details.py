"""The facts that a page lists: of a trial, all that opens for it; of a study, its question."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.measure import Measure, measure_of, measure_of_quality
from msdemucs.analysis.trials import Row, is_baseline, left_out_of, mapping_of, number, trial_number
from msdemucs.cost import node_costs
from msdemucs.errors import MsdemucsError
from msdemucs.metrics import Quality
from msdemucs.report.audio import Excerpt
from msdemucs.report.drawing import draw_plan
from msdemucs.report.figures.progress import draw_curve
from msdemucs.report.sentences import objectives_text
from msdemucs.report.tables import NOTES, chosen_text, differences_of, note_of, number_text
from msdemucs.spec import Spec, extending_yaml, parse_spec, plan, whole_yaml, yaml_text
from msdemucs.units import MISSING, format_bytes, format_count, format_value, typeset

LOG_LINES = 20
"""Of the end of a trial's log."""

MOST_LOG_BYTES = 20_000


@dataclass(frozen=True)
class PartCost:
    """What one part of a model costs, as texts and as shares of the whole.

    Attributes:
        part: encoder, decoder, attention …
        macs: as text.
        macs_share: of all MACs, 0 to 1.
        parameters: as text.
        parameters_share: of all parameters.
    """

    part: str
    macs: str
    macs_share: float
    parameters: str
    parameters_share: float


@dataclass(frozen=True)
class Anatomy:
    """A spec read, drawn, costed and written; None and empty where this version cannot read it.

    Attributes:
        spec: as it was recorded.
        drawing: an SVG element.
        parts: the part with the most MACs first.
        fields: all of the spec's but its name, as YAML.
    """

    spec: Spec | None = None
    drawing: Markup = field(default_factory=Markup)
    parts: tuple[PartCost, ...] = ()
    fields: str = ""


@dataclass(frozen=True)
class Rungs:
    """A trial's qualities at the rungs: one line a seed and quality.

    Attributes:
        label: of the quality; "Qualities" where there are several.
        steps: of the rungs.
        lines: seed, and quality where there are several, with a text a step.
    """

    label: str
    steps: tuple[int, ...]
    lines: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class TrackTexts:
    """One track's scores by source, as text, and the mixture's own as the estimate."""

    group: str
    track: str
    scores: tuple[str, ...]
    floors: tuple[str, ...]


@dataclass(frozen=True)
class ScoreTexts:
    """A trial's scores by track and source.

    Attributes:
        label: whose scores, with the split of the tracks.
        sources: over the columns.
        tracks: one a row.
        step: of the rung at which a trial was stopped that has no other scores; None otherwise.
    """

    label: str = ""
    sources: tuple[str, ...] = ()
    tracks: tuple[TrackTexts, ...] = ()
    step: int | None = None


@dataclass(frozen=True)
class Detail:
    """What opens for one trial.

    Attributes:
        trial: the trial's number.
        title: its name.
        facts: label and text of each of its numbers.
        reason: why it failed or was refused; "" where it was not.
        left_out: why each track that its scores are without could not be used.
        chosen: what the sampler chose, on one line; "" for nothing.
        differences: field, value in the base, value here.
        scores: by track and source.
        spec: as YAML; "" where none could be made.
        difference: the spec as a file that extends the base; "" likewise.
        anatomy: its drawing, and what it costs where.
        curve: its training loss drawn; "" without one.
        rungs: its quality while it trained; None without rungs.
        log: the end of its log; "" where there is none to be read.
        later: what was computed after it had ended, on a line each.
        excerpt: what it makes of a piece of music; None where nobody asked.
    """

    trial: int
    title: str
    facts: tuple[tuple[str, str], ...]
    reason: str
    left_out: tuple[str, ...]
    chosen: str
    differences: tuple[tuple[str, str, str], ...]
    scores: ScoreTexts
    spec: str
    difference: str
    anatomy: Anatomy
    curve: Markup
    rungs: Rungs | None
    log: str
    later: tuple[str, ...]
    excerpt: Excerpt | None

    @property
    def system(self) -> str:
        """The system of the zoo that its spec extends; "" where no difference was made."""
        head, _, name = self.difference.partition("\n")[0].partition(": ")
        return name if head == "extends" else ""


class Details:
    """Makes the details of a study's trials; what equal specs share is made once."""

    def __init__(self, findings: Findings, excerpts: Mapping[int, Excerpt] | None = None) -> None:
        self.findings, self.excerpts = findings, excerpts or {}
        self.curves = {curve.trial: curve for curve in findings.curves}
        record = findings.record
        self.rungs = {int(str(n)): rows for n, rows in record.rungs.groupby("trial")}
        self.later = {int(str(n)): rows for n, rows in record.later.groupby("trial")}
        self.anatomies: dict[object, Anatomy] = {}

    def of(self, row: Row, *, has_difference: bool = True) -> Detail:
        """Everything that the record and the files beside it tell of a trial.

        Args:
            row: of the trial.
            has_difference: also give its spec as a file that extends the base, which takes a while.
        """
        trial = trial_number(row)
        key = row["spec_hash"] if isinstance(row["spec_hash"], str) else trial
        if key not in self.anatomies:
            self.anatomies[key] = anatomy_of(mapping_of(row, "spec"))
        anatomy = self.anatomies[key]
        spec = anatomy.spec and named_spec(anatomy.spec, row)
        curve = self.curves.get(trial)
        return Detail(
            trial,
            str(row["name"]),
            tuple(numbers_of(row, self.findings.measures)),
            failure if isinstance(failure := row["failure"], str) else "",
            left_out_of(row),
            chosen_text(row),
            differences_of(row),
            scores_of(self.findings, trial),
            yaml_text({"name": spec.name}) + anatomy.fields if spec else recorded_yaml(row),
            extending_yaml(spec, rather=self.findings.base) if spec and has_difference else "",
            anatomy,
            draw_curve(curve) if curve else Markup(),
            rungs_of(self.findings, self.rungs[trial]) if trial in self.rungs else None,
            log_end(row.get("log")),
            tuple(later_of(self.findings, self.later[trial])) if trial in self.later else (),
            self.excerpts.get(trial),
        )


def numbers_of(row: Row, measures: Sequence[Measure]) -> list[tuple[str, str]]:
    """A trial's state, numbers and notes as label and text."""
    facts = [("State", str(row["state"]))]
    if (step := number(row, "stopped_at")) == step:
        facts.append(("Stopped at step", f"{step:.0f}"))
    facts += [
        (measure.header, number_text(row, measure))
        for measure in measures
        if number(row, measure.column) == number(row, measure.column)
    ]
    if (seed := number(row, "seed")) == seed:
        facts.append(("Seed", f"{seed:.0f}"))
    facts += [(header, note_of(row, key)) for key, header in NOTES.items() if note_of(row, key)]
    if isinstance(weights := row.get("weights"), str):
        facts.append(("Weights", weights))
    return facts


def scores_of(findings: Findings, trial: int) -> ScoreTexts:
    """A trial's scores as text; of a trial that was stopped, what it had at its last rung."""
    table = findings.score_tables.get(trial)
    if table is None:
        return ScoreTexts()
    measure = measure_of_quality(Quality(findings.metric.metric), findings.record.split)
    tracks = tuple(
        TrackTexts(
            track.group,
            track.track,
            tuple(map(measure.text, track.scores)),
            tuple(map(measure.text, track.floors)),
        )
        for track in table.tracks
    )
    return ScoreTexts(measure.label, table.sources, tracks, table.step)


def named_spec(spec: Spec, row: Row) -> Spec:
    """A trial's spec by the trial's name, as a file may be called."""
    name = re.sub(r"[^\w.+]+", "-", str(row["name"])).strip("-")
    return spec.model_copy(update={"name": name or f"trial-{trial_number(row)}"})


def spec_yaml(row: Row, base: str | None) -> str:
    """A trial's spec as YAML that extends a system of the zoo, the study's base if that is near.

    A spec that this version cannot read is given as it was recorded; "" for a trial without one.
    """
    try:
        spec = named_spec(parse_spec(mapping_of(row, "spec")), row)
    except MsdemucsError:
        return recorded_yaml(row)
    return extending_yaml(spec, rather=base)


def recorded_yaml(row: Row) -> str:
    """A trial's spec as it was recorded; "" for a trial without one."""
    recorded = mapping_of(row, "spec")
    return yaml_text(recorded) if recorded else ""


def anatomy_of(recorded: Mapping[str, object]) -> Anatomy:
    """What a recorded spec is; nothing where it cannot be read or planned."""
    try:
        spec = parse_spec(recorded)
    except MsdemucsError:
        return Anatomy()
    planned = plan(spec)
    costs = node_costs(planned)
    drawing = Markup(draw_plan(planned, costs))  # noqa: S704 (escaped where it is made)
    macs: Counter[str] = Counter()
    parameters: Counter[str] = Counter()
    for node in costs:
        macs[node.part] += node.macs
        parameters[node.part] += node.parameters
    parts = tuple(
        PartCost(
            part,
            typeset(format_count(macs[part], "MAC")),
            macs[part] / (macs.total() or 1),
            typeset(format_count(parameters[part])),
            parameters[part] / (parameters.total() or 1),
        )
        for part in sorted(macs, key=lambda name: -macs[name])
        if macs[part] or parameters[part]
    )
    unnamed = spec.model_copy(update={"name": "-"})
    _, _, fields = whole_yaml(unnamed).partition("\n")
    return Anatomy(spec, drawing, parts, fields)


def rungs_of(findings: Findings, rows: pd.DataFrame) -> Rungs:
    """A trial's qualities at each rung."""
    steps = tuple(sorted({int(step) for step in rows["step"]}))
    measures = {name: findings.measure(str(name)) for name in dict.fromkeys(rows["quality"])}
    lines = []
    for (name, seed), values in rows.groupby(["quality", "seed"], sort=False):
        by_step = {int(s): float(v) for s, v in zip(values["step"], values["value"], strict=True)}
        texts = tuple(measures[name].text(by_step[s]) if s in by_step else MISSING for s in steps)
        which = f"{measures[name].header}, " if len(measures) > 1 else ""
        lines.append((f"{which}seed {seed}", texts))
    label = next(iter(measures.values())).label if len(measures) == 1 else "Qualities"
    return Rungs(label, steps, tuple(lines))


def later_of(findings: Findings, rows: pd.DataFrame) -> list[str]:
    """What was computed after a trial had ended: "promotion: uSDR 3.21 dB, test tracks, seed 0"."""
    record, texts = findings.record, []
    for row in rows.to_dict("records"):
        name = str(row["convention"])
        measure = measure_of(name, record if name in record.qualities else None)
        value = measure.text(float(row["value"]))
        tracks = f", {row['split']} tracks" if isinstance(row["split"], str) else ""
        texts.append(f"{row['kind']}: {measure.header} {value}{tracks}, seed {row['seed']}")
    return texts


def log_end(path: object) -> str:
    """The last lines of a log; "" where there is none, or it cannot be read."""
    if not isinstance(path, str):
        return ""
    try:
        with Path(path).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - MOST_LOG_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-LOG_LINES:])


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
