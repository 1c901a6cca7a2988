"""Does training learn, repeat itself bit for bit, and stop with a reason when it cannot go on?"""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msdemucs.data import Batch
from msdemucs.errors import TrainingError
from msdemucs.train import Recipe, StepReport, Training, train

RECIPE = Recipe(name="toy", steps=5, batch_size=2, segment=0.01, lr=1e-2)


class Small(nn.Module):
    """A convolution a source, and dropout, which needs a seed."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 4, 3, padding=1)
        self.dropout = nn.Dropout(0.1)

    def forward(self, mixture: Tensor) -> Tensor:
        """[B, 2, N] → [B, 2, 2, N]."""
        return self.dropout(self.conv(mixture)).unflatten(1, (2, 2))


class Halves:
    """Batches of noise in which each source is half of the mixture."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def batch(self, step: int) -> Batch:
        """The same for the same step."""
        self.asked.append(step)
        mixture = torch.randn((2, 2, 50), generator=torch.Generator().manual_seed(step))
        names = (f"A - Step {step}", "B - Always")
        return Batch(mixture, 0.5 * mixture[:, None].expand(-1, 2, -1, -1), names)


class Spoilt(Halves):
    """As Halves, but one sample of one step is not finite."""

    def __init__(self, step: int, value: float) -> None:
        super().__init__()
        self.step, self.value = step, value

    def batch(self, step: int) -> Batch:
        """The same for the same step."""
        batch = super().batch(step)
        if step == self.step:
            batch.mixture[0, 0, 0] = self.value
        return batch


def recipe(**fields: object) -> Recipe:
    return RECIPE.model_copy(update=fields)


def run(seed: int = 0, **fields: object) -> tuple[nn.Module, Training]:
    torch.manual_seed(seed)
    model = Small()
    return model, train(model, Halves(), recipe(**fields))


def test_the_loss_falls() -> None:
    _, done = run(steps=200)
    losses = [loss for _, loss in done.curve]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


def test_the_first_loss_is_the_mean_absolute_error() -> None:
    torch.manual_seed(0)
    model = Small().eval()
    batch = Halves().batch(1)
    with torch.no_grad():
        expected = F.l1_loss(model(batch.mixture), batch.references).item()
    model.dropout.p = 0.0
    ((step, loss),) = train(model, Halves(), recipe(steps=1)).curve
    assert step == 1
    assert loss == pytest.approx(expected)


def test_two_runs_with_one_seed_are_equal_bit_for_bit() -> None:
    (first, first_run), (again, second_run) = run(seed=3), run(seed=3)
    assert first_run.curve == second_run.curve
    pairs = zip(first.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_another_seed_is_another_run() -> None:
    assert run(seed=3)[1].curve != run(seed=4)[1].curve


def test_steps_are_asked_for_once_each_from_one_on() -> None:
    sampler = Halves()
    train(Small(), sampler, recipe(steps=4))
    assert sampler.asked == [1, 2, 3, 4]


def test_each_step_is_reported_as_it_is_done() -> None:
    reports: list[StepReport] = []
    done = train(Small(), Halves(), recipe(warmup_steps=2), on_step=reports.append)
    assert done.curve == tuple((report.step, report.loss) for report in reports)
    assert [report.lr for report in reports[:2]] == [0.5e-2, 1e-2]
    assert reports[-1].lr == pytest.approx(0)
    assert all(report.gradient_norm > 0 and report.samples_per_second > 0 for report in reports)
    seconds = [report.seconds for report in reports]
    assert seconds == sorted(seconds)
    assert done.seconds >= seconds[-1]


def test_a_rate_of_zero_changes_nothing() -> None:
    # The only step of a run without a warm-up has the highest rate; the last of two has the final.
    torch.manual_seed(0)
    model = Small()
    states: list[Tensor] = []

    def keep(_: StepReport) -> None:
        states.append(model.conv.weight.detach().clone())

    train(model, Halves(), recipe(steps=2, final_lr=0.0), on_step=keep)
    assert torch.equal(states[0], states[1])


def test_gradients_are_clipped_to_the_norm_allowed_and_reported_as_they_were() -> None:
    norms: dict[float | None, tuple[float, float]] = {}
    for limit in (None, 1e-3):
        torch.manual_seed(0)
        model = Small()
        reports: list[StepReport] = []
        train(model, Halves(), recipe(steps=1, clip_norm=limit), on_step=reports.append)
        left = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None])
        norms[limit] = (reports[0].gradient_norm, float(left.norm()))
    assert norms[None][0] == pytest.approx(norms[None][1])
    assert norms[1e-3][0] == norms[None][0]
    assert norms[1e-3][1] == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize(("value", "found"), [(math.nan, "NaN"), (math.inf, "(NaN|infinite)")])
def test_a_loss_that_is_not_finite_names_step_and_tracks(value: float, found: str) -> None:
    with pytest.raises(TrainingError, match=f"the loss is {found}") as caught:
        train(Small(), Spoilt(3, value), RECIPE)
    assert caught.value.step == 3
    assert "“A - Step 3”, “B - Always”" in str(caught.value)


def test_the_parameters_are_those_before_the_step_that_failed() -> None:
    torch.manual_seed(0)
    whole = Small()
    train(whole, Halves(), recipe(steps=2, final_lr=RECIPE.lr))
    torch.manual_seed(0)
    broken = Small()
    with pytest.raises(TrainingError):
        train(broken, Spoilt(3, math.nan), recipe(steps=5, final_lr=RECIPE.lr))
    assert torch.equal(whole.conv.weight, broken.conv.weight)


class Steep(nn.Module):
    """An output of 0 whose gradient is infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, mixture: Tensor) -> Tensor:
        """[B, 2, N] → [B, 2, 2, N]."""
        return self.weight.sqrt() * mixture[:, None].expand(-1, 2, -1, -1)


def test_a_gradient_that_is_not_finite_stops_the_run_although_the_loss_is_sound() -> None:
    model = Steep()
    with pytest.raises(TrainingError, match=r"norm of the gradients is (NaN|infinite)") as caught:
        train(model, Halves(), RECIPE)
    assert caught.value.step == 1
    assert model.weight.item() == 0


def test_the_model_trains_in_training_mode_whatever_it_was_in() -> None:
    model = Small().eval()
    train(model, Halves(), recipe(steps=1))
    assert model.training
    assert model.dropout.training
