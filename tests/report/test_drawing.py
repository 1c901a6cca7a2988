"""Architectures drawn from their specs."""

import re
from xml.etree import ElementTree as ET

import pytest

from msdemucs.cost import cost_of
from msdemucs.report.drawing import draw_plan
from msdemucs.spec import load_spec, plan, zoo_names


def drawn(name: str, overrides: dict[str, object] | None = None) -> ET.Element:
    planned = plan(load_spec(name, overrides=overrides))
    return ET.fromstring(draw_plan(planned, cost_of(planned).nodes))


def of_class(svg: ET.Element, name: str) -> list[ET.Element]:
    return [found for found in svg.iter() if found.get("class") == name]


def texts(svg: ET.Element) -> list[str]:
    return [text.text or "" for text in svg.iter("text")]


@pytest.mark.parametrize("name", zoo_names())
def test_every_system_of_the_zoo_can_be_drawn(name: str) -> None:
    spec = load_spec(name)
    planned = plan(spec)
    svg = drawn(name)
    levels = [n for n in planned.nodes if n.part in {"encoder", "decoder"}]
    assert len(of_class(svg, "encoder")) + len(of_class(svg, "decoder")) == len(levels)
    assert set(spec.sources) <= set(texts(svg))
    assert "nan" not in ET.tostring(svg, encoding="unicode")


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_each_resolution_has_a_lane(n: int) -> None:
    sizes = [1024 << i for i in range(n)]
    svg = drawn("htdemucs_n", {"spectral.resolutions": sizes})
    assert [text for text in texts(svg) if text.startswith("STFT")] == [f"STFT {s}" for s in sizes]
    lanes = {rect.get("y") for group in of_class(svg, "front") for rect in group.iter("rect")}
    assert len(lanes) == n + 1  # and the waveform's
    _, _, _, height = map(float, str(svg.get("viewBox")).split())
    ys = [float(str(rect.get("y"))) + float(str(rect.get("height"))) for rect in svg.iter("rect")]
    assert max(ys) <= height


def test_attention_and_fusion_are_explained() -> None:
    notes = [note.text or "" for note in of_class(drawn("htdemucs_n"), "note")]
    assert any(
        "attention at the bottleneck: alternating, linear, 5 layers" in note for note in notes
    )
    assert any("resolutions meet at the bottleneck: weighted" in note for note in notes)
    assert any("waveforms of all resolutions become one: convolution" in note for note in notes)
    assert not of_class(drawn("hdemucs"), "attention")


def test_levels_with_more_macs_are_darker() -> None:
    planned = plan(load_spec("htdemucs"))
    shades = {}
    for group in [*of_class(drawn("htdemucs"), "encoder"), *of_class(drawn("htdemucs"), "decoder")]:
        title = str(group.findtext("title"))
        shades[title.split(":")[0]] = float(str(list(group.iter("rect"))[1].get("fill-opacity")))
    macs = {node.path: node.macs for node in cost_of(planned).nodes}
    ordered = sorted(shades, key=lambda path: macs[path])
    assert [shades[path] for path in ordered] == sorted(shades.values())


def test_a_box_tells_its_size_and_cost() -> None:
    title = of_class(drawn("htdemucs"), "encoder")[0].findtext("title")
    assert title is not None
    assert re.match(
        r"spectral\.0\.encoder\.0: 48 channels × 512 rows × \d+ frames, kernel 8", title
    )


def test_names_are_escaped() -> None:
    planned = plan(load_spec("htdemucs", overrides={"sources": ["b", "a&b"], "name": '"x"<i>'}))
    svg = ET.fromstring(draw_plan(planned, cost_of(planned).nodes))
    assert {"b", "a&b"} <= set(texts(svg))
