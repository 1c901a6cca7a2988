"""What every separator does: any length, independent items, no dead parameter."""

from collections import defaultdict
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings

from msdemucs import build
from msdemucs.model import Separator
from msdemucs.spec import dump_spec
from tests.specs import (
    DEVICES,
    RUNS,
    Data,
    Run,
    build_or_none,
    run_once,
    small,
    spec_data,
    without_lstms,
)

NAMES = ["htdemucs", "htdemucs_n", "htdemucs_nn"]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_output_is_as_long_as_the_input(name: str, training: bool) -> None:
    model = build(small(name)).train(training)
    for n_samples in (1, 2, 63, 500, 2001, 5000):
        estimates = model(torch.randn(2, 2, n_samples))
        assert estimates.shape == (2, 4, 2, n_samples)
        assert estimates.isfinite().all()


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=300)  # all but one of the values and pairs of kinds that 500 hold
@given(spec_data(), RUNS)
def test_what_passes_validation_runs_forward_and_backward(data: Data, run: Run) -> None:
    spec = build_or_none(data)
    if spec is not None:
        run_once(spec, run)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("device", DEVICES)
@settings(max_examples=150)  # every kind, as in 500
@given(data=spec_data(), run=RUNS)
def test_what_passes_validation_runs_under_bfloat16(device: str, data: Data, run: Run) -> None:
    spec = build_or_none(data)
    if spec is not None:
        run_once(spec, replace(run, dtype=torch.bfloat16, device=device))


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=100)
@given(spec_data().map(without_lstms), RUNS)  # oneDNN has LSTMs of float16 for few CPUs
def test_what_passes_validation_runs_under_float16(data: Data, run: Run) -> None:
    spec = build_or_none(data)
    if spec is not None:
        run_once(spec, replace(run, dtype=torch.float16))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n_samples", [1, 2, 7])
def test_a_lone_clip_of_a_few_samples_is_separated_by_a_tiny_model(
    n_samples: int, training: bool
) -> None:
    # one hidden channel in residual branches: their norms see a single value
    run_once(small("htdemucs", {"residual.compress": 8}), Run(n_samples, training))


def test_random_specs_vary_every_field_and_most_of_them_build() -> None:
    values: defaultdict[str, set[str]] = defaultdict(set)
    built: list[bool] = []

    @settings(max_examples=300)
    @given(spec_data())
    def draw(data: Data) -> None:
        spec = build_or_none(data)
        built.append(spec is not None)
        if spec is not None:
            note(dump_spec(spec), "")

    def note(value: object, field: str) -> None:
        values[field].add(str(value))
        if isinstance(value, dict):
            for name, inner in value.items():
                note(inner, f"{field}.{name}".lstrip("."))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for inner in value:
                note(inner, f"{field}[]")

    draw()
    assert sum(built) > 0.7 * len(built)
    assert {field for field, found in values.items() if len(found) < 2} - {"name"} <= {
        field for field in values if field.startswith(("channels.", "residual.depth."))
    }


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name: str, training: bool) -> None:
    # two hidden channels at least: the norm of a lone one takes the bias before it away
    model = build(small(name, {"residual.compress": 2})).train(training)
    estimates = model(torch.randn(1, 2, 2000))
    (estimates - torch.randn_like(estimates)).square().mean().backward()
    dead = [
        key
        for key, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert dead == []


@pytest.mark.parametrize("name", NAMES)
def test_items_of_a_batch_do_not_see_each_other(name: str) -> None:
    model = _perturbed(build(small(name)))
    mixtures = torch.randn(3, 2, 1500)
    with torch.inference_mode():
        together = model(mixtures)
        alone = torch.cat([model(mixture[None]) for mixture in mixtures])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)  # float32 sums


@pytest.mark.parametrize("name", ["htdemucs", "htdemucs_nn"])  # n's last convolution has a bias
def test_a_louder_mixture_gives_louder_estimates(name: str) -> None:
    model = _perturbed(build(small(name)))
    mixture = torch.randn(1, 2, 1500)
    with torch.inference_mode():
        torch.testing.assert_close(
            model(8 * mixture), 8 * model(mixture), rtol=1e-3, atol=1e-3
        )  # up to the 1e-5 that normalisation adds to the deviation


def test_silence_stays_silent() -> None:
    with torch.inference_mode():
        estimates = build(small("htdemucs")).eval()(torch.zeros(1, 2, 800))
    assert not estimates.any()


def test_evaluation_does_not_change_the_model() -> None:
    model = build(small("htdemucs_nn")).eval()
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with torch.inference_mode():
        first = model(torch.ones(1, 2, 900))
        assert torch.equal(model(torch.ones(1, 2, 900)), first)
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())


def _perturbed(model: Separator) -> Separator:
    """Every parameter moved, so that small initial gains hide nothing."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()
