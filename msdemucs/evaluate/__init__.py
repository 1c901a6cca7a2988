"""What a trained model is worth: whole tracks separated, and scored against their stems."""

from msdemucs.evaluate.bss_eval import BssEval, bsseval
from msdemucs.evaluate.overlap_add import separate
from msdemucs.evaluate.sdr import usdr_db
from msdemucs.evaluate.tables import Score, evaluate_tracks

__all__ = ["BssEval", "Score", "bsseval", "evaluate_tracks", "separate", "usdr_db"]
