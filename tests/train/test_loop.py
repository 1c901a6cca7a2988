"""Does training learn, repeat itself bit for bit, and stop with a reason when it cannot go on?"""

import copy
import math
import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from msdemucs.data import Batch
from msdemucs.errors import CheckpointError, DivergedError, TrainingError, UsageError
from msdemucs.model import Separator
from msdemucs.spec import load_spec
from msdemucs.train import Checkpoints, Recipe, Session, StepReport, Training, train
from msdemucs.train.optimisers import take_average

RECIPE = Recipe(name="toy", steps=5, batch_size=2, segment=0.01, lr=1e-2)


SPEC = load_spec("htdemucs", overrides={"sources": ["a", "b"], "segment": 0.5, "channels.start": 4})


class Small(Separator):
    """A convolution a source, and dropout, which needs a seed."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.spec = SPEC
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


def run(seed: int = 0, **fields: object) -> tuple[Small, Training]:
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
    done = train(Small(), Halves(), recipe(warmup_steps=2), Session(on_step=reports.append))
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

    train(model, Halves(), recipe(steps=2, final_lr=0.0), Session(on_step=keep))
    assert torch.equal(states[0], states[1])


def test_by_epoch_the_steps_of_one_have_one_rate() -> None:
    reports: list[StepReport] = []
    asked = recipe(steps=6, steps_per_epoch=2, schedule_by="epoch", warmup_epochs=1)
    train(Small(), Halves(), asked, Session(on_step=reports.append))
    assert [report.lr for report in reports] == pytest.approx([1e-2] * 4 + [0.5e-2] * 2)


def test_gradients_are_clipped_to_the_norm_allowed_and_reported_as_they_were() -> None:
    norms: dict[float | None, tuple[float, float]] = {}
    for limit in (None, 1e-3):
        torch.manual_seed(0)
        model = Small()
        reports: list[StepReport] = []
        train(model, Halves(), recipe(steps=1, clip_norm=limit), Session(on_step=reports.append))
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


class Steep(Separator):
    """An output of 0 whose gradient is infinite."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.spec = SPEC
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


def equal(one: nn.Module, other: nn.Module) -> bool:
    """Whether all weights and buffers are the same, bit for bit."""
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


EMA = Recipe(name="x", steps=1, batch_size=1, segment=1, ema={"decay": 0.5}).ema  # type: ignore[arg-type]


@pytest.mark.parametrize("ema", [None, EMA])
def test_a_run_that_was_stopped_and_went_on_ends_as_if_it_had_not(
    tmp_path: Path, ema: object
) -> None:
    whole, whole_run = run(seed=1, steps=8, ema=ema)
    folder = Checkpoints(tmp_path / "checkpoints")
    curve: list[tuple[int, float]] = []
    for until in (3, 5, None):
        torch.manual_seed(1 if until == 3 else 99)  # what comes later is in the checkpoint
        model = Small()
        session = Session(checkpoints=folder, until=until)
        done = train(model, Halves(), recipe(steps=8, ema=ema), session)
        curve += done.curve
    assert tuple(curve) == whole_run.curve
    assert equal(whole, model)
    if ema:
        assert whole_run.average is not None
        assert done.average is not None
        take_average(whole_run.average, whole)
        take_average(done.average, model)
        assert not torch.equal(whole.conv.weight, torch.zeros(()))
        assert equal(whole, model)


def test_parts_of_a_batch_add_up_to_its_gradient() -> None:
    torch.manual_seed(0)
    model = Small()
    model.dropout.p = 0.0
    parts = copy.deepcopy(model)
    (whole,) = train(model, Halves(), recipe(steps=1)).curve
    (apart,) = train(parts, Halves(), recipe(steps=1, accumulate=2)).curve
    assert apart[1] == pytest.approx(whole[1], rel=1e-6)
    torch.testing.assert_close(parts.conv.weight.grad, model.conv.weight.grad)


class Paused(Halves):
    """As Halves, but one stem of the first item is silent if it is to be."""

    def __init__(self, *, is_silent: bool) -> None:
        super().__init__()
        self.is_silent = is_silent

    def batch(self, step: int) -> Batch:
        """The same for the same step."""
        batch = super().batch(step)
        references = batch.references.clone()
        if self.is_silent:
            references[0, 0] = 0
        return Batch(references.sum(1), references, batch.tracks)


KINDS = ("l1", "mse", "sdr", {"kind": "mrstft", "n_ffts": [16, 32]})


def by_loss(*kinds: object, **fields: object) -> Recipe:
    return Recipe(name="x", steps=1, batch_size=2, segment=0.01, loss=list(kinds), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_a_batch_add_up_to_its_gradient_where_a_stem_is_silent(kind: object) -> None:
    gradients = []
    for parts in (1, 2):
        torch.manual_seed(0)
        model = Small()
        model.dropout.p = 0.0
        train(model, Paused(is_silent=True), by_loss(kind, accumulate=parts))
        gradients.append(model.conv.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


def test_a_step_that_meets_a_silent_stem_is_a_step_like_others() -> None:
    """By the losses that docs/recipes.md shows: it once was 4500 times as large."""
    norms = []
    for is_silent in (True, False):
        torch.manual_seed(0)
        reports: list[StepReport] = []
        asked = by_loss("l1", {"kind": "mrstft", "weight": 0.1, "n_ffts": [16, 32]})
        sampler = Paused(is_silent=is_silent)
        train(Small(), sampler, asked, Session(on_step=reports.append))
        norms.append(reports[0].gradient_norm)
    assert 1 / 3 < norms[0] / norms[1] < 3


class Hungry(Small):
    """Has memory for one example at a time."""

    def forward(self, mixture: Tensor) -> Tensor:
        """[B, 2, N] → [B, 2, 2, N].

        Raises:
            RuntimeError: more than one example.
        """
        if len(mixture) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")
        return super().forward(mixture)


def test_a_batch_that_does_not_fit_says_what_was_predicted_and_what_would() -> None:
    with pytest.raises(TrainingError, match=r"out of memory .* need about .*iB, 1 need .*iB") as e:
        train(Hungry(), Halves(), recipe(segment=0.5))
    assert e.value.step == 1
    assert "accumulate: 2" in str(e.value)
    assert "--auto-batch" in str(e.value)


def test_auto_batch_learns_what_the_whole_batch_would_have() -> None:
    torch.manual_seed(0)
    roomy = Small()
    roomy.dropout.p = 0.0
    hungry = Hungry()
    hungry.dropout.p = 0.0
    hungry.load_state_dict(roomy.state_dict())
    said: list[str] = []
    train(roomy, Halves(), RECIPE)
    done = train(hungry, Halves(), RECIPE, Session(auto_batch=True, say=said.append))
    assert done.accumulate == 2
    assert said == ["step 1: out of memory; batches go through in 2 parts now"]
    torch.testing.assert_close(hungry.conv.weight, roomy.conv.weight, rtol=1e-5, atol=1e-7)


def test_another_fault_of_torch_is_not_taken_for_a_lack_of_memory() -> None:
    class Broken(Small):
        def forward(self, mixture: Tensor) -> Tensor:
            return super().forward(mixture[:, :1])

    with pytest.raises(RuntimeError, match="channels"):
        train(Broken(), Halves(), RECIPE, Session(auto_batch=True))


def test_a_gradient_beyond_the_norm_that_stops_names_the_last_good_checkpoint(
    tmp_path: Path,
) -> None:
    folder = Checkpoints(tmp_path)
    session = Session(checkpoints=folder)
    with pytest.raises(TrainingError, match="beyond stop_norm 10") as caught:
        train(Small(), Spoilt(4, 1e9), recipe(stop_norm=10.0, checkpoint_every=1), session)
    assert caught.value.step == 4
    assert f"the last good checkpoint is {folder.path(3)}" in str(caught.value)


def test_validation_comes_when_asked_and_changes_nothing(tmp_path: Path) -> None:
    plain, _ = run(seed=2, steps=5)
    found: list[tuple[int, float]] = []
    scores = iter([1.0, 3.0, 2.0])

    def score(model: nn.Module, step: int) -> float:
        model.eval()
        torch.rand(5)  # draws of its own
        return next(scores)

    torch.manual_seed(2)
    model = Small()
    asked = recipe(steps=5, validation=VALIDATION)
    folder = Checkpoints(tmp_path, keep=1)
    session = Session(
        checkpoints=folder, validate=score, on_validation=lambda *what: found.append(what)
    )
    done = train(model, Halves(), asked, session)
    assert found == [(2, 1.0), (4, 3.0), (5, 2.0)]
    assert done.best == (4, 3.0)
    assert folder.steps() == [4, 5]  # the best stays beside the newest
    assert equal(plain, model)


def test_a_divergence_that_a_validation_finds_is_told_with_its_step() -> None:
    def score(*_: object) -> float:
        raise DivergedError("the estimate of “drums” of “A - B” is not finite")

    with pytest.raises(DivergedError, match=r"^step 2: the estimate of “drums” of") as caught:
        train(Small(), Halves(), recipe(steps=5, validation=VALIDATION), Session(validate=score))
    assert caught.value.step == 2


def test_held_out_stems_that_are_all_silent_are_said_to_give_no_score() -> None:
    scores = iter([math.nan, 1.0, math.nan])
    said: list[str] = []
    found: list[tuple[int, float]] = []
    session = Session(
        validate=lambda *_: next(scores),
        on_validation=lambda *what: found.append(what),
        say=said.append,
    )
    done = train(Small(), Halves(), recipe(steps=5, validation=VALIDATION), session)
    assert found == [(4, 1.0)]
    assert done.best == (4, 1.0)
    assert [line.partition(":")[0] for line in said] == ["step 2", "step 5"]


VALIDATION = Recipe(name="x", steps=1, batch_size=1, segment=1, validation={"every": 2}).validation  # type: ignore[arg-type]


LOSS = Recipe(
    name="x",
    steps=1,
    batch_size=1,
    segment=1,
    validation={"every": 2, "metric": "loss"},  # type: ignore[arg-type]
).validation


class Scores:
    """Gives the values of a list, and remembers the weights that had them."""

    def __init__(self, *values: float) -> None:
        self.values = list(values)
        self.seen: list[dict[str, Tensor]] = []

    def __call__(self, model: nn.Module, step: int) -> float:
        """The next."""
        self.seen.append(copy.deepcopy(model.state_dict()))
        return self.values.pop(0)


@pytest.mark.parametrize("ema", [None, EMA])
@pytest.mark.parametrize(
    ("validation", "values", "best"), [(VALIDATION, (1, 3, 2), 1), (LOSS, (2, 3, 1.5), 2)]
)
def test_the_weights_of_the_best_validation_are_kept(
    tmp_path: Path, ema: object, validation: object, values: tuple[float, ...], best: int
) -> None:
    scores = Scores(*values)
    model = Small()
    asked = recipe(steps=6, validation=validation, keep="best", ema=ema)
    session = Session(checkpoints=Checkpoints(tmp_path, keep=1), validate=scores)
    done = train(model, Halves(), asked, session)
    assert done.best == (2 * best + 2, values[best])
    if done.average:
        take_average(done.average, model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, scores.seen[best][name])
        assert (best == 2) == torch.equal(value, scores.seen[2][name])


def test_the_best_weights_survive_that_the_run_is_stopped_anywhere(tmp_path: Path) -> None:
    """Also a stop before the first validation, and right after the best."""
    values = {2: 1.0, 4: 3.0, 6: 2.0, 8: 2.5}
    models = []
    for name, stops in {"whole": (None,), "parts": (1, 4, 5, None)}.items():
        folder = Checkpoints(tmp_path / name, keep=1)
        for until in stops:
            torch.manual_seed(1 if until == stops[0] else 99)
            model = Small()
            scores = Scores(
                *[v for step, v in values.items() if step > (folder.steps() or [0])[-1]]
            )
            asked = recipe(steps=8, validation=VALIDATION, keep="best", ema=EMA)
            session = Session(checkpoints=folder, validate=scores, until=until)
            done = train(model, Halves(), asked, session)
        assert done.best == (4, 3.0)
        assert done.average is not None
        take_average(done.average, model)
        models.append(model)
    assert equal(*models)


def test_without_a_score_the_last_weights_are_kept(tmp_path: Path) -> None:
    asked = recipe(steps=2, validation=VALIDATION, keep="best")
    model = Small()
    scores = Scores(math.nan)
    train(model, Halves(), asked, Session(checkpoints=Checkpoints(tmp_path), validate=scores))
    assert torch.equal(model.conv.weight, scores.seen[0]["conv.weight"])


def test_the_best_cannot_be_kept_without_a_place_to_keep_it(tmp_path: Path) -> None:
    asked = recipe(validation=VALIDATION, keep="best")
    for session in (Session(validate=Scores()), Session(checkpoints=Checkpoints(tmp_path))):
        with pytest.raises(UsageError, match="keep: best needs a validation, and checkpoints"):
            train(Small(), Halves(), asked, session)


def test_a_validation_is_logged_before_it_is_saved_so_that_a_kill_loses_no_line(
    tmp_path: Path,
) -> None:
    folder = Checkpoints(tmp_path)
    saved: list[list[int]] = []
    session = Session(
        checkpoints=folder,
        validate=lambda *_: 1.0,
        on_validation=lambda *_: saved.append(folder.steps()),
    )
    train(Small(), Halves(), recipe(steps=2, validation=VALIDATION), session)
    assert saved == [[]]


def test_ctrl_c_saves_a_checkpoint_and_is_passed_on(tmp_path: Path) -> None:
    folder = Checkpoints(tmp_path)

    def interrupt(report: StepReport) -> None:
        if report.step == 3:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt) as caught:
        train(Small(), Halves(), RECIPE, Session(checkpoints=folder, on_step=interrupt))
    assert caught.value.args == (signal.SIGTERM,)
    assert folder.steps() == [3]


def test_a_checkpoint_that_is_damaged_is_named_with_what_to_do(tmp_path: Path) -> None:
    folder = Checkpoints(tmp_path)
    train(Small(), Halves(), recipe(checkpoint_every=1), Session(checkpoints=folder))
    (folder.path(5) / "state.pt").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"step-00000005: cannot be read.*from step 4"):
        train(Small(), Halves(), RECIPE, Session(checkpoints=folder))


def test_what_a_kill_left_half_made_is_no_checkpoint(tmp_path: Path) -> None:
    folder = Checkpoints(tmp_path)
    train(Small(), Halves(), recipe(steps=2), Session(checkpoints=folder))
    half_made = tmp_path / ".step-00000003.1.partial"
    half_made.mkdir()
    (half_made / "state.pt").write_bytes(b"half")
    assert folder.steps() == [2]
    assert folder.save(3, Small(), {}).name == "step-00000003"
    assert not half_made.exists()


def test_bf16_trains_and_its_loss_falls() -> None:
    _, done = run(steps=100, precision="bf16")
    losses = [loss for _, loss in done.curve]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
