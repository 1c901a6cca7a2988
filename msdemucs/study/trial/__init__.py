"""One trial, from its proposal to its record.

candidate      parameters, an arm or a baseline made into a spec and a recipe; costs; refusals
recorder       its figures, written to the database as they become known, and who is told
result_cache   each training is done once: results are taken over from a trial that had it
bench          measures latency, trains from rung to rung, scores the validation tracks
tracks         that a study trains and validates on
workspace      the trial's folder while it runs: its log, its rungs, where it is kept
"""
