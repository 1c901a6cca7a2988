"""Why a training run cannot go on, and what would help, in a sentence."""

import math
from collections.abc import Sequence

from msdemucs.cost import training_bytes
from msdemucs.spec import Spec, plan
from msdemucs.train.checkpoints import Checkpoints
from msdemucs.units import format_bytes


def explain_value(
    what: str,
    value: float,
    *,
    limit: float | None,
    tracks: Sequence[str],
    checkpoints: Checkpoints | None,
) -> str:
    """A value that is NaN, infinite or too large: the batch's tracks, and what to go back to.

    Args:
        what: "loss", say.
        value: as it was found.
        limit: stop_norm, which a finite value is beyond.
        tracks: of the batch.
        checkpoints: of the run, if it has any.
    """
    named = ", ".join(f"“{name}”" for name in dict.fromkeys(tracks))
    found = "NaN" if math.isnan(value) else "infinite" if math.isinf(value) else f"{value:.3g}"
    if math.isfinite(value):
        found += f", beyond stop_norm {limit:g}"
    good = ""
    if checkpoints is not None and (saved := checkpoints.steps()):
        good = f"; the last good checkpoint is {checkpoints.path(saved[-1])}"
    return (
        f"the {what} is {found}; the batch held {named}{good}. "
        "A lower lr, a longer warm-up or a smaller clip_norm may help"
    )


def explain_memory(
    reason: str, spec: Spec, *, segment: float, share: int, smaller: int, parts: int
) -> str:
    """A batch that does not fit: what the cost model predicted, and what would fit instead.

    Args:
        reason: the allocator's.
        spec: of the model.
        segment: seconds of an example.
        share: examples that went through at once.
        smaller: examples of the next smaller part; as many where none is smaller.
        parts: the `accumulate` that gives it.
    """
    planned = plan(spec.model_copy(update={"segment": segment}))
    now = format_bytes(training_bytes(planned, batch=share))
    message = f"out of memory ({reason}); {share} × {segment:g} s need about {now}"
    if smaller == share:
        return f"{message}; shorten the recipe's segment, or narrow the model"
    less = format_bytes(training_bytes(planned, batch=smaller))
    return (
        f"{message}, {smaller} need {less}: write accumulate: {parts} in the recipe, "
        "or let --auto-batch find out"
    )
