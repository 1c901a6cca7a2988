"""An ablation's answers as a report tells them: an effect, its interval, what may be claimed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite

from msdemucs.analysis.effects import Effects, effects
from msdemucs.analysis.fidelity import Fidelity, fidelity
from msdemucs.errors import StudyError, UsageError
from msdemucs.report.frames import quality_of
from msdemucs.report.measures import Measure, signed_percent, typeset
from msdemucs.study.records import StudyRecord

INTERACTION = "interaction"

CLAIMS = {
    "better": "",
    "worse": "",
    "not told apart": ": not told apart from chance",
    "too few": ": too few seeds or tracks to claim it",
}


@dataclass(frozen=True)
class Answer:
    """One effect.

    Attributes:
        kind: as in `study.contrasts.Contrast`.
        label: the factor and its alternative, or the two of an interaction.
        effect: of the study's first quality, in its unit; NaN where an arm is missing.
        low: of the 95 % interval; NaN without one.
        high: likewise.
        p: Holm-adjusted; NaN with too few tracks.
        macs_change: relative change of MACs per second; NaN for interactions.
        verdict: as in `study.effects.VERDICTS`.
        n_seeds: seeds that all its arms share.
        n_tracks: tracks that all its arms share.
        sentence: the effect in words.
        confused_with: effects that the design cannot tell from it.
    """

    kind: str
    label: str
    effect: float
    low: float
    high: float
    p: float
    macs_change: float
    verdict: str
    n_seeds: int
    n_tracks: int
    sentence: str
    confused_with: tuple[str, ...]

    @property
    def is_told(self) -> bool:
        """Whether the effect may be claimed."""
        return self.verdict in ("better", "worse")

    @property
    def interval(self) -> str:
        """Its ends: "[0.12, 0.49]"; "" without them."""
        return typeset(f"[{self.low:.2f}, {self.high:.2f}]") if isfinite(self.low) else ""

    @property
    def hover(self) -> str:
        """What stands over its point."""
        p = f"Holm-adjusted p {self.p:.3f}" if isfinite(self.p) else "too few tracks for a p-value"
        confused = f"\nconfused with {', '.join(self.confused_with)}" if self.confused_with else ""
        told = f"{self.verdict}; {p}; {self.n_seeds} seeds, {self.n_tracks} tracks"
        return f"{self.sentence}\n{told}{confused}"


@lru_cache(maxsize=8)
def effects_of(record: StudyRecord) -> Effects | None:
    """The effects of an ablation; None for another study, or before an arm is complete."""
    if not isinstance(record.attrs.get("ablation"), Mapping):
        return None
    try:
        return effects(record)
    except (UsageError, StudyError):  # `unanswered` tells of the latter
        return None


def unanswered(record: StudyRecord) -> str:
    """Why an ablation has no effects although arms are complete; "" where it has, or has none."""
    if not isinstance(record.attrs.get("ablation"), Mapping) or effects_of(record) is not None:
        return ""
    try:
        effects(record)
    except StudyError as error:
        return str(error)
    except UsageError:
        return ""
    return ""


@lru_cache(maxsize=8)
def answers_of(record: StudyRecord) -> tuple[Answer, ...]:
    """Every effect of an ablation, the largest first; none for another study."""
    found = effects_of(record)
    if found is None:
        return ()
    quality = quality_of(record)
    rows = found.table.to_dict("records")
    answers = [_answer({str(k): v for k, v in row.items()}, quality) for row in rows]
    return tuple(sorted(answers, key=lambda a: -abs(a.effect) if isfinite(a.effect) else 1.0))


@lru_cache(maxsize=8)
def fidelity_of(record: StudyRecord) -> Fidelity | None:
    """How well each rung ranks trials; None without rungs, or with too few trials."""
    if record.rungs.empty:
        return None
    try:
        return fidelity(record)
    except UsageError:
        return None


def _answer(row: Mapping[str, object], quality: Measure) -> Answer:
    def of(name: str) -> float:
        value = row[name]
        return float(value) if isinstance(value, int | float) else float("nan")

    kind, effect = str(row["kind"]), of("effect_db")
    factor, alternative, against = (str(row[name]) for name in ("factor", "alternative", "against"))
    if kind == INTERACTION:
        label = " × ".join(
            f"{f.strip()} {a.strip()}"
            for f, a in zip(factor.split("×"), alternative.split("×"), strict=False)
        )
    else:
        label = f"{factor}: {alternative}"
    confused = row["confused_with"]
    return Answer(
        kind,
        label,
        effect,
        of("low_db"),
        of("high_db"),
        of("holm_p"),
        of("macs_per_second_change"),
        str(row["verdict"]),
        int(of("n_seeds")),
        int(of("n_tracks")),
        _sentence(quality, kind, (factor, alternative, against), row, effect),
        tuple(map(str, confused)) if isinstance(confused, list | tuple) else (),
    )


def _sentence(
    quality: Measure,
    kind: str,
    names: tuple[str, str, str],
    row: Mapping[str, object],
    effect: float,
) -> str:
    """In words: "fusion per_source gains 0.31 dB [0.12, 0.49] over convolution at +0.0 % MACs"."""
    factor, alternative, against = names
    low, high, change = row["low_db"], row["high_db"], row["macs_per_second_change"]
    verdict = str(row["verdict"])
    if not isfinite(effect):
        return f"{factor} {alternative}: not complete."
    interval = ""
    if isinstance(low, float) and isinstance(high, float) and isfinite(low):
        ends = (low, high) if effect >= 0 else (-high, -low)
        interval = f" [{ends[0]:.2f}, {ends[1]:.2f}]".replace("-", "−")
    is_gain = quality.sign * effect >= 0
    amount = quality.text(abs(effect)) + interval
    if quality.direction == "maximize":
        change_text, more = f"{'gains' if is_gain else 'loses'} {amount}", " more than"
        to = "over" if is_gain else "against"
    else:  # who gains something of which less is better?
        change_text = f"gives {amount} {'less' if is_gain else 'more'} {quality.header}"
        more, to = " than", "than"
    claim = CLAIMS.get(verdict, "")
    if kind == INTERACTION:
        return f"{factor}: together {alternative} {change_text}{more} the sum of both{claim}."
    is_known = isinstance(change, float) and isfinite(change)
    cost = f" at {signed_percent(float(str(change)))} MACs" if is_known else ""
    left = " (left out of all)" if kind == "left out" else ""
    return f"{factor} {alternative} {change_text} {to} {against}{left}{cost}{claim}."
