"""How fast is a track separated, beside the original's `apply_model`, and in how much memory?

Both get the same weights (random, HTDemucs at full width), the same track of noise, chunks of
the model's segment and an overlap of a quarter, and run in turns in one process:

    python benchmarks/separate.py [--seconds 60] [--threads 2] [--repeats 3] [--device cpu]

With --hour, an hour of audio goes from file to files through a narrow model, in a process of its
own whose resident set is measured. Results go to benchmarks/separate.csv.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from demucs.apply import apply_model
from demucs.htdemucs import HTDemucs
from rich.console import Console
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent))

from msdemucs import build, load_spec
from msdemucs.evaluate import separate_waveform
from msdemucs.evaluate.files import Output, separate_file
from msdemucs.evaluate.separation import Chunking, Separation
from msdemucs.measure import machine, peak_memory
from msdemucs.measure.inference import wait_for
from tests.model.peers import imported

RATE = 44100
SOURCES = ["drums", "bass", "other", "vocals"]
COLUMNS = ("what", "seconds", "ours_s", "theirs_s", "ratio", "ours_rtf", "theirs_rtf", "apart")


def main() -> None:
    """The figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--hour", action="store_true")
    parser.add_argument("--child", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    if asked.child:
        print(json.dumps(hour()))
        return
    console = Console(width=120)
    row = beside(asked)
    for name, value in zip(COLUMNS, row, strict=True):
        console.print(f"{name:12} {value}")
    about = (asked.threads, asked.device, machine()["cpu"], torch.__version__)
    with Path(__file__).with_suffix(".csv").open("w") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, "peak_mib", "threads", "device", "machine", "torch"])
        writer.writerow([*row, "", *about])
        if asked.hour:
            command = [sys.executable, __file__, "--child", "--threads", str(asked.threads)]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            found = json.loads(done.stdout)
            console.print(f"an hour from file to files: {found}")
            values = ("narrow model, file to files", 3600, round(found["seconds"], 1))
            writer.writerow([*values, "", "", "", "", "", round(found["peak_mib"]), *about])


def beside(asked: argparse.Namespace) -> tuple[object, ...]:
    """Ours and theirs in turns."""
    torch.manual_seed(0)
    theirs = HTDemucs(SOURCES, segment=10).eval()
    ours = imported(theirs, load_spec("htdemucs")).eval()
    mixture = 0.1 * torch.randn(2, round(asked.seconds * RATE))
    place = torch.device(asked.device)
    theirs.to(place)
    ours.to(place)
    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    for run in range(asked.repeats + 1):  # the first warms up
        mine = timed(
            lambda: separate_waveform(ours, mixture, segment_samples=10 * RATE, batch_size=1),
            place,
            taken["ours"],
        )
        other = timed(
            lambda: apply_model(
                theirs, mixture[None], shifts=0, split=True, overlap=0.25, device=place
            )[0],
            place,
            taken["theirs"],
        )
        if not run:
            taken = {"ours": [], "theirs": []}
    apart = float((mine - other.cpu()).abs().max() / other.abs().max())
    a, b = (statistics.median(one) for one in taken.values())
    rtf = (round(a / asked.seconds, 4), round(b / asked.seconds, 4))
    return (
        "htdemucs",
        asked.seconds,
        round(a, 2),
        round(b, 2),
        round(b / a, 2),
        *rtf,
        f"{apart:.1e}",
    )


def timed(work: Callable[[], Tensor], place: torch.device, taken: list[float]) -> Tensor:
    """What the work gives; its seconds are noted."""
    wait_for(place)
    start = time.perf_counter()
    found = work()
    wait_for(place)
    taken.append(time.perf_counter() - start)
    return found


def hour() -> dict[str, float]:
    """An hour of stereo audio, separated from file to files by a narrow model."""
    spec = load_spec("htdemucs", overrides={"channels.start": 4, "attention": []})
    model = build(spec).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hour.wav"
        with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
            for minute in range(60):
                rng = np.random.default_rng(minute)
                file.write(0.1 * rng.standard_normal((60 * RATE, 2)))
        output = Output(Path(folder) / "out", tuple(SOURCES))
        how = Separation(Chunking(spec.n_samples, batch_size=1), normalised=True)
        start = time.perf_counter()
        with peak_memory() as memory:
            separate_file(model, path, output, how)
        return {"seconds": time.perf_counter() - start, "peak_mib": memory.bytes / 2**20}


if __name__ == "__main__":
    main()
