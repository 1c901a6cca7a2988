"""What may be claimed of an ablation's effects, in words."""

from math import isfinite

from msdemucs.analysis.effects import Effect
from msdemucs.analysis.measure import Measure
from msdemucs.units import signed_percent, typeset

CLAIMS = {
    "better": "",
    "worse": "",
    "not told apart": ": not told apart from chance",
    "too few": ": too few seeds or tracks to claim it",
}


def effect_label(effect: Effect) -> str:
    """The factor and its alternative, or the two of an interaction."""
    if not effect.is_interaction:
        return f"{effect.factor}: {effect.alternative}"
    names = zip(effect.factor.split("×"), effect.alternative.split("×"), strict=False)
    return " × ".join(f"{factor.strip()} {level.strip()}" for factor, level in names)


def interval_text(effect: Effect) -> str:
    """The ends of an effect's interval: "[0.12, 0.49]"; "" without them."""
    return typeset(f"[{effect.low:.2f}, {effect.high:.2f}]") if isfinite(effect.low) else ""


def hover_text(effect: Effect, quality: Measure) -> str:
    """What stands over an effect's point."""
    p = f"Holm-adjusted p {effect.p:.3f}" if isfinite(effect.p) else "too few tracks for a p-value"
    confused = f"\nconfused with {', '.join(effect.confused_with)}" if effect.confused_with else ""
    basis = f"{effect.verdict}; {p}; {effect.n_seeds} seeds, {effect.n_tracks} tracks"
    return f"{claim_text(effect, quality)}\n{basis}{confused}"


def claim_text(effect: Effect, quality: Measure) -> str:
    """In words: "fusion per_source gains 0.31 dB [0.12, 0.49] over convolution at +0.0 % MACs"."""
    size, factor, alternative = effect.size, effect.factor, effect.alternative
    if not isfinite(size):
        return f"{factor} {alternative}: not complete."
    interval = ""
    if isfinite(effect.low):
        ends = (effect.low, effect.high) if size >= 0 else (-effect.high, -effect.low)
        interval = f" [{ends[0]:.2f}, {ends[1]:.2f}]".replace("-", "−")
    is_gain = quality.sign * size >= 0
    amount = quality.text(abs(size)) + interval
    if quality.direction == "maximize":
        change, more = f"{'gains' if is_gain else 'loses'} {amount}", " more than"
        to = "over" if is_gain else "against"
    else:  # who gains something of which less is better?
        change = f"gives {amount} {'less' if is_gain else 'more'} {quality.header}"
        more, to = " than", "than"
    claim = CLAIMS.get(effect.verdict, "")
    if effect.is_interaction:
        return f"{factor}: together {alternative} {change}{more} the sum of both{claim}."
    macs = effect.macs_change
    cost = f" at {signed_percent(macs)} MACs" if isfinite(macs) else ""
    left = " (left out of all)" if effect.kind == "left out" else ""
    return f"{factor} {alternative} {change} {to} {effect.against}{left}{cost}{claim}."
