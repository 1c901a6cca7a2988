"""The main figures as PNG and SVG, drawn by matplotlib: for papers and pull requests."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msdemucs.errors import ReportError
from msdemucs.files import cause_of
from msdemucs.report.answers import INTERACTION, Answer, answers_of
from msdemucs.report.attainment import band_of
from msdemucs.report.figures.ablation import effect_axis
from msdemucs.report.findings import main_cost, trades_of, view_key
from msdemucs.report.frames import quality_of
from msdemucs.report.fronts import Point, Trade
from msdemucs.report.measures import Measure
from msdemucs.report.progress import Climb, climbs_of
from msdemucs.study.records import StudyRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACCENT, MUTED, INK, WARNING = "#0a5c9e", "#63686e", "#1c2024", "#b3261e"
SIZE_INCHES = (6.0, 3.8)
DPI = 200
MOST_NAMES = 12
LOG_FROM_RATIO = 3.0
FORMATS = ("png", "svg")

Draw = Callable[["Axes"], None]


def write_pictures(record: StudyRecord, folder: Path) -> list[Path]:
    """Every figure as PNG and SVG; the paths of the PNGs and SVGs, in the order of the report.

    Raises:
        ReportError: a file cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with rc_context(
            {
                "text.parse_math": False,  # a study's title is text
                "svg.fonttype": "none",
                "svg.hashsalt": record.name,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.edgecolor": MUTED,
                "font.size": 9,
            }
        ):
            for name, rows, draw in drawings(record):
                height = SIZE_INCHES[1] if rows == 0 else 1.2 + 0.3 * rows
                figure = Figure(figsize=(SIZE_INCHES[0], height), layout="constrained")
                draw(figure.subplots())
                for kind in FORMATS:
                    paths.append(folder / f"{name}.{kind}")
                    metadata = {"Date": None} if kind == "svg" else {}
                    figure.savefig(paths[-1], dpi=DPI, metadata=metadata)
    except OSError as error:
        raise ReportError(f"{folder}: cannot write figures: {cause_of(error)}") from error
    return paths


def drawings(record: StudyRecord) -> Iterator[tuple[str, int, Draw]]:
    """(file name, rows where the height depends on them, what draws it) of every figure."""
    main = main_cost(record)
    for trade in trades_of(record):
        if trade.points:
            yield view_key(record, trade), 0, _front(record, trade, is_main=trade.x == main)
    climbs = climbs_of(record)
    if climbs:
        yield "hypervolume", 0, lambda axes: _draw_climbs(axes, climbs)
    effects = [answer for answer in answers_of(record) if answer.kind != INTERACTION]
    effects = [answer for answer in effects if answer.effect == answer.effect]
    if effects:
        yield "effects", len(effects), lambda axes: _draw_effects(axes, effects, quality_of(record))


def _front(record: StudyRecord, trade: Trade, *, is_main: bool) -> Draw:
    band = band_of(record, trade) if is_main else None

    def draw(axes: "Axes") -> None:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        xs = [point.x for point in trade.points]
        if trade.x.may_be_log and min(xs) > 0 and max(xs) / min(xs) >= LOG_FROM_RATIO:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: trade.x.text(float(value))))
        axes.xaxis.set_tick_params(labelsize=7.5)
        front = trade.front
        where: Literal["pre", "post"] = "post" if trade.x.direction == "minimize" else "pre"
        axes.step([p.x for p in front], [p.y for p in front], where=where, color=ACCENT, lw=1.2)
        if band is not None:
            axes.fill_between(
                band.x, band.low, band.high, step="post", color=ACCENT, alpha=0.15, lw=0
            )
        for point in trade.points:
            _draw_point(axes, point, trade)
        axes.set_xlabel(trade.x.label)
        axes.set_ylabel(trade.y.label)

    return draw


def _draw_point(axes: "Axes", point: Point, trade: Trade) -> None:
    colour = ACCENT if point.is_front or point.is_tied else MUTED
    axes.errorbar(
        [point.x],
        [point.y],
        yerr=None if point.half_width != point.half_width else [point.half_width],
        fmt="x" if point.beyond else "D" if point.is_baseline else "o",
        markersize=6 if point.is_baseline else 5,
        markerfacecolor=ACCENT if point.is_front else "white",
        markeredgecolor=colour,
        ecolor=MUTED,
        elinewidth=0.8,
    )
    if point.is_baseline or (point.is_front and len(trade.front) <= MOST_NAMES):
        axes.annotate(
            point.name,
            (point.x, point.y),
            xytext=(6, -9) if point is trade.points[0] else (-4, 4),
            textcoords="offset points",
            ha="left" if point is trade.points[0] else "right",
            fontsize=7.5,
            color=INK if point.is_front else MUTED,
        )


def _draw_climbs(axes: "Axes", climbs: Sequence[Climb]) -> None:
    for climb, colour in zip(climbs, (ACCENT, WARNING), strict=False):
        axes.step(climb.trials, climb.volumes, where="post", color=colour, label=climb.name)
    axes.set_xlabel("trials ended")
    axes.set_ylabel("dominated share of the box")
    axes.legend(frameon=False)


def _draw_effects(axes: "Axes", answers: Sequence[Answer], quality: Measure) -> None:
    axes.axvline(0, color=MUTED, lw=0.8)
    for index, answer in enumerate(answers):
        low, high, effect = answer.low, answer.high, answer.effect
        axes.plot([low, high], [index, index], color=MUTED, lw=1.2)
        face = ACCENT if answer.is_told else "white"
        axes.plot([effect], [index], "s", color=ACCENT, markerfacecolor=face)
    axes.set_yticks(range(len(answers)), [answer.label for answer in answers])
    axes.set_ylim(len(answers) - 0.4, -0.6)
    axes.set_xlabel(effect_axis(quality))
