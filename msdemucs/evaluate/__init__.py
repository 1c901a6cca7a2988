"""What a trained model is worth: whole tracks separated, and scored against their stems."""

from msdemucs.evaluate.overlap_add import Chunking, separate_waveform
from msdemucs.evaluate.separation import separate, separate_mixture
from msdemucs.evaluate.tables import Score, evaluate_tracks, score_frame
from msdemucs.metrics.bss_eval import BssEval, bsseval

__all__ = [
    "BssEval",
    "Chunking",
    "Score",
    "bsseval",
    "evaluate_tracks",
    "score_frame",
    "separate",
    "separate_mixture",
    "separate_waveform",
]
