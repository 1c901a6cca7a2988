"""What an estimate looks and sounds like: spectrograms, and a page with players."""

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
import torch
from jaxtyping import Float
from jinja2 import Environment
from torch import Tensor

from msdemucs.errors import DataError, UsageError
from msdemucs.evaluate.scoring import Separated
from msdemucs.files import cause_of, within
from msdemucs.metrics import METRICS, USUAL, Stems

N_FFT = 2048
FLOOR_DB = -80.0
"""Below the loudest bin of the mixture: black."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ title }}</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
img { max-width: 100% }
table { border-collapse: collapse } td, th { padding: .3rem .8rem; text-align: left }
audio { width: 16rem; max-width: 100% }
</style></head><body>
<h1>{{ title }}</h1>
<p>{{ excerpt }}. Sound is 16-bit; the error is the estimate less the reference.</p>
<p>mixture <audio controls src="{{ mixture }}"></audio></p>
{% for source in sources %}
<h2>{{ source.name }}{% if not source.score.reason %}
<small>{{ "%.2f"|format(source.score.value) }} dB uSDR in the excerpt</small>{% endif %}</h2>
<table><tr>
{% for name, sound in source.sounds %}
<td>{{ name }}<br><audio controls src="{{ sound }}"></audio></td>
{% endfor %}
</tr></table>
<img alt="spectrograms of mixture, reference, estimate and error" src="{{ source.picture }}">
{% endfor %}
</body></html>
"""


def write_excerpt(
    separated: Separated, folder: Path, *, start: float = 0.0, seconds: float = 10.0
) -> list[Path]:
    """Spectrograms of every source as PNG, and one page that plays everything, without network.

    Args:
        separated: a track with its estimates.
        folder: of the files; made when it is not there.
        start: of the excerpt, in seconds.
        seconds: its length; what the track does not have is left out.

    Raises:
        UsageError: an excerpt outside the track.
        DataError: a file that cannot be written.
    """
    rate = separated.track.sample_rate
    part = slice(round(start * rate), round((start + seconds) * rate))
    if start < 0 or seconds <= 0 or part.start >= separated.mixture.shape[-1]:
        length = separated.mixture.shape[-1] / rate
        raise UsageError(
            f"an excerpt from {start:g} s on, {seconds:g} s long, is not in "
            f"“{separated.track.name}”, which has {length:.1f} s"
        )
    mixture = separated.mixture[:, part]
    named = separated.track.name
    pages, paths = [], []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        references, estimates = separated.references[..., part], separated.estimates[..., part]
        scores = METRICS[USUAL].of(
            Stems(separated.sources, references.numpy(), estimates.numpy(), mixture.numpy())
        )
        for name, reference, estimate, score in zip(
            separated.sources, references, estimates, scores, strict=True
        ):
            panels = {
                "mixture": mixture,
                "reference": reference,
                "estimate": estimate,
                "error": estimate - reference,
            }
            picture = draw(panels, sample_rate=rate, title=f"{separated.track.name}: {name}")
            paths.append(within(folder, f"{named} - {name}", ".png"))
            paths[-1].write_bytes(picture)
            sounds = [(key, sound(waveform, rate)) for key, waveform in list(panels.items())[1:]]
            shown = "data:image/png;base64," + base64.b64encode(picture).decode()
            pages.append({"name": name, "sounds": sounds, "score": score, "picture": shown})
        page = Environment(autoescape=True).from_string(PAGE)
        stop = min(start + seconds, separated.mixture.shape[-1] / rate)
        paths.append(within(folder, named, ".html"))
        text = page.render(
            title=separated.track.name,
            excerpt=f"From {start:g} s to {stop:g} s",
            mixture=sound(mixture, rate),
            sources=pages,
        )
        paths[-1].write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot be written: {cause_of(error)}", path=folder) from None
    return paths


def sound(waveform: Float[Tensor, "A N"], sample_rate: int) -> str:
    """A data URL with the waveform as 16-bit WAV."""
    file = BytesIO()
    soundfile.write(file, waveform.T.numpy(), sample_rate, subtype="PCM_16", format="WAV")
    return "data:audio/wav;base64," + base64.b64encode(file.getvalue()).decode()


def levels_db(waveform: Float[Tensor, "A N"]) -> Float[np.ndarray, "F T"]:
    """Power of every row and frame in dB, channels added up."""
    window = torch.hann_window(N_FFT)
    spectra = torch.stft(
        waveform.float(), N_FFT, N_FFT // 4, window=window, return_complex=True, pad_mode="constant"
    )
    power = spectra.abs().square().sum(0)
    decibels: Float[np.ndarray, "F T"] = (10 * (power + 1e-12).log10()).numpy()
    return decibels


def draw(panels: dict[str, Tensor], *, sample_rate: int, title: str) -> bytes:
    """A PNG of the panels' spectrograms below each other, all against the first one's loudest."""
    from matplotlib.figure import Figure

    levels = {name: levels_db(waveform) for name, waveform in panels.items()}
    top = float(next(iter(levels.values())).max())
    figure = Figure(figsize=(10, 2.2 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), sharex=True)
    for axis, (name, level) in zip(axes, levels.items(), strict=True):
        duration = panels[name].shape[-1] / sample_rate
        image = axis.imshow(
            level - top,
            origin="lower",
            aspect="auto",
            extent=(0, duration, 0, sample_rate / 2000),
            vmin=FLOOR_DB,
            vmax=0,
            cmap="magma",
        )
        axis.set_ylabel(f"{name}\nkHz")
    axes[-1].set_xlabel("seconds")
    figure.suptitle(title.replace("$", r"\$"))  # no formulas in titles
    figure.colorbar(image, ax=list(axes), label="dB below the mixture's loudest")
    file = BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return file.getvalue()
