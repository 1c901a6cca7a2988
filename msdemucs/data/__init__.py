"""Tracks and training examples: read from folders, or made where there are none."""

from msdemucs.data.find import find_all, find_tracks
from msdemucs.data.made import unpack_sample
from msdemucs.data.segments import Augmentation, Batch, Grid, Prefetch, SegmentSampler, drop_short
from msdemucs.data.synthetic import synthesise
from msdemucs.data.tracks import STEMS, Track, statistics

__all__ = [
    "STEMS",
    "Augmentation",
    "Batch",
    "Grid",
    "Prefetch",
    "SegmentSampler",
    "Track",
    "drop_short",
    "find_all",
    "find_tracks",
    "statistics",
    "synthesise",
    "unpack_sample",
]
