"""A page: what it and its script are given, and that it is written whole or not at all."""

import base64
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pandas as pd
import pytest

from msdemucs.analysis.findings import Findings
from msdemucs.errors import ReportError
from msdemucs.report.page import (
    PARCEL,
    colour_fields,
    embed_json,
    file_stem,
    packed,
    page_data,
    render,
    table_data,
    write_text,
)
from msdemucs.report.paper import paper
from msdemucs.report.tables import trial_table
from msdemucs.study.records import RUNG_COLUMNS, StudyRecord
from tests.records import TOYS, amend, make_ablation, make_record, unfinished_row


def test_what_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="file is no folder"):
        write_text("page", tmp_path / "file" / "r.html")
    with pytest.raises(ReportError, match=r"is a folder; name the file, such as .*report\.html"):
        write_text("page", tmp_path)

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ReportError, match="permission denied"):
        write_text("page", tmp_path / "r.html")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_report_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "r.html"
    write_text("first", path)
    write_text("second", path)
    assert path.read_text() == "second"
    assert [other.name for other in path.parent.iterdir()] == ["r.html"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a b/c", "a-b-c"), ("../../x", "x"), ("100%#$", "100"), ("…", "study"), ("é_1.2", "é_1.2")],
)
def test_a_studys_files_stay_where_they_belong(name: str, stem: str) -> None:
    assert file_stem(name) == stem


def all_nan() -> StudyRecord:
    record = make_record()
    return replace(record, trials=record.trials.assign(usdr_db=nan))


ODD: dict[str, Callable[[], StudyRecord]] = {
    "one trial": lambda: make_record(TOYS[:1]),
    "one trial without a score": lambda: amend(make_record(TOYS[:1]), 0, usdr_db=nan),
    "no score at all": all_nan,
    "an infinite score": lambda: amend(make_record(), 2, usdr_db=inf),
    "no cost": lambda: amend(make_record(), 2, macs_per_second=0, latency_ms_p50=0),
    "twice the same": lambda: make_record([TOYS[0], TOYS[0]]),
    "not begun": lambda: make_record([], unfinished=[unfinished_row(0, "waiting")]),
    "one seed of an ablation": lambda: make_ablation(1),
    "an objective that nobody recorded": lambda: make_record(
        directions={"usdr_db": "maximize", "energy": "minimize"}
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_records_are_told_all_the_same(kind: str) -> None:
    record = ODD[kind]()
    html = render(Findings(record))
    assert record.title in html
    for bare in ("NaN,", "Infinity"):
        data = html.split('<script type="application/json" id="figures">')[1].split("</script>")[0]
        assert bare not in data, "JSON has neither"
    assert paper(Findings(record), "md").startswith("# ")
    assert paper(Findings(record), "latex").startswith("% Needs")


def test_an_ablation_searches_nothing_whatever_its_rungs(record: StudyRecord) -> None:
    arms = make_ablation()
    trials = range(len(arms.trials))
    rungs = [[n, 0, step, "usdr_db", 0.1 * step + n] for n in trials for step in (10, 30)]
    with_rungs = replace(arms, rungs=pd.DataFrame(rungs, columns=list(RUNG_COLUMNS)))
    for ablation in (arms, with_rungs):
        assert "How the search went" not in render(ablation)
    assert "What short runs tell" in render(with_rungs)
    assert "How the search went" in render(record)


def test_json_cannot_end_its_script() -> None:
    text = str(embed_json({"</script><!--": "a&b"}))
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"</script><!--": "a&b"}


def test_packed_texts_come_back_in_order() -> None:
    texts = [f"<p>{i}</p>" for i in range(2 * PARCEL + 1)]
    parcels = packed(texts)
    assert len(parcels) == 3
    read = [json.loads(zlib.decompress(base64.b64decode(parcel))) for parcel in parcels]
    assert [text for parcel in read for text in parcel] == texts


def test_rows_hold_texts_and_raw_values(record: StudyRecord) -> None:
    data = table_data(trial_table(Findings(record)))
    columns, rows = data["columns"], data["rows"]
    assert isinstance(columns, list)
    assert isinstance(rows, list)
    usdr = next(i for i, column in enumerate(columns) if column["key"] == "usdr_db")
    first, last = rows[0], rows[-1]
    assert (first[0], first[1], first[2], first[5][usdr]) == (4, "complete", 1, 2.31)
    assert last[5][usdr] is None
    assert columns[usdr]["unit"] == "dB"


def test_fields_know_every_trials_value(record: StudyRecord) -> None:
    fields = {field["name"]: field for field in colour_fields(Findings(record))}
    start = fields["channels.start"]
    assert start["numeric"] is True
    values, codes = start["values"], start["codes"]
    assert isinstance(values, list)
    assert isinstance(codes, list)
    told = [values[code] for code in codes]
    assert told == ["8", "8", "8", "4", "8", "12", "16", "16"]
    assert fields["fusion.output.kind"]["numeric"] is False
    bare = {field["name"]: field for field in colour_fields(Findings(amend(record, 7, spec=None)))}
    codes = bare["channels.start"]["codes"]
    assert isinstance(codes, list)
    assert codes[7] == -1


def test_everything_of_the_page_is_json(record: StudyRecord, empty_record: StudyRecord) -> None:
    for some in (record, empty_record):
        json.dumps(page_data(Findings(some)), allow_nan=False)
