"""Folders that a command makes, whole or not at all, and the excerpt that one is filled with."""

import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np

from msdemucs.data.folders import quantise, write_track
from msdemucs.data.musdb import need_ffmpeg
from msdemucs.data.tracks import MIXTURE, STEMS, track_name
from msdemucs.errors import DataError
from msdemucs.files import whole_folder
from msdemucs.units import format_db

MANIFEST = "manifest.json"

README = "README.txt"


def make_folder(
    root: Path, made_from: Mapping[str, object], write: Callable[[Path], Mapping[str, object]]
) -> bool:
    """Make a folder, unless it is there already; a run that is killed leaves none.

    Args:
        root: the folder; it may exist when it is empty or was made from the same.
        made_from: what decides the content; kept in the manifest.
        write: fills a folder that it is given, and returns what else the manifest should say.

    Returns:
        Whether anything was written.

    Raises:
        DataError: the folder holds something else, is damaged, or cannot be written.
    """
    if root.is_dir() and any(root.iterdir()):
        _recognise(root, made_from)
        return False
    try:
        with whole_folder(root, replaces=False) as draft:
            facts = write(draft)
            files = {
                str(path.relative_to(draft)): path.stat().st_size
                for path in sorted(draft.rglob("*"))
                if path.is_file()
            }
            manifest = {"made_from": dict(made_from), **facts, "files": files}
            text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
            (draft / MANIFEST).write_text(text, encoding="utf-8")
    except OSError as error:
        if not (root / MANIFEST).is_file():
            raise DataError(f"cannot be made ({error})", path=root) from error
        _recognise(root, made_from)  # another process was quicker
        return False
    return True


def _recognise(root: Path, made_from: Mapping[str, object]) -> None:
    """Accept a folder that was made from the same and is whole.

    Raises:
        DataError: anything else.
    """
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict) or "files" not in manifest:
        raise DataError(
            "is not empty and was not made by msdemucs; choose another folder", path=root
        )
    if manifest.get("made_from") != dict(made_from):
        raise DataError(
            f"holds another collection ({_listed(manifest.get('made_from'))}; asked for: "
            f"{_listed(dict(made_from))}); choose another folder, or remove this one",
            path=root,
        )
    for name, size in manifest["files"].items():
        path = root / name
        if not path.is_file() or path.stat().st_size != size:
            raise DataError(
                f"is damaged or gone; remove {root} and run the command again", path=path
            )


def _listed(values: object) -> str:
    if not isinstance(values, dict):
        return "unknown"
    return ", ".join(f"{name} {value}" for name, value in values.items())


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
        mastered, total = audio[0].astype(np.float64), audio[1:].sum(0, dtype=np.float64)
        error = ((mastered - total) ** 2).sum()
        difference_db = float(10 * np.log10((mastered**2).sum() / error))
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
