"""Any quality can be what a study is about: less is better, one source alone, several at once."""

from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from msdemucs.report.answers import answers_of
from msdemucs.report.attainment import band_of
from msdemucs.report.budgets import ladders_of
from msdemucs.report.evidence import describe_noise
from msdemucs.report.figures.trades import dominated_region, trade_axes
from msdemucs.report.findings import findings_of, trades_of
from msdemucs.report.frames import qualities_of, quality_of, source_means
from msdemucs.report.fronts import floor_of, study_front, trade_of
from msdemucs.report.measures import measure_of
from msdemucs.report.optimism import fall_of
from msdemucs.report.page import render, write_report
from msdemucs.report.paper import front_table, paper
from msdemucs.report.pictures import write_pictures
from msdemucs.report.progress import climbs_of, places_of, rung_fronts, side_of
from msdemucs.report.sentences import text_of
from msdemucs.report.tables import source_table, trial_table
from msdemucs.report.views_why import progress_views
from msdemucs.study.records import StudyRecord
from tests.report.chromium import Opened
from tests.report.conftest import judged_by, make_eight, make_lucky, make_search, with_seeds

MACS = measure_of("macs_per_second")


def sentences(record: StudyRecord) -> list[str]:
    return [text_of(found).replace("\N{NO-BREAK SPACE}", " ") for found in findings_of(record)]


def distances(record: StudyRecord) -> StudyRecord:
    """The record by log-spectral distance, 10 dB less what its uSDR was: the same order."""
    return judged_by(record, ["lsd_db"], lambda values: 10.0 - values)


def test_of_a_distance_the_lowest_is_best() -> None:
    found = sentences(distances(make_eight()))
    # 10 dB less the means over sources: 2.41 of trial 4, 2.16 of htdemucs_nn
    assert found[0] == (
        "Best log-spectral distance (validation): trial 4 with 7.59 dB at 2.7 GMAC/s; the best "
        "baseline, htdemucs_nn, is 0.25 dB [0.25, 0.25; 3 of 3 tracks agree] above "
        "(7.84 dB at 3.61 GMAC/s)."
    )
    assert (
        "3 of 6 complete trials are on the front of log-spectral distance against MACs/s, "
        "from 9.19 dB at 880 MMAC/s (trial 3) to 7.59 dB at 2.7 GMAC/s (trial 4)."
    ) in found
    assert "trial 4 reaches htdemucs_n at 75 % of its MACs/s (7.59 dB against 8.03 dB)." in found
    assert any("htdemucs_nn gains 0.19 dB" in text for text in found)
    assert found[-1] == (
        "By log-spectral distance, 6 of 6 complete trials beat the mixture itself as the estimate "
        "(15.75 dB)."
    )
    assert not any("silence" in text for text in found), "its distance depends on the track"


def test_a_distance_has_the_fronts_of_the_score_that_it_mirrors() -> None:
    plain = judged_by(make_eight(), ["usdr_db"])
    mirrored = distances(make_eight())
    assert study_front(mirrored) == study_front(plain) == {0, 3, 4}
    for one, other in zip(trades_of(mirrored), trades_of(plain), strict=True):
        assert [p.trial for p in one.front] == [p.trial for p in other.front]
    steps = [[step.trial for step in ladder.steps] for ladder in ladders_of(mirrored)]
    assert steps == [[step.trial for step in ladder.steps] for ladder in ladders_of(plain)]
    # equal rank, equal place: a hypervolume is of the box's sides, whichever way they point
    places = places_of(plain)
    for trial, place in places_of(mirrored).items():
        assert place == pytest.approx(places[trial])
    assert climbs_of(mirrored)[0].volumes == pytest.approx(climbs_of(plain)[0].volumes)
    order = [line.trial for line in trial_table(mirrored).lines]
    assert order == [line.trial for line in trial_table(plain).lines]
    columns = {column.key: column for column in trial_table(mirrored).columns}
    assert (columns["lsd_db"].best_first, columns["usdr_db"].best_first) == (False, True)


def test_the_noise_and_ties_of_a_distance_are_those_of_its_scores() -> None:
    record = distances(with_seeds(make_eight(), [-0.08, 0.08]))
    trade = trade_of(record, MACS)
    assert [point.name for point in trade.tied] == ["htdemucs_nn"]
    (said,) = describe_noise(trade)
    assert text_of(said).startswith(
        "Trainings of one spec with other seeds differ by 0.11\N{NO-BREAK SPACE}dB (σ of "
        "log-spectral distance, 6 degrees of freedom)"
    )
    band = band_of(record, trade)
    assert band is not None
    best = trade.front[-1].y
    assert (band.low[-1], band.high[-1]) == pytest.approx((best - 0.08, best + 0.08))


def test_as_much_of_the_best_distance_is_luck_as_of_the_score_that_it_mirrors() -> None:
    seeded = with_seeds(make_eight(), [-0.3, 0.0, 0.3])
    fall = fall_of(trade_of(distances(seeded), MACS))
    assert fall == pytest.approx(fall_of(trade_of(judged_by(seeded, ["usdr_db"]), MACS)))
    (said,) = [text for text in sentences(distances(seeded)) if "optimistic" in text]
    assert said.endswith(f"at {7.59 + (fall or 0.0):.2f} dB of log-spectral distance.")


def test_decibels_of_which_less_is_better_are_no_logarithmic_axis() -> None:
    distance = quality_of(distances(make_eight()))
    assert not side_of([1.0, 10.0], distance).is_log
    assert side_of([1.0, 10.0], MACS).is_log


def test_the_area_that_a_front_of_distances_beats_lies_above_it() -> None:
    trade = trade_of(distances(make_eight()), MACS)
    x, y = trade_axes(trade)
    area = dominated_region(trade, x, y)
    assert max(area.y) == y.high
    assert min(area.y) == pytest.approx(min(point.y for point in trade.front))


def test_fronts_at_the_rungs_are_of_the_studys_own_quality() -> None:
    search = judged_by(make_search(24), ["lsd_db"], lambda values: 10.0 - values)
    early, late = rung_fronts(search, trade_of(search, MACS))
    plain = rung_fronts(make_search(24), trade_of(make_search(24), MACS))
    assert (early.trials, late.trials) == (plain[0].trials, plain[1].trials)
    assert late.y == pytest.approx([10.0 - value for value in plain[1].y])
    other = replace(search, rungs=search.rungs.assign(quality="usdr_db"))
    assert rung_fronts(other, trade_of(other, MACS)) == ()
    view = next(view for view in progress_views(search) if view.key == "rungs")
    assert "log-spectral distance at the rung (dB)" in str(view.figure)


def test_effects_on_a_distance_say_less_and_more() -> None:
    told = {a.label: a.sentence for a in answers_of(distances(make_lucky()))}
    fusion = told["fusion: per_source"].replace("\N{NO-BREAK SPACE}", " ")
    assert fusion.startswith("fusion per_source gives 0.15 dB [")
    assert " less log-spectral distance than sum at " in fusion
    together = next(text for label, text in told.items() if "×" in label)
    assert " more log-spectral distance than the sum of both" in together


def test_one_source_can_be_all_that_counts() -> None:
    record = judged_by(make_eight(), ["si_sdr_db/vocals"])
    quality = quality_of(record)
    assert (quality.header, quality.direction) == ("SI-SDR of vocals", "maximize")
    assert floor_of(record, quality) == pytest.approx(-6.5)
    found = sentences(record)
    assert found[0].startswith("Best SI-SDR of vocals (validation): trial 4 with 2.21 dB")
    # silence scores -∞: to beat that is no news
    assert found[-1] == (
        "By SI-SDR of vocals, 6 of 6 complete trials beat the mixture itself as the estimate "
        "(−6.50 dB)."
    )
    assert quality.text(-inf) == "−∞\N{NO-BREAK SPACE}dB"
    means = source_means(record)
    assert means.loc[4, "vocals"] == pytest.approx(record.trials["si_sdr_db/vocals"][4])
    title = source_table(record).columns[1].title
    assert title.startswith("SI-SDR of drums: whole tracks")
    assert "Of validation tracks" in title


def test_several_qualities_have_a_front_a_best_and_a_ladder_each() -> None:
    record = judged_by(make_search(24), ["usdr_db/vocals", "usdr_db/drums"])
    assert [m.column for m in qualities_of(record)] == ["usdr_db/vocals", "usdr_db/drums"]
    drawn = [(trade.y.header, trade.x.header) for trade in trades_of(record)]
    assert drawn[:3] == [
        ("uSDR of vocals", "MACs/s"), ("uSDR of drums", "MACs/s"), ("uSDR of vocals", "Parameters")
    ]  # fmt: skip
    found = sentences(record)
    assert found[0].startswith("Best uSDR of vocals (validation): trial 17 with 1.54 dB")
    assert found[1].startswith("Best uSDR of drums (validation): trial 17 with 2.54 dB")
    labels = [ladder.label for ladder in ladders_of(record)]
    assert labels[:2] == ["MACs/s for uSDR of vocals", "MACs/s for uSDR of drums"]
    header = front_table(record).header
    assert header[1:3] == (
        "uSDR of vocals (dB), validation tracks", "uSDR of drums (dB), validation tracks"
    )  # fmt: skip
    assert {len(place) for place in places_of(record).values()} == {3}


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
    html = render(record)
    named = quality_of(record).header
    assert f"Best {named} (validation)" in html or "effect" in html
    assert named in paper(record, "md")
    assert named in paper(record, "latex")
    assert "test track" not in html
    pictures = [path.name for path in write_pictures(record, tmp_path)]
    assert "front-macs_per_second.png" in pictures


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["a distance of seeds", "two sources"])
def test_pages_of_other_qualities_are_drawn_without_a_complaint(
    browser: Browser, kind: str, tmp_path: Path
) -> None:
    opened = Opened(browser, write_report(QUALITIES[kind](), tmp_path / "r.html"), width=390)
    assert opened.complaints == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390
    best = opened.page.locator("#budget-best").inner_text()
    assert best.startswith("trial 4: 7.59" if kind == "a distance of seeds" else "trial 17: 1.54")
