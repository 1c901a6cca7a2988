"""What the page's script is given."""

import base64
import json
import zlib

from msdemucs.analysis.findings import Findings
from msdemucs.report.embedded import (
    PARCEL,
    colour_fields,
    embed_json,
    packed,
    page_data,
    table_data,
)
from msdemucs.report.tables import trial_table
from msdemucs.study.records import StudyRecord
from tests.records import amend


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
