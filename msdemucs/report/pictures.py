"""The main figures as PNG and SVG, for papers and pull requests: the page's own, without a browser.

Plotly draws in a browser alone. Here matplotlib draws the same descriptions, as far as they are of
points, lines, areas, shapes and notes on one pair of axes, in the colours of the page's light look.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import unescape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msdemucs.analysis.findings import Findings, findings_of
from msdemucs.errors import ReportError
from msdemucs.files import cause_of
from msdemucs.report.views import FigureView, ablation_views, hypervolume_views, trade_views
from msdemucs.study.records import StudyRecord
from msdemucs.units import format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

Plain = Mapping[str, Any]

FORMATS = ("png", "svg")
WIDTH_PX, PX_PER_INCH, DPI = 640, 100, 200
POINTS_PER_PX = 72 / PX_PER_INCH

NAMES = {"hypervolume-trials": "hypervolume", "forest": "effects"}
"""View → its file, where that is named otherwise."""

SYMBOLS = {
    "circle": "o", "diamond": "D", "square": "s", "x": "X", "x-thin": "x",
    "triangle-up": "^", "triangle-down": "v",
}  # fmt: skip
STEPS = {"hv": "steps-post", "vh": "steps-pre"}
ANCHORS = {"left": "left", "right": "right", "center": "center", "middle": "center"}
FIRST_DIGITS: Mapping[Any, Sequence[int]] = {"D1": range(1, 10), "D2": (1, 2, 5)}


def write_pictures(study: Findings | StudyRecord, folder: Path) -> list[Path]:
    """Write the main figures as PNG and SVG; return the paths, in the order of the report.

    Raises:
        ReportError: a file cannot be written.
    """
    findings = findings_of(study)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "text.parse_math": False,  # a study's title is text
        "svg.fonttype": "none",
        "svg.hashsalt": findings.record.name,
    }
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with rc_context(style):
            for view in pictured(findings):
                assert view.figure is not None
                layout: Plain = view.figure["layout"]  # type: ignore[assignment]
                size = (WIDTH_PX / PX_PER_INCH, layout["height"] / PX_PER_INCH)
                figure = Figure(figsize=size)
                draw_figure(figure.subplots(), view.figure["data"], layout)  # type: ignore[arg-type]
                for kind in FORMATS:
                    paths.append(folder / f"{NAMES.get(view.key, view.key)}.{kind}")
                    metadata = {"Date": None} if kind == "svg" else {}
                    figure.savefig(paths[-1], dpi=DPI, metadata=metadata)
    except OSError as error:
        raise ReportError(f"{folder}: cannot write figures: {cause_of(error)}") from error
    return paths


def pictured(findings: Findings) -> Iterator[FigureView]:
    """The figures that are written: the fronts, the hypervolume by trial, an ablation's effects."""
    for view in (
        *trade_views(findings),
        *hypervolume_views(findings)[:1],
        *ablation_views(findings)[:1],
    ):
        if view.figure is not None:
            yield view


def draw_figure(axes: "Axes", traces: Sequence[Plain], layout: Plain) -> None:
    """Draw plotly's description of a figure.

    Args:
        axes: alone in its figure.
        traces: scatter traces.
        layout: with margins and the height in pixels, one pair of axes, shapes, annotations.
    """
    margin, height = layout["margin"], layout["height"]
    axes.set_position(
        (
            margin["l"] / WIDTH_PX,
            margin["b"] / height,
            1 - (margin["l"] + margin["r"]) / WIDTH_PX,
            1 - (margin["t"] + margin["b"]) / height,
        )
    )
    axes.spines[["top", "right"]].set_visible(False)
    _style_axis(axes, "x", layout["xaxis"])
    _style_axis(axes, "y", layout["yaxis"])
    for order, trace in enumerate(traces, start=3):
        _draw_trace(axes, trace, order)
    for shape in layout.get("shapes", ()):
        _draw_shape(axes, shape)
    for note in layout.get("annotations", ()):
        _write(axes, note)


def _style_axis(axes: "Axes", name: str, style: Plain) -> None:
    """Range, scale, ticks, grid and title of an axis."""
    from matplotlib.ticker import (
        FuncFormatter,
        LogLocator,
        MaxNLocator,
        MultipleLocator,
        NullLocator,
    )

    axis: Axis = axes.xaxis if name == "x" else axes.yaxis
    is_log, dtick = style.get("type") == "log", style.get("dtick")
    low, high = style.get("range", (0, 1))
    if is_log:
        axes.set(**{f"{name}scale": "log"})
        axis.set_major_locator(LogLocator(subs=FIRST_DIGITS.get(dtick, (1,))))
        axis.set_minor_locator(NullLocator())
    elif "tickvals" in style:
        axis.set_ticks(style["tickvals"], labels=[_plain(text) for text in style["ticktext"]])
    elif dtick:
        axis.set_major_locator(MultipleLocator(dtick))
    else:
        axis.set_major_locator(MaxNLocator(style.get("nticks", 7)))
    axes.set(**{f"{name}lim": (10**low, 10**high) if is_log else (low, high)})
    if "tickvals" not in style:
        spec = style.get("tickformat", "~f")
        axis.set_major_formatter(FuncFormatter(lambda value, _: tick_text(float(value), spec)))
    text = style.get("tickfont", {}).get("color", "var(--muted)")
    axis.set_tick_params(
        labelsize=11 * POINTS_PER_PX, labelcolor=colour(text), color=colour("var(--muted)")
    )
    axes.spines["bottom" if name == "x" else "left"].set_color(colour("var(--muted)"))
    if style.get("showgrid", True):
        axis.grid(visible=True, color=colour(style["gridcolor"]), lw=0.6, zorder=0)
        axes.set_axisbelow(True)
    title = _plain(style.get("title", {}).get("text", ""))
    axis.set_label_text(title, fontsize=12 * POINTS_PER_PX, color=colour("var(--muted)"))


def _draw_trace(axes: "Axes", trace: Plain, order: int) -> None:
    """Areas, lines, error bars, markers, names."""
    x, y = list(trace["x"]), list(trace["y"])
    if not x:
        return
    if trace.get("fill") == "toself":
        axes.fill(x, y, color=colour(trace["fillcolor"]), lw=0, zorder=1)
    mode, line = trace["mode"], trace.get("line", {})
    if "lines" in mode:
        axes.plot(
            [float("nan") if value is None else value for value in x],
            [float("nan") if value is None else value for value in y],
            drawstyle=STEPS.get(line.get("shape"), "default"),
            color=colour(line["color"]),
            lw=POINTS_PER_PX * line.get("width", 2),
            zorder=order,
        )
    errors = {name: _bar_lengths(trace.get(f"error_{name}", {})) for name in ("x", "y")}
    if any(lengths is not None for lengths in errors.values()):
        axes.errorbar(
            x, y, xerr=errors["x"], yerr=errors["y"], fmt="none", elinewidth=0.8, zorder=order,
            ecolor=colour("var(--muted)"),
        )  # fmt: skip
    if "markers" in mode:
        _draw_markers(axes, trace, order)
    for at_x, at_y, text, position in zip(
        x, y, trace.get("text") or (), trace.get("textposition") or (), strict=False
    ):
        if "text" in mode and text:
            _name_point(axes, (at_x, at_y), (text, position), trace["textfont"])


def _bar_lengths(bars: Plain) -> list[Sequence[float]] | None:
    """Below and above each point; None where there are no bars."""
    if "array" not in bars or not bars.get("visible", True):
        return None
    return [bars.get("arrayminus", bars["array"]), bars["array"]]


def _draw_markers(axes: "Axes", trace: Plain, order: int) -> None:
    """Each marker in its own symbol, size and colours."""
    marker, n = trace["marker"], len(trace["x"])
    values = [marker.get("symbol", "circle"), marker["size"], marker["color"]]
    symbols, sizes, fills = (
        list(value) if isinstance(value, list | tuple) else [value] * n for value in values
    )
    edge = marker.get("line", {})
    for at_x, at_y, symbol, size, fill in zip(
        trace["x"], trace["y"], symbols, sizes, fills, strict=True
    ):
        axes.plot(
            [at_x], [at_y], SYMBOLS[symbol], ms=POINTS_PER_PX * size, mfc=colour(fill),
            mec=colour(edge.get("color", fill)), mew=POINTS_PER_PX * edge.get("width", 0),
            clip_on=trace.get("cliponaxis", True), zorder=order,
        )  # fmt: skip


def _name_point(axes: "Axes", at: tuple[float, float], label: tuple[str, str], font: Plain) -> None:
    """A point's name beside it."""
    text, (vertical, horizontal) = label[0], label[1].split()
    dx = {"left": -4, "center": 0, "right": 4}[horizontal]
    dy = {"top": 4, "middle": 0, "bottom": -4}[vertical]
    axes.annotate(
        _plain(text), at, xytext=(dx, dy), textcoords="offset points",
        ha={"left": "right", "center": "center", "right": "left"}[horizontal],
        va={"top": "bottom", "middle": "center", "bottom": "top"}[vertical],
        fontsize=POINTS_PER_PX * font["size"], color=colour(font["color"]), zorder=20,
    )  # fmt: skip


def _draw_shape(axes: "Axes", shape: Plain) -> None:
    """A line or a rectangle, in data or along a whole side."""
    x, y = (shape["x0"], shape["x1"]), (shape["y0"], shape["y1"])
    if shape["type"] == "rect":
        axes.fill_between(x, y[0], y[1], color=colour(shape["fillcolor"]), lw=0, zorder=1)
        return
    line, is_paper = shape["line"], shape.get("xref") == "paper"
    axes.plot(
        x, y, color=colour(line["color"]), lw=POINTS_PER_PX * line["width"], scalex=False,
        scaley=False, zorder=2, ls="--" if line.get("dash") else "-",
        transform=axes.get_yaxis_transform() if is_paper else axes.transData,
    )  # fmt: skip


def _write(axes: "Axes", note: Plain) -> None:
    """An annotation, at places in data or from 0 to 1 of a side."""
    is_paper = note.get("xref") == "paper", note.get("yref") == "paper"
    transform = {
        (True, True): axes.transAxes,
        (True, False): axes.get_yaxis_transform(),
        (False, True): axes.get_xaxis_transform(),
        (False, False): axes.transData,
    }[is_paper]
    shift = (note.get("xshift", 0), note.get("yshift", 0))
    axes.annotate(
        _plain(note["text"]), (note["x"], note["y"]), xycoords=transform, annotation_clip=False,
        xytext=tuple(POINTS_PER_PX * px for px in shift), textcoords="offset points",
        ha=ANCHORS[note.get("xanchor", "center")],
        va=ANCHORS.get(note.get("yanchor", "middle"), note.get("yanchor", "center")),
        fontsize=POINTS_PER_PX * note["font"]["size"], color=colour(note["font"]["color"]),
    )  # fmt: skip


def tick_text(value: float, spec: str) -> str:
    """A tick by the formats that the figures use: "~s", "~f", "~g", ".2f"."""
    if spec == "~s":
        return format_count(value).replace(" ", "")
    text = (
        f"{value:.6f}".rstrip("0").rstrip(".") if spec == "~f" else format(value, spec.lstrip("~"))
    )
    return text.replace("-", "−")


def _plain(text: str) -> str:
    """Plotly's mark-up as text."""
    return unescape(re.sub(r"<[^>]*>", " ", text))


@cache
def _page_colours() -> Mapping[str, str]:
    """The variables of the page's light look."""
    style = (files("msdemucs.report") / "templates" / "style.css").read_text(encoding="utf-8")
    light = style[: style.index("@media")]
    return dict(re.findall(r"(--[\w-]+):\s*([^;]+);", light))


def colour(text: str) -> str:
    """A colour as matplotlib takes it, of a variable of the page or of CSS.

    Args:
        text: "var(--accent)", "#0a5c9e", "rgba(10, 92, 158, 0.1)".
    """
    if match := re.fullmatch(r"var\((--[\w-]+)\)", text):
        text = _page_colours()[match[1]].strip()
    if match := re.fullmatch(r"rgba?\(([^)]*)\)", text):
        red, green, blue, *alpha = (float(part) for part in match[1].split(","))
        parts = (red, green, blue, *(255 * share for share in alpha))
        return "#" + "".join(f"{round(part):02x}" for part in parts)
    return text
