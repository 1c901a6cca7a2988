"""What a reader does on a page, in a real Chromium: slide, filter, select, choose, copy."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from msdemucs.analysis.findings import Findings
from msdemucs.report.page import write_report
from msdemucs.study.records import StudyRecord
from tests.records import (
    amend,
    make_ablation,
    make_lucky,
    make_search,
    with_seeds,
)
from tests.report.chromium import Opened, shown

pytestmark = pytest.mark.browser


def recommended(opened: Opened) -> str:
    return opened.page.locator("#budget-best").inner_text().replace("\N{NO-BREAK SPACE}", " ")


def test_the_slider_changes_the_recommendation(browser: Browser, report_path: Path) -> None:
    opened = Opened(browser, report_path)
    page = opened.page
    # by hand from the toys: trial 4 is the best of all, trial 3 the cheapest
    assert recommended(opened) == "trial 4: 2.31 dB at 2.7 GMAC/s"
    page.locator("#budget-slider").focus()
    page.keyboard.press("Home")
    assert recommended(opened) == "trial 3: 0.71 dB at 880 MMAC/s"
    page.locator("#budget-slider").fill("500")  # half way on a log scale: 2.14 GMAC/s
    assert recommended(opened) == "htdemucs, 8 channels: 1.42 dB at 1.93 GMAC/s"
    assert page.locator("#budget-value").inner_text() == "2.139\N{NO-BREAK SPACE}GMAC/s"
    page.locator("#budget-cost").select_option(label="Latency p50")
    page.locator("#budget-slider").fill("1000")
    assert recommended(opened) == "trial 4: 2.31 dB at 97.0 ms"
    assert "name: trial-4" in page.locator("#budget-yaml").inner_text()


def test_the_copy_button_copies_the_spec(browser: Browser, report_path: Path) -> None:
    page = Opened(browser, report_path).page
    yaml = page.locator("#budget-yaml").inner_text()
    page.evaluate("window.setTimeout = () => 0")  # the button says for good what it says for 1.5 s
    page.locator("#budget .copy").click()
    expect(page.locator("#budget .copy")).to_have_text("Copied")
    page.locator("#find").click()
    page.evaluate(
        """() => { const area = document.createElement("textarea"); area.id = "pasted";
                   document.body.append(area); area.focus(); }"""
    )
    page.keyboard.press("Control+V")
    expect(page.locator("#pasted")).not_to_have_value("")
    assert page.locator("#pasted").input_value().strip() == yaml.strip()


def test_texts_states_and_ranges_filter_the_table_and_dim_the_figures(
    browser: Browser, report_path: Path
) -> None:
    opened = Opened(browser, report_path)
    page = opened.page
    page.locator("#find").fill("per_source")
    assert shown(opened) == [4, 2]
    kept = page.evaluate(
        """() => document.querySelector("[data-figure=front-macs_per_second]").data
             .filter(t => ["front", "dominated"].includes(t.meta.role))
             .flatMap(t => [...t.selectedpoints].map(i => t.customdata[i]))"""
    )
    assert sorted(kept) == [2, 4]
    page.locator("#find").fill("")
    page.locator("#state-chips button", has_text="failed").click()
    assert shown(opened) == [4, 2, 1, 5, 0, 3, 7]
    page.locator("#range-column").select_option(label="MACs/s")
    page.locator("#range-high").fill("2.8G")
    page.keyboard.press("Enter")
    assert shown(opened) == [4, 0, 3]
    assert "3 of 8 trials" in page.locator("#trials-count").inner_text()
    page.locator("#active-filters button").click()
    assert len(shown(opened)) == 7
    page.keyboard.press("Escape")
    assert len(shown(opened)) == 8
    assert opened.complaints == []


def test_a_box_in_a_figure_keeps_its_trials_in_the_table(
    browser: Browser, report_path: Path
) -> None:
    opened = Opened(browser, report_path)
    page = opened.page
    area = page.locator("[data-figure=front-macs_per_second] .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    assert box is not None
    # the left 55 % of the axis from 0.71 to 6.5 GMAC/s: trial 3, htdemucs, trial 4
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.65 * box["width"], box["y"] + box["height"] - 2, steps=8)
    page.mouse.up()
    page.wait_for_selector("#active-filters button")
    assert shown(opened) == [4, 0, 3]
    page.locator("#active-filters button").click()
    assert len(shown(opened)) == 8


def test_a_click_on_a_point_selects_its_row_and_opens_its_details(
    browser: Browser, record: StudyRecord, tmp_path: Path
) -> None:
    spec_record = amend(record, 4, spec={"name": "x", "sources": ["drums"]})
    opened = Opened(browser, write_report(Findings(spec_record), tmp_path / "r.html"))
    page = opened.page
    point = page.locator("[data-figure=front-macs_per_second] .scatterlayer .points path")
    page.evaluate("document.querySelector('h1').scrollIntoView()")
    at = page.evaluate(
        """() => { const p = document.querySelector("[data-figure=front-macs_per_second]");
             const { xaxis, yaxis } = p._fullLayout; const r = p.getBoundingClientRect();
             return [r.x + xaxis._offset + xaxis.d2p(2.7e9),
                     r.y + yaxis._offset + yaxis.d2p(2.31)]; }"""
    )
    assert point.count() > 0
    page.mouse.move(*at)
    page.wait_for_selector("[data-figure=front-macs_per_second] .hoverlayer .hovertext")
    line = page.locator("[data-figure=front-macs_per_second] .hovertext tspan.line").last
    assert line.evaluate("e => getComputedStyle(e).fill") != "none"  # its ink, not the legend's
    page.mouse.click(*at)
    page.wait_for_selector("#row-4[aria-current=true]")
    page.locator("#selected .to-detail").click()
    page.wait_for_selector("#trial-4 .architecture")
    assert "drums" in page.locator("#trial-4 .architecture").inner_html()
    assert opened.complaints == []


def test_columns_can_be_chosen_and_downloaded(browser: Browser, report_path: Path) -> None:
    opened = Opened(browser, report_path)
    page = opened.page
    assert page.locator("#trials thead th:visible", has_text="Peak memory").count() == 0
    page.locator(".columns-menu summary").click()
    page.locator("#column-list").get_by_label("Peak memory").check()
    assert opened.column("Peak memory")[0].endswith("MiB")
    page.locator("#find").fill("trial 3")
    with page.expect_download() as waiting:
        page.locator("#csv").click()
    lines = Path(waiting.value.path()).read_text().splitlines()
    header, row = (line.split(",") for line in lines[:2])
    cells = dict(zip(header, row, strict=False))
    assert waiting.value.suggested_filename == "multires.csv"
    assert (cells["trial"], cells["usdr_db"], cells["macs_per_second"]) == (
        "3",
        "0.71",
        "880000000",
    )
    assert cells["channels.start"] == "4"
    assert len(lines) == 2


def test_points_can_be_coloured_by_a_field(browser: Browser, report_path: Path) -> None:
    page = Opened(browser, report_path).page
    page.locator("#colour").select_option(label="fusion.output.kind")
    colours = page.evaluate(
        """() => Object.fromEntries(document.querySelector("[data-figure=front-macs_per_second]")
             .data.filter(t => ["front", "dominated"].includes(t.meta.role))
             .flatMap(t => t.customdata.map((trial, i) => [trial, t.marker.color[i]])))"""
    )
    assert colours["4"] == colours["2"] != colours["0"] == colours["5"]
    assert page.locator("#scale").inner_text().split() == ["sum", "per_source"]
    page.locator("#colour").select_option(label="Parameters")
    assert page.locator("#scale span").count() == 5


def test_the_page_can_be_used_by_keyboard(browser: Browser, report_path: Path) -> None:
    page = Opened(browser, report_path).page
    page.locator("#row-3 th a").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#trial-3[open] .body")
    assert page.locator("#selected").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#selected").is_visible()


def test_seeds_are_drawn_as_bars_ties_and_a_band(
    browser: Browser, record: StudyRecord, tmp_path: Path
) -> None:
    seeded = with_seeds(record, [-0.08, 0.08])
    opened = Opened(browser, write_report(Findings(seeded), tmp_path / "r.html"))
    roles = opened.page.eval_on_selector(
        "[data-figure=front-macs_per_second]", "p => p.data.map(t => t.meta.role)"
    )
    assert {"band", "tied", "region"} <= set(roles)
    assert opened.page.locator(".yerror").count() > 0
    assert opened.complaints == []


@pytest.mark.parametrize("kind", ["search", "ablation"])
def test_searches_and_ablations_draw_everything(
    browser: Browser, tmp_path: Path, kind: str
) -> None:
    made = make_search(24) if kind == "search" else make_ablation()
    opened = Opened(browser, write_report(Findings(made), tmp_path / "r.html"))
    assert opened.complaints == []
    keys = opened.page.eval_on_selector_all(".plot", "p => p.map(x => x.dataset.figure)")
    wanted = {
        "search": {"hypervolume-trials", "hypervolume-steps", "rungs", "importances", "parallel"},
        "ablation": {"forest", "interactions"},
    }[kind]
    assert wanted <= set(keys)
    drawn = opened.page.eval_on_selector_all(
        ".plot", "p => p.map(x => x.querySelectorAll('.main-svg').length)"
    )
    assert min(drawn) > 0
    width = opened.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 1280


def test_a_range_on_an_axis_keeps_its_trials_everywhere(browser: Browser, tmp_path: Path) -> None:
    made = make_search(24)
    opened = Opened(browser, write_report(Findings(made), tmp_path / "r.html"))
    page = opened.page
    page.locator("#figure-parallel").scroll_into_view_if_needed()
    at = page.evaluate(
        """() => { const p = document.querySelector("[data-figure=parallel]");
             const { xaxis, yaxis, meta } = p._fullLayout; const r = p.getBoundingClientRect();
             const index = meta.axes.findIndex((axis) => axis.name === "channels.start");
             const x = r.x + xaxis._offset + xaxis.d2p(index);
             const y = (v) => r.y + yaxis._offset + yaxis.d2p(v);
             return [x, y(0.8), y(1.05)]; }"""
    )
    x, low, high = at
    page.mouse.move(x - 8, low)
    page.mouse.down()
    page.mouse.move(x + 8, (low + high) / 2)
    page.mouse.move(x + 14, high)
    page.mouse.up()
    expect(page.locator("#active-filters")).to_contain_text("channels.start: 12")
    widest = [trial for trial in range(24) if trial % 3 == 2]
    assert sorted(shown(opened)) == widest
    kept = page.evaluate(
        """() => document.querySelector("[data-figure=front-macs_per_second]").data
             .filter(t => ["front", "tied", "dominated"].includes(t.meta.role))
             .flatMap(t => t.selectedpoints.map(i => t.customdata[i])).sort((a, b) => a - b)"""
    )
    assert kept == widest
    lines = page.evaluate(
        """() => document.querySelector("[data-figure=parallel]").data
             .filter(t => t.meta.role === "lines").flatMap(t => t.customdata)"""
    )
    assert set(lines) == set(widest)
    page.locator("#active-filters button").click()
    assert len(shown(opened)) == 24
    assert opened.complaints == []


def test_an_arms_point_selects_all_its_rows_and_a_row_its_arms_point(
    browser: Browser, tmp_path: Path
) -> None:
    opened = Opened(browser, write_report(Findings(make_lucky()), tmp_path / "r.html"))
    page = opened.page
    assert recommended(opened).startswith("fusion=per_source: 1.40 dB ± ")
    assert "mean of 3 seeds" in recommended(opened)
    chosen = "#trials tr[aria-current=true]"
    found = "e => e.map(r => +r.dataset.trial).sort((a, b) => a - b)"
    page.locator("#budget-best a").click()  # of the arm that trials 2, 6 and 10 are of
    expect(page.locator(chosen)).to_have_count(3)
    assert page.eval_on_selector_all(chosen, found) == [2, 6, 10]
    page.locator("#row-5 td").first.click()
    expect(page.locator(chosen)).to_have_count(1)
    marks = """() => document.querySelector("[data-figure=front-macs_per_second]").data
        .filter(t => t.meta.role === "selection").map(t => [t.x[0], t.x.length])"""
    page.wait_for_function(f"() => JSON.stringify(({marks})()) === '[[2300000000,1]]'")
    page.locator("#find").fill("attention=softmax")
    page.evaluate(
        "() => document.querySelector('[data-figure=front-macs_per_second]').emit("
        "'plotly_click', {points: [{customdata: 1, data: {meta: {role: 'tied'}}}]})"
    )
    expect(page.locator(chosen)).to_have_count(3)
    assert "3 trials" in page.locator("#selected .what").inner_text()
    assert opened.complaints == []
