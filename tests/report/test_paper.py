"""Tables and pictures for papers: Markdown, LaTeX, PNG, SVG."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from msdemucs.analysis.findings import Findings
from msdemucs.errors import ReportError
from msdemucs.report.paper import front_table, paper, paper_tables
from msdemucs.report.pictures import write_pictures
from msdemucs.study.records import StudyRecord
from tests.records import amend, make_ablation, make_record, make_search, with_seeds


def test_the_front_and_the_baselines_are_in_the_table(record: StudyRecord) -> None:
    table = front_table(Findings(record))
    assert [row[0] for row in table.rows] == [
        "trial 3", "htdemucs, 8 channels", "trial 4", "htdemucs_n, 8 channels (dominated)",
        "htdemucs_nn, 8 channels (dominated)",
    ]  # fmt: skip
    assert [row[1] for row in table.rows][:2] == ["0.71", "1.42"]
    assert "1 failed" in table.caption
    assert any("utterance SDR" in note for note in table.notes)
    assert any("trained once" in note for note in table.notes)


def test_seeds_give_intervals_with_a_footnote(record: StudyRecord) -> None:
    table = front_table(Findings(with_seeds(record, [-0.06, 0.06])))
    assert table.rows[0][1] == "0.71\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.15"
    assert any("6 degrees of freedom" in note for note in table.notes)


def test_markdown_has_a_table_a_footnote_and_pictures(record: StudyRecord) -> None:
    text = paper(Findings(record), "md", [Path("figures/front.png")])
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count(" | ") for line in rows}) == 1
    assert len(rows) == 2 + 5
    assert "![front](figures/front.png)" in text
    assert "<sub>uSDR: utterance SDR" in text


def test_an_ablations_effects_are_a_table_of_their_own() -> None:
    front, effects = paper_tables(Findings(make_ablation()))
    assert (front.key, effects.key) == ("front", "effects")
    assert effects.rows[0][0] == "fusion: per_source"
    assert effects.rows[0][-1] == "better"
    assert "3 seeds and 8 validation tracks" in effects.notes[0]


def test_latex_is_balanced_and_disarmed(record: StudyRecord) -> None:
    hostile = amend(record, 4, name=r"50 % & \input{x} $y_1$ <b>")
    text = paper(Findings(hostile), "latex", [Path("f/a_b.png")])
    code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert code.count(r"\begin{") == code.count(r"\end{") > 0
    assert r"50 \% \& \textbackslash{}input\{x\} \$y\_1\$ \textless{}b\textgreater{}" in code
    bare = re.sub(r"\\[\\{}&%$#_]", "", code)
    assert bare.count("{") == bare.count("}")
    assert r"\toprule" in code
    assert r"\includegraphics[width=\linewidth]{f/a_b.png}" in code


def test_markdown_is_disarmed(record: StudyRecord) -> None:
    text = paper(Findings(amend(record, 4, name="a|b <script>*x*")), "md")
    assert r"a\|b &lt;script&gt;\*x\*" in text


def test_latex_is_disarmed(record: StudyRecord) -> None:
    text = paper(Findings(amend(record, 4, name="[a] & b_c 50% #1 ≤ 2")), "latex")
    # a bracket after the line break of the row before would be its option
    assert "\n{}[a] \\& b\\_c 50\\% \\#1 $\\leq$ 2 &" in text


@pytest.mark.parametrize("kind", ["search", "ablation", "empty"])
def test_pictures_are_png_and_svg(tmp_path: Path, kind: str) -> None:
    record = {"search": make_search(12), "ablation": make_ablation(), "empty": make_record([])}[
        kind
    ]
    paths = write_pictures(Findings(record), tmp_path / "figures")
    names = {path.stem for path in paths}
    assert {
        "search": {"front-macs_per_second", "front-parameters", "hypervolume"},
        "ablation": {"front-macs_per_second", "effects"},
        "empty": set(),
    }[kind] <= names
    for path in paths:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
        else:
            ET.parse(path)


def test_a_title_is_no_formula(tmp_path: Path, record: StudyRecord) -> None:
    paths = write_pictures(Findings(amend(record, 4, name="$x$ _y_")), tmp_path)
    svg = next(path for path in paths if path.name == "front-macs_per_second.svg").read_text()
    assert "$x$ _y_" in svg
    assert ">2G<" in svg


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path, record: StudyRecord) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="cannot write figures"):
        write_pictures(Findings(record), tmp_path / "file" / "figures")
