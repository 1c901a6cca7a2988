"""Figures on a phone: no text over another, none beyond the figure, in a real Chromium."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser

from msdemucs.analysis.findings import Findings
from msdemucs.report.page import write_report
from msdemucs.study.records import StudyRecord
from tests.records import make_ablation, make_search
from tests.report.chromium import Opened
from tests.report.test_details import drawn_specs, with_specs

pytestmark = pytest.mark.browser

FAULTS = """plots => plots.flatMap((plot) => {
    const frame = plot.getBoundingClientRect();
    const texts = [...plot.querySelectorAll(".annotation-text, .xtick text, .ytick text, .xtitle")]
      .map((text) => [text.textContent, text.getBoundingClientRect()])
      .filter(([text, box]) => box.width && text.trim());
    const meets = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
    return texts.flatMap(([text, box], index) => [
      ...(box.left < frame.left - 1 || box.right > frame.right + 1
        ? [`${plot.dataset.figure}: “${text}” is cut`] : []),
      ...texts.slice(index + 1).filter(([, other]) => meets(box, other))
        .map(([other]) => `${plot.dataset.figure}: “${text}” over “${other}”`),
    ]);
})"""


def searched() -> StudyRecord:
    """A search of real specs with several resolutions, whose values have long names."""
    record = make_search(12)
    labels = ("1024+2048+4096+8192", "2048+4096+8192", "1024+4096+16384")
    params = [
        {
            **chosen,
            "spectral.resolutions": labels[i % 3],
            "attention.0.mechanism": "linear"[: 3 + i % 2],
        }
        for i, chosen in enumerate(record.trials["params"])
    ]
    varied = replace(record, trials=record.trials.assign(params=pd.Series(params)))
    return with_specs(varied, drawn_specs("multires", 12))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("make", [searched, make_ablation])
def test_no_text_of_a_figure_lies_over_another_or_is_cut(
    browser: Browser, tmp_path: Path, make: object, width: int
) -> None:
    assert callable(make)
    path = write_report(Findings(make()), tmp_path / "r.html")
    page = Opened(browser, path, width=width).page
    if make is searched:
        assert page.locator("[data-figure=parallel], [data-figure=sizes]").count() == 2
    assert page.eval_on_selector_all(".plot", FAULTS) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
