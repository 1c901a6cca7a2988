"""Every system of the zoo: exact counts at full size, and slim versions that run and learn."""

import pytest
import torch

from msdemucs import build, load_spec
from msdemucs.cost import Limits, cost_of, thop_count
from msdemucs.spec import zoo_names
from tests.specs import DEVICES, Run, run_once
from tests.systems import FIGURES, slim, with_sources

COUNTED = [(name, count) for name, figures in FIGURES.items() for count in figures["parameters"]]


def test_the_zoo_is_what_the_figures_are_of() -> None:
    assert sorted(FIGURES) == zoo_names()


@pytest.mark.parametrize(("name", "count"), COUNTED)
def test_parameters_are_exact_in_the_plan_and_in_the_built_model(name: str, count: int) -> None:
    spec = with_sources(name, count)
    wanted = FIGURES[name]["parameters"][count]
    assert cost_of(spec).parameters == wanted
    with torch.device("meta"):
        model = build(spec, limits=Limits(training_bytes=None))
    assert sum(parameter.numel() for parameter in model.parameters()) == wanted


@pytest.mark.parametrize(
    ("name", "count", "macs"),
    [
        (name, count, macs)
        for name, figures in FIGURES.items()
        for count, macs in figures.get("thop_macs", {}).items()
    ],
)
def test_macs_by_the_published_convention_are_exact(name: str, count: int, macs: int) -> None:
    assert thop_count(with_sources(name, count)).macs == macs


@pytest.mark.parametrize("name", [n for n, found in FIGURES.items() if "thop_parameters" in found])
def test_parameters_by_the_published_convention_are_exact(name: str) -> None:
    assert thop_count(load_spec(name)).parameters == FIGURES[name]["thop_parameters"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name, figures in FIGURES.items()
        for kind in ("convolution", "linear", "attention products")
        if kind in figures
    ],
)
def test_true_macs_are_what_torch_counts_on_the_original(name: str, kind: str) -> None:
    assert cost_of(load_spec(name)).macs_by_kind[kind] == FIGURES[name][kind]


def test_macs_of_hdemucs_with_its_lstms_are_the_sheets() -> None:
    # base.md, section 6: convolutions, linear layers and LSTMs at 10 s; the products of local
    # attention, which it leaves out, are 0.22 G
    found = cost_of(load_spec("hdemucs")).macs_by_kind
    assert found["convolution"] + found["linear"] + found["recurrent"] == 104937411840
    assert found["attention products"] == pytest.approx(0.22e9, rel=0.05)


@pytest.mark.parametrize("name", zoo_names())
def test_the_training_segment_is_the_sheets(name: str) -> None:
    assert load_spec(name).segment == FIGURES[name].get("segment", 10)


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", zoo_names())
def test_output_is_as_long_as_the_input(name: str, training: bool) -> None:
    model = build(slim(name, segment=0.5)).train(training)
    with torch.no_grad():
        for n_samples in (6615, 22050, 22051, 37485):  # a segment has 22050
            estimates = model(torch.randn(1, 2, n_samples))
            assert estimates.shape == (1, len(model.spec.sources), 2, n_samples)
            assert estimates.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", zoo_names())
def test_every_system_runs_forward_and_back_under_bfloat16(
    name: str, device: str, training: bool
) -> None:
    run_once(slim(name), Run(10001, training, dtype=torch.bfloat16, device=device))


DEAD = {
    # what the sheets name: parameters of blocks that are switched off, or never called
    "hdemucs_medium": ("unused",),
    "hdemucs_high": ("unused",),
    "htdemucs_p": ("unused",),
    "htdemucs_i": ("unused",),
    "htdemucs_d": ("unused",),
    "htdemucs_d2": ("unused",),
    "htdemucs_d3": ("unused",),
    "htdemucs_d4": ("unused",),
    # the waveform branch's estimates are thrown away: after the last cross-attention it learns
    # nothing
    "htdemucs_dn": (
        "branches.3.decoder.",
        "core.blocks.0.streams.1.layers.3.",
        "core.blocks.0.streams.1.layers.4.",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", zoo_names())
def test_no_parameter_is_dead_but_those_that_the_sheets_name(name: str, training: bool) -> None:
    model = build(slim(name)).train(training)
    estimates = model(torch.randn(1, 2, 15001))
    (estimates - torch.randn_like(estimates)).square().mean().backward()
    dead = {
        key
        for key, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    }
    named = DEAD.get(name, ())
    expected = (
        {key for key, _ in model.named_parameters() if key.startswith(named)} if named else set()
    )
    assert dead == expected


def test_dead_parameters_of_dn_number_what_the_sheet_says() -> None:
    with torch.device("meta"):
        model = build(load_spec("htdemucs_dn"))
    dead = [p for key, p in model.named_parameters() if key.startswith(DEAD["htdemucs_dn"])]
    assert sum(parameter.numel() for parameter in dead) == 1382336
