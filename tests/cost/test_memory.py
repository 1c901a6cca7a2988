"""Is the memory that a plan needs what torch allocates? Slim systems measured, parts by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from msdemucs import build, cost_of, load_spec
from msdemucs.cost import inference_bytes, training_bytes
from msdemucs.cost.memory.parts import activation, layer_norm, scale
from msdemucs.cost.memory.tape import Tape
from msdemucs.measure import allocated_peak
from msdemucs.model import Separator
from msdemucs.spec import Spec, plan, zoo_names
from tests.systems import slim

TOLERANCE = 0.15  # what the tool promises; benchmarks/memory.py measures full sizes


def measured(model: Separator, mixture: Tensor) -> tuple[int, int]:
    """Peaks of torch's allocator: of a forward pass without gradients, and of a training step."""
    references = torch.randn(len(mixture), len(model.spec.sources), *mixture.shape[1:])

    def separate() -> None:
        with torch.inference_mode():
            model(mixture)

    def step() -> None:
        torch.autograd.backward(F.l1_loss(model(mixture), references))

    model.eval()
    separate()  # tables of positions are made once, and so are gradients
    forward = allocated_peak(separate)
    model.train()
    step()
    return forward, allocated_peak(step)


def draw(spec: Spec, batch: int = 1) -> Tensor:
    return torch.randn(batch, spec.audio_channels, spec.n_samples)


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo_names())
def test_peaks_of_every_system_are_those_of_torchs_allocator(name: str) -> None:
    spec = slim(name)
    forward, step = measured(build(spec), draw(spec))
    planned = plan(spec)
    assert inference_bytes(planned) == pytest.approx(forward, rel=TOLERANCE)
    assert training_bytes(planned) == pytest.approx(step, rel=TOLERANCE)


@pytest.mark.slow
def test_peaks_of_a_batch_are_those_of_torchs_allocator() -> None:
    spec = slim("htdemucs_nn")
    forward, step = measured(build(spec), draw(spec, batch=3))
    planned = plan(spec)
    assert inference_bytes(planned, batch=3) == pytest.approx(forward, rel=TOLERANCE)
    assert training_bytes(planned, batch=3) == pytest.approx(step, rel=TOLERANCE)


def test_what_is_passed_on_is_freed_without_training_and_kept_with_it() -> None:
    peaks, ends = [], []
    for is_training in (False, True):
        tape = Tape(is_training=is_training)
        x = layer_norm(tape, tape.input(100), 10)
        for _ in range(5):
            x = activation(tape, x)
        peaks.append(tape.peak)
        ends.append(tape.live)
    assert peaks[0] == 200  # an operand and its result
    assert ends == [100, 600]  # GELU looks at each of its operands again


def test_the_way_back_ends_with_nothing_but_what_is_still_referred_to() -> None:
    tape = Tape(is_training=True)
    x = layer_norm(tape, tape.input(100), 10)
    y = scale(tape, x, activation(tape, x), 10)
    kept = tape.live
    tape.backward(y)
    assert kept == 300  # the norm's result, GELU's, and the sum
    assert tape.live == 200  # x and y have names here
    # on the way back: the sum's gradient, GELU's operand's and result's, and what the gain needs
    assert tape.peak == kept + 100 + 100 + (100 + 10)


def test_every_size_grows_with_the_batch() -> None:
    planned = plan(slim("htdemucs_n"))
    one, four = (training_bytes(planned, batch=batch) for batch in (1, 4))
    assert 3.9 * one < four <= 4 * one


def test_costs_hold_both_peaks_and_say_what_a_second_takes() -> None:
    spec = load_spec("htdemucs_n")
    found = cost_of(spec)
    assert found.inference_bytes == inference_bytes(plan(spec)) < found.training_bytes
    assert found.per_second["training_bytes"] == pytest.approx(found.training_bytes / 10)
