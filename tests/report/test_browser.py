"""The report in a real Chromium, opened from file://: it draws, sorts, links, escapes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from msdemucs.report.page import write_report
from msdemucs.study.records import Direction, StudyRecord
from tests.report.chromium import Opened, launched
from tests.report.conftest import (
    TOYS,
    amend,
    make_ablation,
    make_eight,
    make_large_record,
    make_record,
    make_search,
    unfinished_row,
    with_seeds,
)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from launched()


@pytest.fixture(scope="module")
def report_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the eight trials, written once."""
    return write_report(make_eight(), tmp_path_factory.mktemp("report") / "r.html")


def test_the_page_opens_without_complaint_or_network(browser: Browser, report_path: Path) -> None:
    opened = Opened(browser, report_path)
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert opened.page.locator(".plot .main-svg").count() > 0


def test_fronts_have_as_many_points_as_the_study_says(browser: Browser, report_path: Path) -> None:
    page = Opened(browser, report_path).page
    drawn = page.eval_on_selector_all(
        "figure[data-front] .plot",
        """plots => Object.fromEntries(plots.filter(p => p.data.some(t => t.meta.role === "front"))
             .map(p => [p.dataset.figure, p.data.find(t => t.meta.role === "front").x.length]))""",
    )
    # by hand from the toys: 0.71 at 0.88, 1.42 at 1.93, 2.31 at 2.70 GMAC/s; the rest are beaten
    assert drawn["front-macs_per_second"] == 3
    said = page.eval_on_selector_all(
        "figure[data-front]", "f => f.map(x => [x.id.replace('figure-', ''), +x.dataset.front])"
    )
    assert {key: count for key, count in said if key in drawn} == drawn
    assert len(drawn) == 4


def test_a_click_on_a_header_sorts_and_a_second_reverses(
    browser: Browser, report_path: Path
) -> None:
    opened = Opened(browser, report_path)
    button = opened.page.locator("#trials thead button", has_text="Parameters")
    header = button.inner_text().strip()
    button.click()
    trials = "e => e.map(r => +r.dataset.trial)"
    first = opened.page.eval_on_selector_all("#trials tbody tr", trials)
    assert first[:6] == [3, 0, 4, 1, 2, 5], header  # by the toys' parameters; unfinished last
    button.focus()
    opened.page.keyboard.press("Enter")
    again = opened.page.eval_on_selector_all("#trials tbody tr", trials)
    assert again[:6] == [5, 2, 1, 4, 0, 3]
    assert set(again[6:]) == {6, 7}


def test_a_long_name_widens_no_phone(browser: Browser, tmp_path: Path) -> None:
    toys = [
        replace(toy, name=f"output=sum, attention=none, resolutions={toy.name}") for toy in TOYS
    ]
    opened = Opened(browser, write_report(make_record(toys), tmp_path / "r.html"), width=390)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_failed_trial_shows_its_reason(browser: Browser, report_path: Path) -> None:
    page = Opened(browser, report_path).page
    assert "loss became NaN at step 12" in page.locator("#row-6").inner_text()


def test_left_out_tracks_are_marked_in_the_table_and_named_in_the_details(
    browser: Browser, record: StudyRecord, tmp_path: Path
) -> None:
    reason = "data/Low Tide/drums.wav: cannot be read (track “Low Tide”)"
    marked = amend(record, 4, left_out=[reason])
    page = Opened(browser, write_report(marked, tmp_path / "r.html")).page
    assert "without 1 test track" in page.locator("#row-4").inner_text()
    assert "trial 4 is without test tracks" in page.locator(".found").inner_text()
    page.locator("#trial-4 summary").first.click()
    page.wait_for_selector("#trial-4 .body")
    assert reason in page.locator("#trial-4").inner_text()
    assert "test track" not in page.locator("#row-0").inner_text()


def test_a_row_selects_its_point_in_every_figure(browser: Browser, report_path: Path) -> None:
    page = Opened(browser, report_path).page
    page.locator("#row-4 td").first.click()
    marked = page.eval_on_selector(
        ".plot[data-figure=front-macs_per_second]",
        """p => {
             const selection = p.data.find(trace => trace.meta.role === "selection");
             return [selection.x[0], selection.y[0]];
           }""",
    )
    assert marked == [2.70e9, 2.31]


def test_hostile_names_are_text(browser: Browser, tmp_path: Path) -> None:
    hostile = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>"
    toys = (replace(TOYS[0], name=hostile), *TOYS[1:])
    opened = Opened(
        browser,
        write_report(
            make_record(toys, unfinished=[unfinished_row(6, "failed", hostile)], title=hostile),
            tmp_path / "r.html",
        ),
    )
    assert opened.complaints == []
    assert opened.page.title() != "owned"
    assert hostile in opened.page.locator("h1").inner_text()
    assert opened.page.locator("img").count() == 0


@pytest.mark.parametrize("dark", [False, True])
def test_the_scheme_follows_the_readers(browser: Browser, report_path: Path, dark: bool) -> None:
    page = Opened(browser, report_path, dark=dark).page
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    assert (sum(channels) < 200) is dark


def test_a_phone_needs_no_sideways_scrolling(browser: Browser, report_path: Path) -> None:
    page = Opened(browser, report_path, width=390).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.evaluate("location.hash = '#trial-4'")
    page.wait_for_selector("#trial-4 .architecture")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("kind", ["empty", "failures", "one objective"])
def test_poor_studies_still_make_a_page(browser: Browser, tmp_path: Path, kind: str) -> None:
    made = {
        "empty": make_record([]),
        "failures": make_record([], unfinished=[unfinished_row(0, "failed", "no memory")]),
        "one objective": make_record(directions={"usdr_db": "maximize"}),
    }[kind]
    opened = Opened(browser, write_report(made, tmp_path / "r.html"))
    assert opened.complaints == []
    assert opened.page.locator("h1").count() == 1


def test_the_file_is_small_enough_to_send(report_path: Path) -> None:
    assert report_path.stat().st_size < 8_000_000


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
    assert recommended(opened) == "htdemucs: 1.42 dB at 1.93 GMAC/s"
    assert page.locator("#budget-value").inner_text() == "2.139\N{NO-BREAK SPACE}GMAC/s"
    page.locator("#budget-cost").select_option(label="Latency p50")
    page.locator("#budget-slider").fill("1000")
    assert recommended(opened) == "trial 4: 2.31 dB at 97.0 ms"
    assert "name: trial-4" in page.locator("#budget-yaml").inner_text()


def test_the_copy_button_copies_the_spec(browser: Browser, report_path: Path) -> None:
    page = Opened(browser, report_path).page
    yaml = page.locator("#budget-yaml").inner_text()
    page.locator("#budget .copy").click()
    expect(page.locator("#budget .copy")).to_have_text("Copied")
    page.locator("#find").click()
    page.evaluate(
        """() => { const area = document.createElement("textarea"); area.id = "pasted";
                   document.body.append(area); area.focus(); }"""
    )
    page.keyboard.press("Control+V")
    assert page.locator("#pasted").input_value().strip() == yaml.strip()


def shown(opened: Opened) -> list[int]:
    return opened.page.eval_on_selector_all("#trials tbody tr", "e => e.map(r => +r.dataset.trial)")


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
    opened = Opened(browser, write_report(spec_record, tmp_path / "r.html"))
    page = opened.page
    point = page.locator("[data-figure=front-macs_per_second] .scatterlayer .points path")
    page.evaluate("document.querySelector('#front-heading').scrollIntoView()")
    at = page.evaluate(
        """() => { const p = document.querySelector("[data-figure=front-macs_per_second]");
             const { xaxis, yaxis } = p._fullLayout; const r = p.getBoundingClientRect();
             return [r.x + xaxis._offset + xaxis.d2p(2.7e9),
                     r.y + yaxis._offset + yaxis.d2p(2.31)]; }"""
    )
    assert point.count() > 0
    page.mouse.move(*at)
    page.wait_for_selector("[data-figure=front-macs_per_second] .hoverlayer .hovertext")
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
    seeded = with_seeds(record, [-0.06, 0.06])
    opened = Opened(browser, write_report(seeded, tmp_path / "r.html"))
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
    opened = Opened(browser, write_report(made, tmp_path / "r.html"))
    assert opened.complaints == []
    keys = opened.page.eval_on_selector_all(".plot", "p => p.map(x => x.dataset.figure)")
    wanted = {
        "search": {"climb-trials", "climb-steps", "rungs", "importances", "parallel"},
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
    opened = Opened(browser, write_report(made, tmp_path / "r.html"))
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


@pytest.mark.parametrize("n", [1, 4])
def test_any_number_of_objectives_makes_a_page(browser: Browser, tmp_path: Path, n: int) -> None:
    names = ["usdr_db", "macs_per_second", "parameters", "latency_ms_p50"][:n]
    directions: dict[str, Direction] = {
        name: "maximize" if name == "usdr_db" else "minimize" for name in names
    }
    made = replace(make_record(), directions=directions)
    opened = Opened(browser, write_report(made, tmp_path / "r.html"))
    assert opened.complaints == []
    assert len(shown(opened)) == 6


def test_a_details_html_is_text_too(browser: Browser, tmp_path: Path) -> None:
    hostile = "</details><script>document.title='owned'</script><img src=x onerror=alert(1)>"
    toys = (replace(TOYS[0], name=hostile, differences={hostile: [hostile, hostile]}), *TOYS[1:])
    made = amend(make_record(toys), 0, spec={"name": hostile, "sources": [hostile]})
    opened = Opened(browser, write_report(made, tmp_path / "r.html"))
    page = opened.page
    page.evaluate("location.hash = '#trial-0'")
    page.wait_for_selector("#trial-0 .body")
    page.locator("#colour").select_option(index=1)
    assert page.locator("img").count() == 0
    assert page.title() != "owned"
    assert hostile in page.locator("#trial-0 .body").inner_text()
    assert opened.complaints == []


def test_paper_is_light_and_figures_fit_it(browser: Browser, report_path: Path) -> None:
    opened = Opened(browser, report_path, dark=True)
    page = opened.page
    widths = """() => [...document.querySelectorAll('.plot .main-svg')]
             .map((svg) => +svg.getAttribute('width'))"""
    on_screen = page.evaluate(widths)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    on_paper = page.evaluate(widths)
    assert max(on_screen) > 1000
    assert max(on_paper) <= 680
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert page.locator("#asked-heading ~ details").get_attribute("open") is not None
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.wait_for_function(
        f"wide => Math.max(...({widths})()) === wide", arg=max(on_screen), timeout=5000
    )
    assert page.locator("#asked-heading ~ details").get_attribute("open") is None
    assert page.pdf().startswith(b"%PDF")
    assert opened.complaints == []


def test_without_scripts_the_findings_are_left_to_read(browser: Browser, report_path: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(report_path.as_uri())
    text = page.locator("main").inner_text()
    assert "Best uSDR: trial 4" in text
    assert "need JavaScript" in text
    assert "How it was run" in text
    assert "Colour by" not in text, "what does nothing is not offered"
    assert page.locator(".plot:visible").count() == 0


@pytest.mark.slow
def test_five_thousand_trials_fit_and_are_found(browser: Browser, tmp_path: Path) -> None:
    path = write_report(make_large_record(5000), tmp_path / "large.html")
    assert path.stat().st_size < 25_000_000
    opened = Opened(browser, path)
    assert opened.complaints == []
    assert len(shown(opened)) == 100
    assert opened.page.locator("#sources tbody tr").count() == 100
    assert opened.page.locator("*").count() < 30_000  # what is not looked at is not there
    opened.page.locator("#sources-more").click()
    assert opened.page.locator("#sources tbody tr").count() == 1100
    opened.page.locator("#find").fill("trial 4321")
    assert shown(opened) == [4321]
    opened.page.evaluate("location.hash = '#trial-17'")
    opened.page.wait_for_selector("#trial-17 .body")
