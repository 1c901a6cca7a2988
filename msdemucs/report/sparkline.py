"""A small picture of one trial's training loss, drawn as SVG where plotly would weigh too much."""

from html import escape

from markupsafe import Markup

from msdemucs.analysis.curves import Curve
from msdemucs.report.figures.curves import mean_window, smoothed
from msdemucs.report.figures.style import axis_over

WIDTH_PX, HEIGHT_PX, LEFT_PX, BOTTOM_PX = 420, 150, 52, 22
MOST_POINTS = 160


def draw_curve(curve: Curve) -> Markup:
    """The running mean of a trial's loss against its steps, as an SVG element."""
    window = mean_window([curve])
    mean = smoothed(curve, window)
    stride = max(1, len(mean.steps) // MOST_POINTS)
    steps, losses = mean.steps[::stride], mean.losses[::stride]
    y = axis_over(losses, may_be_log=True, margin=0.06)
    first, last = curve.steps[0], max(curve.steps[-1], curve.steps[0] + 1)
    plot_width, plot_height = WIDTH_PX - LEFT_PX - 8, HEIGHT_PX - BOTTOM_PX - 14
    points = " ".join(
        f"{LEFT_PX + plot_width * (step - first) / (last - first):.1f},"
        f"{12 + plot_height * (1 - y.place(loss)):.1f}"
        for step, loss in zip(steps, losses, strict=True)
    )
    base = 12 + plot_height
    scale = ", log scale" if y.is_log else ""
    told = f", mean of {window} logged steps" if window > 1 else ""
    label = escape(f"training loss of {curve.name}{told}{scale}", quote=True)
    ends = (
        f'<text x="{LEFT_PX}" y="{HEIGHT_PX - 6}">{first}</text>'
        f'<text x="{WIDTH_PX - 8}" y="{HEIGHT_PX - 6}" class="end">step {last}</text>'
        f'<text x="{LEFT_PX - 6}" y="20" class="end">{max(losses):.3g}</text>'
        f'<text x="{LEFT_PX - 6}" y="{base}" class="end">{min(losses):.3g}</text>'
    )
    svg = (
        f'<svg class="curve" role="img" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" aria-label="{label}">'
        f"<title>{label}</title>"
        f'<path class="axis" d="M{LEFT_PX} 8V{base}H{WIDTH_PX - 8}"/>'
        f'<polyline points="{points}"/>{ends}</svg>'
    )
    return Markup(svg)  # noqa: S704 (numbers, and an escaped label)
