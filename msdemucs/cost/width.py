"""The width that meets a budget: specs that differ in a factor, at the same MACs per second.

Scaling only the width keeps what a factor is about (kernels, strides, resolutions, attention) as
it is, so that its effect is not confounded with size. Width as one of three ways to spend MACs: Tan
and Le 2019 (arXiv:1905.11946), section 3.
"""

import math

from msdemucs.cost.formulas import macs
from msdemucs.errors import PlanError, Problem
from msdemucs.spec import Spec, plan
from msdemucs.spec.schema import ChangePoints, Growth
from msdemucs.units import format_count

WIDEST = 4096
"""Channels of level 0 beyond which no spec is looked for."""

MOST_SKIPPED = 64
"""Widths in a row that may not build, since heads do not divide them, before one gives up."""

UNUSED = 0.15
"""The share of a budget that may be left unused when nothing else is asked."""


def with_width(spec: Spec, width: int) -> Spec:
    """The spec with so many channels at level 0, and deeper levels' in proportion.

    The result may not build: heads or groups may not divide its channels.
    """
    channels = spec.channels
    if isinstance(channels, Growth):
        scaled: object = channels.model_copy(update={"start": width})
    elif isinstance(channels, ChangePoints):
        at = {level: _scaled(value, width, channels.start) for level, value in channels.at.items()}
        scaled = ChangePoints(start=width, at=at)
    elif isinstance(channels, tuple):
        scaled = tuple(_scaled(value, width, channels[0]) for value in channels)
    else:
        scaled = width
    return spec.model_copy(update={"channels": scaled})


def solve_width(spec: Spec, macs_per_second: float, *, unused: float = UNUSED) -> Spec:
    """The spec as wide as a budget allows: the nearest width that builds and is not above it.

    Args:
        spec: what to widen or to narrow; it need not build at the width that it has.
        macs_per_second: the budget, in MACs for a second of audio.
        unused: the share of it that may be left over; widths are whole numbers.

    Raises:
        PlanError: no width comes so near; the message says what the nearest ones take.
    """
    widths = _Widths(spec)
    step = widths.step
    if widths.building(step) is None:
        plan(with_width(spec, step))  # says why, in the fields' own words
    low, high = 0, step
    while high <= WIDEST and not widths.is_above(high, macs_per_second):
        low, high = high, 2 * high
    while high - low > step:
        middle = (low + high) // (2 * step) * step
        is_above = widths.is_above(middle, macs_per_second)
        low, high = (low, middle) if is_above else (middle, high)
    if not low or widths.taken(low) < (1 - unused) * macs_per_second:
        near = [low] * bool(low) + [widths.building(low + step) or 0]
        takes = " and ".join(
            f"{width} channels take {format_count(widths.taken(width), 'MAC/s')}"
            for width in near
            if width
        )
        budget = format_count(macs_per_second, "MAC/s")
        message = f"no width is within {100 * unused:.3g}% below {budget}"
        raise PlanError([Problem(f"{message}: at level 0, {takes}", "channels")])
    return with_width(spec, low)


class _Widths:
    """What a spec takes at each width, worked out once."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.step = spec.channels.round_to if isinstance(spec.channels, Growth) else 1
        self._found: dict[int, float] = {}

    def taken(self, width: int) -> float:
        """MACs for a second of audio; NaN where it does not build."""
        if width not in self._found:
            try:
                resolved = plan(with_width(self.spec, width))
            except PlanError:
                self._found[width] = math.nan
            else:
                total = sum(macs(one) for node in resolved.nodes for one in node.operators)
                self._found[width] = total / (self.spec.n_samples / self.spec.sample_rate)
        return self._found[width]

    def building(self, width: int) -> int | None:
        """The smallest width that builds, from this one on."""
        candidates = range(width, width + MOST_SKIPPED * self.step, self.step)
        return next((wider for wider in candidates if self.taken(wider) > 0), None)

    def is_above(self, width: int, budget: float) -> bool:
        """Whether all widths from this one on take more; the more channels, the more MACs."""
        found = self.building(width)
        return found is None or self.taken(found) > budget


def _scaled(channels: int, width: int, start: int) -> int:
    return max(1, round(channels * width / start))
