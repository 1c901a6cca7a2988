"""Real music without a download: the multitrack excerpt that the stempeg package carries."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from msdemucs.data.folders import quantise, write_track
from msdemucs.data.made import README, make_folder
from msdemucs.data.musdb import need_ffmpeg, track_name
from msdemucs.data.tracks import MIXTURE, STEMS
from msdemucs.units import format_db

ABOUT = """{name}: {seconds:.1f} s of real music, by way of the Python package stempeg {version},
which gives its licence as Creative Commons CC BY-NC-SA 3.0 (not for commercial use).

mixture.wav is the sum of the four stems. It is not the release's own mix: that one is mastered
(compressed and limited), and differs from the sum: the difference lies {difference} below it.
All stems were turned down by {gain} so that their sum does not clip.
"""


def unpack_sample(root: Path) -> bool:
    """Unpack the excerpt as one test track in MUSDB18-HQ's layout.

    The excerpt's own mix is a mastered one, not the sum of its stems. The mixture is therefore
    made anew as their sum; a README and the manifest say so, and by how much the two differ.

    Args:
        root: a new or empty folder, or one made by the same call, which is then left alone.

    Returns:
        Whether anything was written.

    Raises:
        DataError: no ffmpeg, or the folder holds something else or cannot be written.
    """
    need_ffmpeg(Path("the excerpt of stempeg"))  # which cannot even be imported without it
    import stempeg

    source = Path(stempeg.example_stem_path())
    release = version("stempeg")
    name = track_name(source)

    def write(folder: Path) -> dict[str, object]:
        # decoded as floats: as 16-bit numbers, which musdb reads, the stems' peaks would clip
        audio, sample_rate = stempeg.read_stems(str(source), dtype=np.float32)
        audio = audio.swapaxes(1, 2)
        difference_db = _difference_db(audio)
        stems, gain = quantise(dict(zip(STEMS, audio[1:], strict=True)))
        write_track(folder / "test" / name, stems, sample_rate=sample_rate)
        gain_db = float(20 * np.log10(gain))
        about = ABOUT.format(
            name=name,
            seconds=audio.shape[2] / sample_rate,
            version=release,
            difference=format_db(difference_db),
            gain=format_db(-gain_db),
        )
        (folder / README).write_text(about, encoding="utf-8")
        return {
            MIXTURE: "sum of stems, not the release's mastered mix",
            "mastered_mix_over_difference_db": round(difference_db, 2),
            "gain_db": round(gain_db, 2),
        }

    return make_folder(root, {"sample": name, "stempeg": release}, write)


def _difference_db(audio: Float32[np.ndarray, "5 A N"]) -> float:
    """Level of the release's mix over that of its difference from the sum of stems."""
    mixture, total = audio[0].astype(np.float64), audio[1:].sum(0, dtype=np.float64)
    return float(10 * np.log10((mixture**2).sum() / ((mixture - total) ** 2).sum()))
