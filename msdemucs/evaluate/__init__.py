"""What a trained model is worth: whole tracks separated, and scored against their stems."""

from msdemucs.evaluate.scoring import Score, ScoredTrack, evaluate_tracks
from msdemucs.evaluate.separation import Chunking, separate, separate_mixture, separate_waveform
from msdemucs.metrics.bss_eval import BssEval, bsseval

__all__ = [
    "BssEval",
    "Chunking",
    "Score",
    "ScoredTrack",
    "bsseval",
    "evaluate_tracks",
    "separate",
    "separate_mixture",
    "separate_waveform",
]
