"""Exact integers of the published systems, formulas by hand, and torch's own counter as witness."""

import ptflops
import pytest
import torch
from hypothesis import given, settings
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from msdemucs import build
from msdemucs.cost import cost_of, ptflops_count
from msdemucs.cost.formulas import elementwise, macs, transform_flops
from msdemucs.spec import Spec, load_spec, plan, zoo_names
from msdemucs.spec.operators import (
    AttentionProducts,
    Convolution,
    Filter,
    Fourier,
    Linear,
    Normalisation,
    Recurrent,
    TransposedConvolution,
)
from tests.specs import build_or_none, spec_data
from tests.systems import slim

ONE, FOUR = ["accompaniment"], ["drums", "bass", "other", "vocals"]


@pytest.mark.parametrize(
    ("name", "sources", "parameters"),
    [
        # shared/systems/table.yaml
        ("htdemucs", ONE, 26892606),
        ("htdemucs", FOUR, 26899536),
        ("htdemucs_n", ONE, 9660055),
        ("htdemucs_n", FOUR, 9672811),
        ("htdemucs_nn", ONE, 9658508),
        ("htdemucs_nn", FOUR, 9666623),
    ],
)
def test_parameters_are_the_published_ones(name: str, sources: list[str], parameters: int) -> None:
    assert cost_of(load_spec(name, overrides={"sources": sources})).parameters == parameters


@pytest.mark.parametrize(
    ("name", "convolution", "linear", "products"),
    [
        # shared/systems/table.yaml (true_*); htdemucs's products: base.md section 6, the total
        # of 171264653952 less the other two
        ("htdemucs", 73032972672, 45749698560, 52481982720),
        ("htdemucs_n", 50956659552, 11437424640, 243243840),
        ("htdemucs_nn", 48225987552, 11437424640, 243243840),
    ],
)
def test_macs_are_the_originals_true_counts(
    name: str, convolution: int, linear: int, products: int
) -> None:
    assert cost_of(load_spec(name)).macs_by_kind == {
        "convolution": convolution,
        "recurrent": 0,
        "linear": linear,
        "attention products": products,
    }


def test_formulas_by_hand() -> None:
    assert macs(Convolution(6, 8, 3, 100, groups=2)) == (6 // 2) * 8 * 3 * 100
    assert macs(TransposedConvolution(8, 4, 8, 25, 104, 100)) == 8 * 4 * 8 * 25
    assert macs(Linear(16, 32, 10)) == 16 * 32 * 10
    assert macs(AttentionProducts(10, 20, 16, 4, "softmax")) == 10 * 20 * 16 + 10 * 20 * 16
    # φ(k)ᵀv: 20 keys of 4 heads of 4 × 4; φ(q)·: 10 queries likewise; the normaliser: 10 × 16
    by_hand = 20 * 4 * 4 * 4 + 10 * 4 * 4 * 4 + 10 * 16
    assert macs(AttentionProducts(10, 20, 16, 4, "linear")) == by_hand
    # two layers, both directions, four gates of input and state; 5 steps
    assert macs(Recurrent(6, 2, 5)) == 5 * 2 * 4 * (6 * (6 + 6) + 6 * (12 + 6))
    assert macs(Filter(49, 10)) == 490
    assert macs(Normalisation(8, 800)) == 0
    assert elementwise(Normalisation(8, 800)) == 800
    assert elementwise(Linear(16, 32, 10)) == 0
    assert transform_flops(Fourier(4096, 2)) == 2 * int(2.5 * 4096 * 12)


def test_totals_are_the_sums_over_nodes() -> None:
    found = cost_of(load_spec("htdemucs_n"))
    assert sum(node.macs for node in found.nodes) == found.macs == sum(found.macs_by_kind.values())
    assert sum(node.parameters for node in found.nodes) == found.parameters
    assert found.macs_per_second == pytest.approx(found.macs / 10)


def counted_macs(spec: Spec, device: str = "cpu") -> int:
    """What torch counts while the model runs on one segment: FLOPs / 2, attention by its parts.

    On the “meta” device nothing is computed, and LSTMs are seen as their products.
    """
    with torch.device(device):
        model = build(spec).eval()
        mixture = torch.randn(1, spec.audio_channels, spec.n_samples)
        with (
            FlopCounterMode(display=False) as counter,
            sdpa_kernel(SDPBackend.MATH),
            torch.no_grad(),
        ):
            model(mixture)
    flops = counter.get_total_flops()
    assert flops % 2 == 0
    return int(flops) // 2


@settings(max_examples=60)
@given(spec_data())
def test_planned_macs_and_parameters_are_those_of_the_built_model(data: dict[str, object]) -> None:
    spec = build_or_none(data)
    if spec is None:
        return
    found = cost_of(plan(spec))
    # on the CPU torch has no formula for LSTMs
    assert found.macs - found.macs_by_kind["recurrent"] == counted_macs(spec)
    model = build(spec)
    assert found.parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["htdemucs", "htdemucs_n", "htdemucs_nc"])
def test_the_ptflops_dialect_is_what_ptflops_says(name: str) -> None:
    spec = slim(name)
    found, _ = ptflops.get_model_complexity_info(
        build(spec).eval(),
        (2, spec.n_samples),
        as_strings=False,
        print_per_layer_stat=False,
        backend="aten",
    )
    assert ptflops_count(spec) == found


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo_names())
def test_torch_counts_the_same_macs_on_every_system_at_full_size(name: str) -> None:
    spec = load_spec(name)
    if cost_of(spec).macs_by_kind["recurrent"]:  # torch unrolls LSTMs step by step
        spec = load_spec(name, overrides={"segment": 0.5})
    assert cost_of(spec).macs == counted_macs(spec, "meta")


def test_the_package_is_not_hidden_by_a_function_of_its_name() -> None:
    import msdemucs.cost as package

    assert package.cost_of is cost_of
