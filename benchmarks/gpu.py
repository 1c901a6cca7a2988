"""Is everything right on this GPU, and how fast is it? One command, ten minutes at most.

    .venv/bin/python benchmarks/gpu.py                      # writes benchmarks/gpu-NAME.csv
    .venv/bin/python benchmarks/gpu.py --device cpu --quick # the script itself, where no GPU is

The sections, in this order; a row is printed and written as soon as it is known, and a section is
not begun when the time is up, so that a run that is cut short leaves what it had:

1. correctness: every system of the zoo (slim), every kind and random specs on the device against
   the CPU, estimates and gradients: float32 without TF32, bf16, fp16 with scaled gradients;
   transforms there and back; graphs that torch.compile breaks the forward pass into; a killed
   training; a batch that does not fit; two workers on one GPU;
2. speed beside the package `demucs` with the same weights, float32 without TF32: forward
   pass, training step, a track from file to files;
3. data: steps per second with batches from disk against batches that lie on the device;
4. memory: what is said of a forward pass and a training step against torch's allocator;
5. latency: of a small model; what a study does beside training;
6. compiled: the forward passes and the training step of 2, and the small model, by torch.compile.

Goals stand in the table; a row misses its goal with "no". Exit code 1 where correctness misses one.
"""

import argparse
import contextlib
import copy
import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent.parent))

from msdemucs import build, cost_of, load_spec
from msdemucs.data import Batch, synthesise
from msdemucs.evaluate.files import Output, separate_file
from msdemucs.evaluate.separation import Chunking, Separation
from msdemucs.measure import PeakMemory, Precision, autocast, machine, peak_memory
from msdemucs.measure.inference import wait_for
from msdemucs.model import Separator
from msdemucs.spec import Spec, plan, zoo_names
from msdemucs.spec.attention import AttentionOptions
from msdemucs.spec.fusion import BottleneckOptions, OutputOptions
from msdemucs.spec.sections import Kind, kinds_of
from msdemucs.train import Recipe, Session, load_recipe, train
from msdemucs.train.session import Checkpoints
from tests.systems import slim

HERE = Path(__file__).parent
RATE = 44100
SOURCES = ("drums", "bass", "other", "vocals")
COLUMNS = ("section", "what", "figure", "value", "goal", "is_met", "at_s")
PRECISIONS = {"bf16": (torch.bfloat16, 2e-2), "fp16": (torch.float16, 2e-2)}
MODES: tuple[Precision, ...] = ("float32", "bfloat16")
NARROW = {
    "channels.start": 4, "depth": 2, "segment": 0.25, "sample_rate": 8000,
    "spectral.resolutions": [256, 512], "attention.0.layers": 2, "attention.0.heads": 2,
}  # fmt: skip
"""Of htdemucs_n: what runs in a moment."""

EXACT = 1e-4
"""Largest deviation from the CPU in float32, as a share of the peak."""


@dataclass(frozen=True)
class Sizes:
    """How large the work of a row is."""

    n_random_specs: int = 60
    seconds: float = 10.0
    batches: tuple[int, ...] = (1, 16)
    train_seconds: float = 4.0
    train_batch: int = 16
    track_seconds: float = 240.0
    repeats: int = 10
    steps: int = 60
    systems: tuple[str, ...] = tuple(zoo_names())
    graphs: tuple[str, ...] = ("htdemucs", "htdemucs_nn")
    fast: str = "htdemucs_nn"
    overrides: tuple[tuple[str, object], ...] = ()

    def load(self, name: str) -> Spec:
        """A system of the zoo, as wide as it is measured."""
        return load_spec(name, overrides=dict(self.overrides))


QUICK = Sizes(
    n_random_specs=2,
    seconds=0.5,
    batches=(1,),
    train_seconds=0.25,
    train_batch=2,
    track_seconds=1.0,
    repeats=1,
    steps=3,
    systems=("htdemucs_n",),
    graphs=(),  # torch's compiler needs half a minute for each
    overrides=(("channels.start", 4), ("segment", 0.5), ("attention", [])),
)


class Table:
    """The rows: printed, and written one by one."""

    def __init__(self, path: Path, about: str) -> None:
        self.console = Console(width=140)
        self.begun = time.monotonic()
        self.n_missed: dict[str, int] = {}
        self.section = ""
        self.file = path.open("w", newline="", encoding="utf-8")
        self.file.write(f"# {about}\n")
        self.writer = csv.writer(self.file, lineterminator="\n")
        self.writer.writerow(COLUMNS)
        self.console.print(about, markup=False)

    def add(
        self,
        what: str,
        figure: str,
        value: float | str,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:
        """Add a row, with its goal where there is one."""
        goal, is_met = "", ""
        if at_most is not None:
            goal, is_met = f"≤ {at_most:g}", "yes" if float(value) <= at_most else "no"
        if at_least is not None:
            goal, is_met = f"≥ {at_least:g}", "yes" if float(value) >= at_least else "no"
        self.n_missed[self.section] = self.n_missed.get(self.section, 0) + (is_met == "no")
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        at_s = f"{time.monotonic() - self.begun:.0f}"
        self.writer.writerow([self.section, what, figure, shown, goal, is_met, at_s])
        self.file.flush()
        line = f"{at_s:>4} s  {self.section:11}  {what:42}  {figure:34}  {shown:>10}  {goal:>9}"
        self.console.print(f"{line}  {is_met}", markup=False, highlight=False)

    @contextlib.contextmanager
    def noting(self, what: str) -> Iterator[None]:
        """A block whose failure is a row, and not the end of the run."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 (what else breaks on a GPU is what is asked here)
            reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:200]
            self.add(what, "failed", reason)
            self.n_missed[self.section] += 1
            self.console.print(traceback.format_exc(limit=-3), markup=False, style="dim")


# Correctness


def correctness(table: Table, device: torch.device, sizes: Sizes) -> None:
    """Section 1."""
    for name in sizes.systems:
        with table.noting(name):
            against_cpu(table, name, slim(name, segment=0.5), device, precisions=True)
    of_kinds(table, device)
    drawn(table, device, sizes.n_random_specs)
    with table.noting("transforms"):
        transforms(table, device)
    for name in sizes.graphs:
        with table.noting(f"{name}, compiled"):
            graphs(table, name, device)
    with table.noting("resume"):
        resumes(table, device)
    if device.type == "cuda":
        with table.noting("auto-batch"):
            fits_in_parts(table, device)
        with table.noting("two trials on a GPU"):
            two_workers(table)


def results(
    model: Separator, mixture: Tensor, dtype: torch.dtype | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Estimates, and gradients by name, of a loss that every estimate moves; on the CPU."""
    model.zero_grad(set_to_none=True)
    device = mixture.device
    scale = 2.0**10 if dtype == torch.float16 else 1.0
    with torch.autocast(device.type, dtype, enabled=dtype is not None):
        estimates = model(mixture)
    weights = torch.randn(estimates.shape, generator=torch.Generator().manual_seed(1)).to(device)
    (scale * (estimates.float() * weights).mean()).backward()
    gradients = {
        name: parameter.grad.float().cpu() / scale
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    return estimates.detach().float().cpu(), gradients


def against_cpu(
    table: Table | None, what: str, spec: Spec, device: torch.device, *, precisions: bool = False
) -> tuple[float, float]:
    """Largest deviations of estimates and gradients, each as a share of its peak on the CPU."""
    torch.manual_seed(0)
    model = build(spec).eval()  # dropout would draw otherwise on a GPU
    mixture = 0.1 * torch.randn(2, spec.audio_channels, spec.n_samples)
    expected, expected_gradients = results(model, mixture)
    there = copy.deepcopy(model).to(device)

    def deviations(dtype: torch.dtype | None) -> tuple[float, float]:
        estimates, gradients = results(there, mixture.to(device), dtype)
        assert gradients.keys() == expected_gradients.keys()
        flat = [
            torch.cat([of_one[name].flatten() for name in sorted(of_one)])
            for of_one in (gradients, expected_gradients)
        ]
        return apart(estimates, expected), apart(*flat)

    exact = deviations(None)
    if table:
        table.add(what, "estimates, float32, apart", exact[0], at_most=EXACT)
        table.add(what, "gradients, float32, apart", exact[1], at_most=EXACT)
        for precision, (dtype, bound) in PRECISIONS.items() if precisions else ():
            if device.type == "cpu" and precision == "fp16":
                continue  # training refuses it there
            of_estimates, of_gradients = deviations(dtype)
            table.add(what, f"estimates, {precision}, apart", of_estimates, at_most=bound)
            table.add(what, f"gradients, {precision}, apart", of_gradients, at_most=bound)
    return exact


def apart(values: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the peak; NaN where a value is."""
    return float((values - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


def of_kinds(table: Table, device: torch.device) -> None:
    """A small spec with each kind of attention and fusion."""
    fields: dict[str, type[Kind]] = {
        "attention": AttentionOptions,
        "fusion.bottleneck": BottleneckOptions,
        "fusion.output": OutputOptions,
    }
    for field, base in fields.items():
        for kind in kinds_of(base):
            block = {"kind": kind, "layers": 2, "heads": 2, "at": ["bottleneck"]}
            value = [block] if field == "attention" else {"kind": kind}
            with table.noting(f"{field}: {kind}"):
                spec = load_spec("htdemucs_n", overrides={**NARROW, field: value})
                against_cpu(table, f"{field}: {kind}", spec, device)


def drawn(table: Table, device: torch.device, count: int) -> None:
    """Random specs over every field."""
    try:
        from benchmarks.memory_drawn import drawn as draw_specs
    except ImportError as error:
        table.add("random specs", "left out", f"{error.name} is not installed")
        return
    with table.noting("random specs"):
        specs = draw_specs(count, 0)
        deviations = torch.tensor([against_cpu(None, "", spec, device) for spec in specs])
        of_estimates, of_gradients = deviations.amax(0).tolist()  # NaN where one is
        what = f"{len(specs)} random specs"
        table.add(what, "estimates, float32, apart", of_estimates, at_most=EXACT)
        table.add(what, "gradients, float32, apart", of_gradients, at_most=EXACT)


def transforms(table: Table, device: torch.device) -> None:
    """Fourier transforms and their inverses."""
    from msdemucs.model.branch import Spectrogram

    mixture = 0.1 * torch.randn(2, 2, RATE)
    for resolution in plan(load_spec("htdemucs_nn")).spec.spectral.resolutions:  # type: ignore[union-attr]
        front, what = Spectrogram(resolution), f"STFT of {resolution.n_fft}"
        features = front.analyse(mixture)
        back = front.synthesise(features, RATE)
        front = front.to(device)
        there = front.analyse(mixture.to(device))
        table.add(what, "features, apart", apart(there.cpu(), features), at_most=EXACT)
        returned = front.synthesise(there, RATE).cpu()
        table.add(what, "inverse, apart", apart(returned, back), at_most=EXACT)


def graphs(table: Table, name: str, device: torch.device) -> None:
    """How often torch.compile breaks off the graph of a forward pass."""
    spec = slim(name, segment=0.5)
    model = build(spec).eval().to(device)
    mixture = torch.randn(1, 2, spec.n_samples, device=device)
    explained = torch._dynamo.explain(model)(mixture)
    table.add(f"{name}, compiled", "graph breaks", explained.graph_break_count, at_most=0)
    torch._dynamo.reset()


class Noise:
    """Batches of noise of a step's own, on the device or not."""

    def __init__(self, spec: Spec, recipe: Recipe, device: torch.device | None = None) -> None:
        self.spec, self.recipe, self.device = spec, recipe, device or torch.device("cpu")
        self.kept: dict[int, Batch] = {}

    def batch(self, step: int) -> Batch:
        """The batch of a step; four of them, in turns."""
        if step % 4 not in self.kept:
            generator = torch.Generator().manual_seed(step % 4)
            n_samples = round(self.recipe.model_segment * self.spec.sample_rate)
            shape = (self.recipe.batch_size, len(self.spec.sources), 2, n_samples)
            references = 0.1 * torch.randn(shape, generator=generator)
            mixture = references.sum(1)
            self.kept[step % 4] = Batch(
                mixture.to(self.device), references.to(self.device), ("noise",)
            )
        return self.kept[step % 4]


def recipe_of(sizes: Sizes, **fields: object) -> Recipe:
    """A recipe as long and as wide as is measured."""
    return Recipe.model_validate(
        {
            "name": "gpu",
            "steps": sizes.steps,
            "batch_size": sizes.train_batch,
            "segment": sizes.train_seconds,
            "lr": 1e-4,
            **fields,
        }
    )


def resumes(table: Table, device: torch.device) -> None:
    """A training that goes on from a checkpoint beside one that was not interrupted."""
    spec = load_spec("htdemucs_n", overrides=NARROW)
    recipe = recipe_of(QUICK, steps=6, checkpoint_every=3)
    finals = []
    with tempfile.TemporaryDirectory() as folder:
        for name, stops in (("whole", (6,)), ("parted", (3, 6))):
            for stop in stops:
                torch.manual_seed(0)
                model = build(spec)
                checkpoints = Checkpoints(Path(folder) / name)
                session = Session(device=str(device), checkpoints=checkpoints, until=stop)
                train(model, Noise(spec, recipe), recipe, session)
            finals.append(
                torch.cat([value.detach().flatten().cpu() for value in model.parameters()])
            )
    table.add("resumed training", "weights after 6 steps, apart", apart(*finals), at_most=EXACT)


def fits_in_parts(table: Table, device: torch.device) -> None:
    """A batch that does not fit a tenth of the GPU's memory goes through in parts."""
    spec = load_spec("htdemucs_nn")
    recipe = recipe_of(QUICK, steps=1, segment=2.0, batch_size=64)
    free, total = torch.cuda.mem_get_info(device)
    needed = 3 * cost_of(spec).training_bytes
    torch.cuda.set_per_process_memory_fraction(min(1.0, max(0.05, needed / total)), device)
    try:
        said: list[str] = []
        session = Session(device=str(device), auto_batch=True, say=said.append)
        torch.manual_seed(0)
        training = train(build(spec), Noise(spec, recipe), recipe, session)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        torch.cuda.empty_cache()
    what = f"batch of 64 in {needed / 2**30:.1f} of {free / 2**30:.0f} GiB"
    table.add(what, "parts", training.accumulate, at_least=2)


SPACE = """\
name: gpu-share
base: htdemucs_n
set: {segment: 0.5, channels.start: 4, attention.0.layers: 1, attention.0.heads: 4}
vary: {fusion.output.kind: {choice: [sum, weighted, per_source, convolution]}}
trials: 4
sampler: {kind: random, seed: 0}
recipe: demo
data: {train: band, test: band}
"""


def study(folder: Path, *words: str) -> float:
    """Run the study in a folder; return its seconds.

    Raises:
        RuntimeError: with the last line that it wrote, where it failed.
    """
    synthesise(folder / "band", n_tracks=8, seconds=2.0)
    (folder / "space.yaml").write_text(SPACE, encoding="utf-8")
    command = [sys.executable, "-m", "msdemucs", "study", "run", "space.yaml", *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), *sys.path])}
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return time.perf_counter() - begun


def two_workers(table: Table) -> None:
    """Two trials at a time share the GPU."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = study(Path(folder), "--workers", "2", "--gpu-fraction", "0.5")
    table.add("4 trials, 2 workers on one GPU", "seconds", seconds)


# Speed


def speed(table: Table, device: torch.device, sizes: Sizes) -> None:
    """Section 2."""
    sides: dict[str, nn.Module] = {"ours": build(sizes.load("htdemucs"))}
    try:
        from demucs.htdemucs import HTDemucs

        from tests.model.peers import imported
    except ImportError:
        table.add("demucs", "left out", "the package is not installed")
    else:
        torch.manual_seed(0)
        if not sizes.overrides:
            theirs = HTDemucs(list(SOURCES), use_train_segment=False)
            sides = {"ours": imported(theirs, load_spec("htdemucs")), "demucs": theirs}
    for mode in MODES:
        for batch in sizes.batches:
            what = f"forward, {batch} × {sizes.seconds:g} s, {mode}"
            with table.noting(what):
                shape = (batch, 2, round(sizes.seconds * RATE))
                works = {side: forward(model, shape, mode, device) for side, model in sides.items()}
                compare(table, what, works, device, sizes.repeats)
        what = f"train step, {sizes.train_batch} × {sizes.train_seconds:g} s, {mode}"
        with table.noting(what):
            shape = (sizes.train_batch, 2, round(sizes.train_seconds * RATE))
            works = {side: step(model, shape, mode, device) for side, model in sides.items()}
            compare(table, what, works, device, sizes.repeats)
    for name in ("htdemucs_released", "htdemucs_n"):
        with table.noting(f"{name}, file to files"):
            file_to_files(table, name, device, sizes)


def forward(
    model: nn.Module, shape: tuple[int, int, int], precision: Precision, device: torch.device
) -> Callable[[], object]:
    """A forward pass, to be timed."""
    mixture = 0.1 * torch.randn(shape, device=device)

    @torch.inference_mode()
    def work() -> object:
        with autocast(device, precision):
            return model(mixture)

    model.to(device).eval()
    return work


def step(
    model: nn.Module, shape: tuple[int, int, int], precision: Precision, device: torch.device
) -> Callable[[], object]:
    """A training step, to be timed."""
    model.to(device).train()
    mixture = 0.1 * torch.randn(shape, device=device)
    references = 0.1 * torch.randn((shape[0], len(SOURCES), *shape[1:]), device=device)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-5)

    def work() -> object:
        optimiser.zero_grad()
        with autocast(device, precision):
            estimates = model(mixture)
        F.l1_loss(estimates, references).backward()  # type: ignore[no-untyped-call]
        return optimiser.step()

    return work


def compare(
    table: Table,
    what: str,
    works: dict[str, Callable[[], object]],
    device: torch.device,
    repeats: int,
) -> None:
    """Medians of both sides, in turns, in milliseconds, and their ratio."""
    taken: dict[str, list[float]] = {side: [] for side in works}
    for side in works:
        for _ in range(2):
            works[side]()
    for _ in range(repeats):
        for side, work in works.items():
            taken[side].append(seconds_of(work, device))
    medians = {side: statistics.median(values) for side, values in taken.items()}
    table.add(what, "ours, ms", 1e3 * medians["ours"])
    if "demucs" in medians:
        table.add(what, "times as fast as demucs", medians["demucs"] / medians["ours"], at_least=1)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """How long a piece of work takes."""
    wait_for(device)
    begun = time.perf_counter()
    work()
    wait_for(device)
    return time.perf_counter() - begun


def file_to_files(table: Table, name: str, device: torch.device, sizes: Sizes) -> None:
    """A track through `msdemucs separate`'s own way, as a multiple of real time."""
    spec = sizes.load(name)
    goal = 300.0 if name == "htdemucs_released" and not sizes.overrides else None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "track.wav"
        noise = 0.1 * np.random.default_rng(0).standard_normal(
            (round(sizes.track_seconds * RATE), 2)
        )
        soundfile.write(path, noise, RATE, subtype="PCM_16")
        model = build(spec).to(device).eval()
        for precision in MODES:
            how = Separation(Chunking(spec.n_samples, batch_size=16), precision=precision)
            output = Output(Path(folder) / precision, spec.sources)
            work = partial(separate_file, model, path, output, how)
            work()
            times = sizes.track_seconds / seconds_of(work, device)
            is_goal = goal is not None and precision == "bfloat16"
            figure = f"times real time, {precision}"
            table.add(f"{name}, file to files", figure, times, at_least=goal if is_goal else None)


# Data, memory, latency


def data(table: Table, device: torch.device, sizes: Sizes) -> None:
    """Section 3."""
    from msdemucs.data import find_tracks
    from msdemucs.train.tracks import Tracks, names_of
    from msdemucs.train.training import Asked, Means, TrainingRun

    spec = sizes.load(sizes.fast)
    recipe = recipe_of(sizes, precision="bf16", flip=True, remix=True)
    noise = Noise(spec, recipe, device)
    warm_up = recipe.model_copy(update={"steps": 4})
    train(build(spec), noise, warm_up, Session(device=str(device)))  # neither side pays for it
    with tempfile.TemporaryDirectory() as folder:
        seconds = max(4 * sizes.train_seconds, 2.0)
        synthesise(Path(folder) / "band", n_tracks=8, seconds=seconds)
        tracks = find_tracks(Path(folder) / "band", split="train")
        asked = Asked(spec, recipe)
        means = Means(device=str(device))
        named = Tracks(tracks, [], names_of(tracks, is_one_set=True))
        from_disk = TrainingRun(asked, named, Path(folder) / "run", means).go().seconds
    on_device = train(build(spec), noise, recipe, Session(device=str(device))).seconds
    what = f"{sizes.fast}, {sizes.train_batch} × {sizes.train_seconds:g} s, bf16"
    table.add(what, "steps/s, data on the device", sizes.steps / on_device)
    table.add(what, "steps/s, data from WAV files", sizes.steps / from_disk)
    table.add(what, "share of speed that is kept", on_device / from_disk, at_least=0.95)


def memory(table: Table, device: torch.device, sizes: Sizes) -> None:
    """Section 4."""
    for name in sizes.systems:
        with table.noting(name):
            spec = sizes.load(name)
            costs = cost_of(spec)
            model = build(spec).to(device)
            for parameter in model.parameters():
                parameter.grad = torch.zeros_like(parameter)
            mixture = torch.randn(1, spec.audio_channels, spec.n_samples, device=device)
            with peak_memory(str(device)) as peak, torch.inference_mode():
                model.eval()(mixture)
            table.add(name, "said / allocated, forward", ratio(costs.inference_bytes, peak))
            model.train()
            with peak_memory(str(device)) as peak:
                model(mixture).abs().mean().backward()
            table.add(name, "said / allocated, training", ratio(costs.training_bytes, peak))
            del model
            if device.type == "cuda":
                torch.cuda.empty_cache()


def ratio(said: int, peak: PeakMemory) -> float | str:
    """What is said as a share of what was measured."""
    return said / peak.increase_bytes if peak.increase_bytes else "nothing measured"


def latency(table: Table, device: torch.device, sizes: Sizes) -> None:
    """Section 5."""
    small_model(table, device, sizes)
    with table.noting("a study"), tempfile.TemporaryDirectory() as folder:
        seconds = study(Path(folder), "--device", str(device))
        steps = load_recipe("demo").n_steps
        table.add(
            f"study of 4 trials of {steps} steps", "seconds a trial, all included", seconds / 4
        )


def small_model(
    table: Table, device: torch.device, sizes: Sizes, *, is_compiled: bool = False
) -> None:
    """A forward pass of a model for which launching kernels takes longer than they do."""
    spec = load_spec("htdemucs_nn", overrides={"channels.start": 4, "segment": 1.0})
    what = f"{'compiled ' * is_compiled}htdemucs_nn, 4 channels, 1 s"
    with table.noting(what):
        model = build(spec)
        if is_compiled:
            model.compile(dynamic=False)
        works = {"ours": forward(model, (1, 2, spec.n_samples), "float32", device)}
        compare(table, what, works, device, sizes.repeats)


def compiled(table: Table, device: torch.device, sizes: Sizes) -> None:
    """Section 6; each size is compiled anew, which takes a minute or more."""
    if sizes.overrides:
        return  # torch's compiler needs minutes for the smallest of them
    small_model(table, device, sizes, is_compiled=True)
    model = build(sizes.load("htdemucs"))
    model.compile(dynamic=False)
    mode: Precision = "bfloat16"
    shape = (sizes.train_batch, 2, round(sizes.train_seconds * RATE))
    what = f"compiled train step, {sizes.train_batch} × {sizes.train_seconds:g} s, {mode}"
    with table.noting(what):
        compare(table, what, {"ours": step(model, shape, mode, device)}, device, sizes.repeats)
    for batch in reversed(sizes.batches):
        what = f"compiled forward, {batch} × {sizes.seconds:g} s, {mode}"
        with table.noting(what):
            shape = (batch, 2, round(sizes.seconds * RATE))
            compare(
                table, what, {"ours": forward(model, shape, mode, device)}, device, sizes.repeats
            )


SECTIONS: dict[str, Callable[[Table, torch.device, Sizes], None]] = {
    "correctness": correctness,
    "speed": speed,
    "data": data,
    "memory": memory,
    "latency": latency,
    "compiled": compiled,
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the sections, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--quick", action="store_true", help="toy sizes: is the script itself right?"
    )
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--minutes", type=float, default=9.5, help="no section is begun after that")
    parser.add_argument("--output", type=Path, help="in place of benchmarks/gpu-NAME.csv")
    arguments = parser.parse_args(words)
    device = torch.device(arguments.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # both sides
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no GPU here; --device cpu --quick tries the script itself")
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else machine()["cpu"]
    slug = re.sub(r"[^a-z0-9]+", "-", str(name).lower()).strip("-")
    path = arguments.output or HERE / f"gpu-{slug}.csv"
    about = f"{name}, torch {torch.__version__}, {' '.join(['benchmarks/gpu.py', *sys.argv[1:]])}"
    table = Table(path, about)
    for section in arguments.only:
        if time.monotonic() - table.begun > 60 * arguments.minutes:
            table.console.print(f"{section}: not begun, the time is up", markup=False)
            continue
        table.section = section
        table.n_missed.setdefault(section, 0)
        SECTIONS[section](table, device, QUICK if arguments.quick else Sizes())
    table.file.close()
    table.console.print(
        f"{path}: {sum(table.n_missed.values())} rows miss their goal", markup=False
    )
    return 1 if table.n_missed.get("correctness") else 0


if __name__ == "__main__":
    sys.exit(main())
