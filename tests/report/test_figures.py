"""How frames are painted: axes, ticks, curves, names that cover nothing."""

from itertools import combinations

import pytest

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.measure import measure_of
from msdemucs.analysis.trades import Trade, TradePoint
from msdemucs.analysis.trials import Curve
from msdemucs.report.figures.progress import mean_window, paint_curves, smoothed
from msdemucs.report.figures.style import (
    PLACES,
    Box,
    Label,
    axis_over,
    axis_style,
    line_box,
    place_labels,
    text_box,
    tick_step,
)
from msdemucs.report.figures.trades import name_labels, paint_trade, shows_floor, trade_axes
from msdemucs.study.records import StudyRecord

MACS, USDR = measure_of("macs_per_second"), measure_of("usdr_db")


def curve(*losses: float) -> Curve:
    return Curve(0, "trial 0", "complete", False, tuple(range(1, len(losses) + 1)), losses)


@pytest.mark.parametrize(
    ("span", "step"), [(1.4, 0.2), (7.0, 1.0), (100.0, 20.0), (0.05, 0.01), (3.6, 1.0)]
)
def test_ticks_are_one_two_or_five_apart(span: float, step: float) -> None:
    assert tick_step(span) == pytest.approx(step)


def test_all_ticks_of_an_axis_have_as_many_decimals() -> None:
    style = axis_style(axis_over([0.25, 1.17], may_be_log=False, margin=0.1))
    assert (style["dtick"], style["tickformat"]) == (0.2, ".1f")
    whole = axis_style(axis_over([60.0, 170.0], may_be_log=False, margin=0.1))
    assert whole["tickformat"] == ".0f"


def test_wide_axes_are_logarithmic_with_prefixes() -> None:
    style = axis_style(axis_over([2e8, 9e8], may_be_log=True, margin=0.1))
    assert (style["type"], style["tickformat"]) == ("log", "~s")
    assert axis_over([2e8, 3e8], may_be_log=True, margin=0.1).is_log is False
    assert axis_over([-1.0, 9.0], may_be_log=True, margin=0.1).is_log is False


def test_one_value_has_an_axis_too() -> None:
    axis = axis_over([0.0], may_be_log=True, margin=0.1)
    assert axis.low < 0 < axis.high
    assert axis_style(axis)["dtick"] == pytest.approx(0.5)


def test_curves_are_running_means_that_keep_their_length() -> None:
    assert smoothed(curve(1.0, 4.0, 1.0, 4.0), 3).losses == (2.5, 2.0, 3.0, 2.5)
    assert smoothed(curve(1.0, 4.0), 1).losses == (1.0, 4.0)
    assert mean_window([curve(*[1.0] * 40), curve(1.0)]) == 5
    assert mean_window([curve(1.0)]) == 1


def test_the_curves_axis_says_what_is_drawn(record: StudyRecord) -> None:
    figure = paint_curves(Findings(record).curves, best=4, height=400).to_plotly_json()
    texts = [note["text"] for note in figure["layout"]["annotations"]]
    assert any(text.startswith("training loss, mean of 3 logged steps") for text in texts)


def test_each_baselines_curve_has_a_dash_and_a_colour_of_its_own_and_the_key_what_is_drawn(
    record: StudyRecord,
) -> None:
    curves = Findings(record).curves
    names = [f"{name}, 8 channels" for name in ("htdemucs", "htdemucs_n", "htdemucs_nn")]
    for is_one_study in (True, False):
        figure = paint_curves(curves, best=4, height=400, is_one_study=is_one_study)
        lines = {t.name: t.line for t in figure.data if t.meta["role"] == "curve"}
        assert len({lines[name].dash for name in names}) == 3
        colours = {lines[name].color for name in names}
        assert len(colours | {lines["trial 4"].color, lines["trial 3"].color}) == (
            5 if is_one_study else 3
        ), "compared studies keep their colours to themselves"
        keyed = {trace.name for trace in figure.data if trace.showlegend}
        assert keyed == {*names, "trial 4", "trial 6"}, "the best, and one that failed"
    none = paint_curves([curve(1.0, 0.5)], best=None, height=400)
    assert not none.layout.showlegend


def test_a_floor_far_from_the_data_flattens_nothing_and_is_noted() -> None:
    points = (TradePoint(0, "a", False, 1e8, 0.3, True), TradePoint(1, "b", False, 2e8, 0.5, True))
    for floor, is_line in ((-5.7, False), (-0.2, False), (0.25, True)):
        trade = Trade(MACS, USDR, points, 0, floor)
        _, y = trade_axes(trade)
        assert (0.5 - 0.3) / (y.high - y.low) > 0.5, "the data have more than half of the height"
        assert shows_floor(trade) is is_line
        figure = paint_trade(trade, height=400).to_plotly_json()
        assert [shape["name"] for shape in figure["layout"].get("shapes", ())] == (
            ["floor"] if is_line else []
        )
        notes = [note["text"] for note in figure["layout"]["annotations"]]
        assert any("mixture as estimate" in text for text in notes)
        assert any(text.startswith("↓") for text in notes) is not is_line


@pytest.mark.parametrize(("n_steps", "tick"), [(1, 1), (2, 1), (40, 10), (4000, 1000)])
def test_training_steps_are_whole(n_steps: int, tick: int) -> None:
    figure = paint_curves([curve(*[1.0] * n_steps)], best=None, height=400).to_plotly_json()
    assert figure["layout"]["xaxis"]["dtick"] == tick


OFFSETS = {place: (dx, dy) for place, dx, dy in PLACES}


def test_a_name_keeps_off_the_fronts_line() -> None:
    """A beaten baseline close under a level of the front, as in the demonstration's study."""
    points = tuple(
        TradePoint(trial, name, name == "base", x, y, name != "base")
        for trial, name, x, y in (
            (0, "a", 3.2e8, 0.84), (1, "base", 5.4e8, 0.81), (2, "b", 9.1e8, 1.17)
        )
    )  # fmt: skip
    trade = Trade(MACS, USDR, points, 0, None)
    for labels in name_labels(trade, frozenset({0, 1, 2}), trade_axes(trade), 300).values():
        assert labels[1].position.startswith("bottom")


def test_a_name_keeps_off_lines_points_and_edges() -> None:
    middle = [(50.0, 50.0)]
    assert place_labels(middle, [["name"]], width=100.0, height=100.0) == (
        Label("name", "top left"),
    )
    level = line_box((0.0, 58.0), (100.0, 58.0))
    assert place_labels(middle, [["name"]], width=100.0, height=100.0, lines=[level]) == (
        Label("name", "bottom right"),
    )
    assert level == Box(-1.5, 101.5, 56.5, 59.5)


def test_a_name_without_room_is_shortened_and_one_that_hides_others_left_out() -> None:
    names = ["2048+4096, weighted, 8 channels", "trial 7"]
    assert place_labels([(50.0, 50.0)], [names], width=100.0, height=100.0) == (
        Label("trial 7", "top center"),
    )
    crowd = [(float(x), float(y)) for x in range(0, 101, 10) for y in range(0, 101, 10)]
    texts = [names if point == (50.0, 50.0) else [] for point in crowd]
    assert {label.text for label in place_labels(crowd, texts, width=100.0, height=100.0)} == {""}


def test_names_beside_points_are_placed_anew_for_each_width() -> None:
    """A name of 31 letters has room in a wide plot alone; it never leaves the plot."""
    name = "2048+4096, weighted, 8 channels"
    points = tuple(
        TradePoint(trial, name, False, x, y, True, short=f"trial {trial}")
        for trial, x, y in ((0, 1e9, 0.5), (1, 1.2e9, 0.501), (2, 1.4e9, 0.502), (3, 5e9, 9.0))
    )
    trade = Trade(MACS, USDR, points, 0, None)
    x, y = trade_axes(trade)
    shown = {}
    for width, labels in name_labels(trade, frozenset({0, 1, 2, 3}), (x, y), 300).items():
        boxes = [
            text_box(x.place(p.x) * width, y.place(p.y) * 300, text, OFFSETS[place])
            for p in points
            for text, place in [labels[p.trial]]
            if text
        ]
        shown[width] = [label.text for label in labels.values()]
        assert all(box.left >= -1 and box.right <= width + 1 for box in boxes), width
        assert all(a.overlap(b) < 1 for a, b in combinations(boxes, 2)), width
    assert shown[1020].count(name) > shown[260].count(name)


def test_a_front_is_drawn_in_steps_with_every_trial_once(record: StudyRecord) -> None:
    traces = paint_trade(Findings(record).trade(MACS), height=440).to_plotly_json()["data"]
    by_role = {trace["meta"]["role"]: trace for trace in traces}
    assert list(by_role["front"]["customdata"]) == [3, 0, 4]
    assert list(by_role["dominated"]["customdata"]) == [1, 2, 5]
    assert by_role["front-line"]["line"]["shape"] == "hv"
