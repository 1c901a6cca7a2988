"""Names and files that come from outside."""

import os
from pathlib import Path

import pytest

from msdemucs.outside import legible, within


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "...", " ", "/x/ABS", "../../UP", "a\\..\\b", "a\0b", "日" * 200, "é" * 9],
)
def test_no_name_leads_out_of_a_folder_or_is_too_long_for_a_file(name: str, tmp_path: Path) -> None:
    path = within(tmp_path, name, ".json")
    path.write_text("")
    assert [file.resolve().parent for file in tmp_path.iterdir()] == [tmp_path.resolve()]
    assert within(tmp_path, name).resolve().parent == tmp_path.resolve()


def test_usual_names_stay_and_long_ones_stay_apart(tmp_path: Path) -> None:
    assert within(tmp_path, "Ann - One (日本).v2", ".wav").name == "Ann - One (日本).v2.wav"
    long = {within(tmp_path, "日" * 84 + end, ".json").name for end in ("a", "b")}
    assert len(long) == 2


def test_what_steers_a_terminal_or_cannot_be_written_is_spelt_out() -> None:
    name = os.fsdecode(b"\x1b]0;x\x07 caf\xe9\x9b") + "\u202e é\n\t"
    assert legible(name) == r"\x1b]0;x\x07 caf\udce9\udc9b\u202e é" + "\n\t"
    legible(name).encode()
