"""Any quality can be what a study is about: less is better, one source alone, several at once."""

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from msdemucs.analysis.findings import Findings
from msdemucs.analysis.fronts import places_along
from msdemucs.analysis.measure import measure_of
from msdemucs.report.figures.trades import dominated_region, trade_axes
from msdemucs.report.page import page_data, render, write_report
from msdemucs.report.paper import front_table, paper
from msdemucs.report.pictures import write_pictures
from msdemucs.report.sentences import claim_text, describe_noise, effect_label, text_of
from msdemucs.report.statements import statements
from msdemucs.report.tables import source_table, trial_table
from msdemucs.report.views import progress_views
from msdemucs.study.records import StudyRecord
from tests.records import judged_by, make_eight, make_lucky, make_search, ranked, with_seeds
from tests.report.chromium import Opened

MACS = measure_of("macs_per_second")


def sentences(record: StudyRecord) -> list[str]:
    return [
        text_of(found).replace("\N{NO-BREAK SPACE}", " ") for found in statements(Findings(record))
    ]


def distances(record: StudyRecord) -> StudyRecord:
    """The record by log-spectral distance, 10 dB less what its uSDR was: the same order."""
    return judged_by(record, ["lsd_db"], lambda values: 10.0 - values)


def test_of_a_distance_the_lowest_is_best() -> None:
    found = sentences(distances(make_eight()))
    # 10 dB less the means over sources: 2.41 of trial 4, 2.16 of htdemucs_nn
    assert found[0] == (
        "Best log-spectral distance (validation; the mixture 15.75 dB): trial 4 with 7.59 dB at "
        "2.7 GMAC/s; the best baseline, htdemucs_nn, 8 channels, is 0.25 dB "
        "[0.25, 0.25; 3 of 3 tracks agree] above (7.84 dB at 3.61 GMAC/s)."
    )
    assert (
        "3 of 6 complete trials are on the front of log-spectral distance against MACs/s, "
        "from 9.19 dB at 880 MMAC/s (trial 3) to 7.59 dB at 2.7 GMAC/s (trial 4)."
    ) in found
    assert any(
        text.startswith(
            "trial 4 reaches htdemucs_n, 8 channels at 75 % of its MACs/s, with 0.44 dB"
        )
        and text.endswith("less.")
        for text in found
    )
    assert any("htdemucs_nn, 8 channels gains 0.19 dB" in text for text in found)
    assert found[-1] == (
        "By log-spectral distance, 6 of 6 complete trials beat the mixture itself as the estimate "
        "(15.75 dB)."
    )
    assert not any("silence" in text for text in found), "its distance depends on the track"


def test_a_distance_has_the_fronts_of_the_score_that_it_mirrors() -> None:
    plain = judged_by(make_eight(), ["usdr_db"])
    mirrored = distances(make_eight())
    assert Findings(mirrored).front == Findings(plain).front == {0, 3, 4}
    for one, other in zip(Findings(mirrored).trades, Findings(plain).trades, strict=True):
        assert [p.trial for p in one.front] == [p.trial for p in other.front]
    steps = [[step.trial for step in budget.steps] for budget in Findings(mirrored).budgets]
    assert steps == [[step.trial for step in budget.steps] for budget in Findings(plain).budgets]
    # equal rank, equal place: a hypervolume is of the box's sides, whichever way they point
    places = Findings(plain).box_places
    for trial, place in Findings(mirrored).box_places.items():
        assert place == pytest.approx(places[trial])
    assert Findings(mirrored).hypervolumes[0].volumes == pytest.approx(
        Findings(plain).hypervolumes[0].volumes
    )
    order = [line.trial for line in trial_table(Findings(mirrored)).lines]
    assert order == [line.trial for line in trial_table(Findings(plain)).lines]
    columns = {column.key: column for column in trial_table(Findings(mirrored)).columns}
    assert (columns["lsd_db"].best_first, columns["usdr_db"].best_first) == (False, True)


def test_the_noise_and_ties_of_a_distance_are_those_of_its_scores() -> None:
    record = distances(with_seeds(make_eight(), [-0.08, 0.08]))
    trade = Findings(record).trade(MACS)
    assert [point.name for point in trade.tied] == ["htdemucs_nn, 8 channels"]
    (said,) = describe_noise(trade)
    assert text_of(said).startswith(
        "Trainings of one spec with other seeds differ by 0.11\N{NO-BREAK SPACE}dB (σ of "
        "log-spectral distance, 6 degrees of freedom)"
    )
    band = Findings(record).bands[trade.y.column]
    assert band is not None
    best = trade.front[-1].y
    assert (band.low[-1], band.high[-1]) == pytest.approx((best - 0.08, best + 0.08))


def test_as_much_of_the_best_distance_is_luck_as_of_the_score_that_it_mirrors() -> None:
    seeded = with_seeds(make_eight(), [-0.3, 0.0, 0.3])
    fall = Findings(distances(seeded)).trade(MACS).expected_fall
    assert fall == pytest.approx(Findings(judged_by(seeded, ["usdr_db"])).trade(MACS).expected_fall)
    (said,) = [text for text in sentences(distances(seeded)) if "optimistic" in text]
    assert said.endswith(f"at {7.59 + (fall or 0.0):.2f} dB of log-spectral distance.")


def test_decibels_of_which_less_is_better_are_no_logarithmic_axis() -> None:
    distance = Findings(distances(make_eight())).quality
    assert places_along([1.0, 4.0, 16.0], distance)[1] == pytest.approx(0.9 / 1.1)
    assert places_along([1.0, 4.0, 16.0], MACS)[1] == pytest.approx(0.6 / 1.1)


def test_the_area_that_a_front_of_distances_beats_lies_above_it() -> None:
    trade = Findings(distances(make_eight())).trade(MACS)
    x, y = trade_axes(trade)
    area = dominated_region(trade, x, y)
    assert max(area.y) == y.high
    assert min(area.y) == pytest.approx(min(point.y for point in trade.front))


def test_fronts_at_the_rungs_are_of_the_studys_own_quality() -> None:
    search = judged_by(make_search(24), ["lsd_db"], lambda values: 10.0 - values)
    early, late = Findings(search).rung_fronts(Findings(search).trade(MACS))
    plain = Findings(make_search(24)).rung_fronts(Findings(make_search(24)).trade(MACS))
    assert (early.trials, late.trials) == (plain[0].trials, plain[1].trials)
    assert late.y == pytest.approx([10.0 - value for value in plain[1].y])
    other = replace(search, rungs=search.rungs.assign(quality="usdr_db"))
    assert Findings(other).rung_fronts(Findings(other).trade(MACS)) == ()
    view = next(view for view in progress_views(Findings(search)) if view.key == "rungs")
    assert "log-spectral distance at the rung (dB)" in str(view.figure)


def test_effects_on_a_distance_say_less_and_more() -> None:
    record = distances(make_lucky())
    quality = Findings(record).quality
    told = {effect_label(e): claim_text(e, quality) for e in ranked(record)}
    fusion = told["fusion: per_source"].replace("\N{NO-BREAK SPACE}", " ")
    assert fusion.startswith("fusion per_source gives 0.15 dB [")
    assert " less log-spectral distance than sum at " in fusion
    together = next(text for label, text in told.items() if "×" in label)
    assert " more log-spectral distance than the sum of both" in together


def test_one_source_can_be_all_that_counts() -> None:
    record = judged_by(make_eight(), ["si_sdr_db/vocals"])
    quality = Findings(record).quality
    assert (quality.header, quality.direction) == ("SI-SDR of vocals", "maximize")
    assert Findings(record).floors[quality.column] == pytest.approx(-6.5)
    found = sentences(record)
    assert found[0].startswith("Best SI-SDR of vocals (validation; the mixture −6.50 dB): trial 4")
    # silence scores -∞: to beat that is no news
    assert found[-1] == (
        "By SI-SDR of vocals, 6 of 6 complete trials beat the mixture itself as the estimate "
        "(−6.50 dB)."
    )
    assert quality.text(-inf) == "−∞\N{NO-BREAK SPACE}dB"
    means = Findings(record).source_means
    assert means.loc[4, "vocals"] == pytest.approx(record.trials["si_sdr_db/vocals"][4])
    title = source_table(Findings(record)).columns[1].title
    assert title.startswith("SI-SDR of drums: whole tracks")
    assert "Of validation tracks" in title


def test_several_qualities_have_a_front_a_best_and_a_budget_each() -> None:
    record = judged_by(make_search(24), ["usdr_db/vocals", "usdr_db/drums"])
    assert [m.column for m in Findings(record).qualities] == ["usdr_db/vocals", "usdr_db/drums"]
    drawn = [(trade.y.header, trade.x.header) for trade in Findings(record).trades]
    assert drawn[:3] == [
        ("uSDR of vocals", "MACs/s"), ("uSDR of drums", "MACs/s"), ("uSDR of vocals", "Parameters")
    ]  # fmt: skip
    found = sentences(record)
    best = "12 channels, per_source, trial 17 with"
    for text, source, floor, score in zip(
        found, ("vocals", "drums"), ("−6.50", "−4.00"), ("1.54", "2.54"), strict=False
    ):
        scale = f"silence 0.00 dB, the mixture {floor} dB"
        assert text.startswith(f"Best uSDR of {source} (validation; {scale}): {best} {score} dB")
    budgets = page_data(Findings(record))["budgets"]
    labels = [budget["label"] for budget in budgets]  # type: ignore[attr-defined]
    assert labels[:2] == ["MACs/s for uSDR of vocals", "MACs/s for uSDR of drums"]
    header = front_table(Findings(record)).header
    assert header[1:3] == (
        "uSDR of vocals (dB), validation tracks", "uSDR of drums (dB), validation tracks"
    )  # fmt: skip
    assert {len(place) for place in Findings(record).box_places.values()} == {3}


QUALITIES = {
    "a distance": lambda: distances(make_eight()),
    "a distance of seeds": lambda: distances(with_seeds(make_eight(), [-0.08, 0.08])),
    "an ablation by a distance": lambda: distances(make_lucky()),
    "one source": lambda: judged_by(make_eight(), ["si_sdr_db/vocals"]),
    "two sources": lambda: judged_by(make_search(24), ["usdr_db/vocals", "usdr_db/drums"]),
}


@pytest.mark.parametrize("kind", QUALITIES)
def test_every_quality_has_a_page_tables_and_pictures(kind: str, tmp_path: Path) -> None:
    record = QUALITIES[kind]()
    html = render(Findings(record))
    named = Findings(record).quality.header
    assert f"Best {named} (validation)" in html or "effect" in html
    assert named in paper(Findings(record), "md")
    assert named in paper(Findings(record), "latex")
    assert "test track" not in html
    pictures = [path.name for path in write_pictures(Findings(record), tmp_path)]
    assert "front-macs_per_second.png" in pictures


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["a distance of seeds", "two sources"])
def test_pages_of_other_qualities_are_drawn_without_a_complaint(
    browser: Browser, kind: str, tmp_path: Path
) -> None:
    opened = Opened(
        browser, write_report(Findings(QUALITIES[kind]()), tmp_path / "r.html"), width=390
    )
    assert opened.complaints == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    best = opened.page.locator("#budget-best").inner_text()
    assert best.startswith(
        "trial 4: 7.59"
        if kind == "a distance of seeds"
        else "12 channels, per_source, trial 17: 1.54"
    )
