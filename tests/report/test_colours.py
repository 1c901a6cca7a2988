"""What is seen of a figure, by its pixels: whose a front is, and points beyond a constraint."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from playwright.sync_api import Browser

from msdemucs.analysis.combined import combine
from msdemucs.analysis.findings import Findings
from msdemucs.report.page import write_report
from msdemucs.report.pictures import draw_figure, pictured
from msdemucs.study.records import StudyRecord
from tests.records import amend, make_search
from tests.report.chromium import Opened

FRONT = '.plot[data-figure="front-macs_per_second"]'


def colour_at(opened: Opened, trial: int) -> tuple[int, int, int]:
    """The pixel in the middle of a trial's point in the main figure."""
    plot = opened.page.locator(FRONT)
    plot.scroll_into_view_if_needed()
    x, y = plot.evaluate(
        """(plot, trial) => {
             const { xaxis, yaxis } = plot._fullLayout;
             const trace = plot.data.find((t) => (t.customdata || []).includes(trial));
             const index = trace.customdata.indexOf(trial);
             const [x, y] = [trace.x[index], trace.y[index]];
             return [xaxis._offset + xaxis.d2p(x), yaxis._offset + yaxis.d2p(y)];
           }""",
        trial,
    )
    seen = Image.open(BytesIO(plot.screenshot())).convert("RGB").getpixel((round(x), round(y)))
    assert isinstance(seen, tuple)
    return (int(seen[0]), int(seen[1]), int(seen[2]))


def distance(one: tuple[int, int, int], other: tuple[int, int, int]) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_point_beyond_a_constraint_is_seen(
    browser: Browser, record: StudyRecord, tmp_path: Path, *, dark: bool
) -> None:
    beyond = amend(record, 1, violations={"macs_per_second": 0.61e9})
    path = write_report(Findings(beyond), tmp_path / "r.html")
    opened = Opened(browser, path, dark=dark)
    paper = (20, 23, 26) if dark else (253, 253, 251)
    assert distance(colour_at(opened, 1), paper) > 60, "a cross has ink in its middle"
    assert distance(colour_at(opened, 5), paper) < 8, "a dominated point is open"
    assert "beyond a constraint" in opened.page.locator(".legend").first.inner_text()


@pytest.mark.browser
def test_a_front_has_the_colour_of_its_studys_points_in_every_figure(
    browser: Browser, record: StudyRecord, tmp_path: Path
) -> None:
    # the second study is the cheaper one: its points come first along every cost
    cheap = make_search(12)
    costs = ["macs_per_second", "parameters", "latency_ms_p50", "inference_bytes"]
    known = [cost for cost in costs if cost in cheap.trials]
    cheap = replace(
        cheap, name="cheap", trials=cheap.trials.assign(**{c: cheap.trials[c] / 1e3 for c in known})
    )
    path = write_report(Findings(combine([record, cheap])), tmp_path / "r.html")
    page = Opened(browser, path).page
    seen = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.plot[data-figure^="front-"]')]
             .map((plot) => [plot.dataset.figure, plot.data.flatMap((trace) =>
               trace.meta.role === "front-line" ? [[trace.meta.study, trace.line.color]]
               : ["front", "tied", "dominated"].includes(trace.meta.role)
                 ? trace.customdata.map((trial, index) =>
                     [trial < 8 ? "multires" : "cheap", trace.marker.color[index]]) : [])]))"""
    )
    assert len(seen) >= 3
    for figure, pairs in seen.items():
        colours = {name: {colour for whose, colour in pairs if whose == name} for name, _ in pairs}
        assert colours == {"multires": {"#0072b2"}, "cheap": {"#d55e00"}}, figure
    named = page.eval_on_selector_all(
        ".hero .legend > span",
        "spans => spans.map((s) => [s.innerText.trim(), "
        "getComputedStyle(s.firstElementChild).fill])",
    )
    assert named[:2] == [["multires", "rgb(0, 114, 178)"], ["cheap", "rgb(213, 94, 0)"]]
    assert "dominated" not in dict(named), "no point is open: all have their studies' colours"


def drawn(findings: Findings) -> Axes:
    """The first picture."""
    axes = Figure().subplots()
    figure = next(pictured(findings)).figure
    assert figure is not None
    draw_figure(axes, figure["data"], figure["layout"])  # type: ignore[arg-type]
    return axes


def test_a_picture_has_the_pages_colours_and_its_crosses(record: StudyRecord) -> None:
    beyond = amend(record, 1, violations={"macs_per_second": 0.61e9})
    for seen, crosses in ((record, []), (beyond, ["#63686e"])):
        lines = drawn(Findings(seen)).get_lines()
        assert [line.get_markeredgecolor() for line in lines if line.get_marker() == "x"] == crosses
        assert "#0a5c9e" in {line.get_color() for line in lines}, "the front"
    both = combine([record, replace(make_search(12), name="search")])
    colours = {line.get_color() for line in drawn(Findings(both)).get_lines()}
    assert {"#0072b2", "#d55e00"} <= colours, "a front a study"
