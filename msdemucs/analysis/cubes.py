"""Scores of arms side by side: the same seeds, tracks and sources of each."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from msdemucs.analysis.statistics import Array
from msdemucs.metrics import Quality
from msdemucs.study.records import StudyRecord


@dataclass(frozen=True)
class Cube:
    """Differences of arms' scores, dB, [seeds, tracks, sources], over what all of them share."""

    differences: Array
    n_seeds: int
    sources: tuple[str, ...]

    @property
    def n_tracks(self) -> int:
        """Those that all arms were judged on."""
        return len(self.differences[0]) if len(self.differences) else 0


def trained_arms(record: StudyRecord) -> pd.DataFrame:
    """The complete trials of arms; of several with one seed, the first."""
    trials = record.trials[(record.trials.state == "complete") & record.trials.arm.map(bool)]
    return trials.drop_duplicates(["name", "seed"])


def arm_scores(
    record: StudyRecord, trials: pd.DataFrame, quality: Quality
) -> dict[str, "pd.Series[float]"]:
    """Arm → its scores by seed, track and source: those of which a quality is made."""
    scores = record.scores[record.scores["split"] == record.split]
    rows = quality.rows(scores).merge(trials[["trial", "name"]], on="trial")
    rows["clip"] = rows.group + "/" + rows.track
    indexed = rows.set_index(["seed", "clip", "source"])
    return {str(name): own["value"] for name, own in indexed.groupby("name", sort=False)}


def cube_of(scores: Mapping[str, "pd.Series[float]"], weights: Mapping[str, float]) -> Cube:
    """The weighted sum of arms' scores, where all of them have some; silent references left out."""
    own = [scores[name] * weight for name, weight in weights.items() if name in scores]
    if len(own) < len(weights):
        return Cube(np.empty((0, 0, 0)), 0, ())
    shared = [
        sorted(set.intersection(*(set(one.index.get_level_values(level)) for one in own)))
        for level in ("seed", "clip", "source")
    ]
    index = pd.MultiIndex.from_product(shared)
    found = np.sum([one.reindex(index).to_numpy(dtype=float) for one in own], axis=0)
    found = found.reshape([len(values) for values in shared])
    heard = ~np.isnan(found).any(0)  # [tracks, sources]
    found = found[:, heard.any(1)][:, :, heard.any(0)]
    sources = [
        source for source, any_heard in zip(shared[2], heard.any(0), strict=True) if any_heard
    ]
    return Cube(found, len(shared[0]), tuple(sources))
