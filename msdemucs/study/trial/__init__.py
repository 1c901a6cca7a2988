"""One trial, from its proposal to its record.

proposal       parameters, an arm or a baseline made into a spec and a recipe; costs; refusals
candidate      what is to be trained and scored, and who is told how it goes
recorder       its figures, written to the database as they become known
result_cache   each training is done once: results are taken over from a trial that had it
bench          trains from rung to rung, scores the validation tracks
timing         measures latency while the host is quiet
rungs          how the trial scored at them, in its folder
tracks         that a study trains and validates on
workspace      the trial's folder while it runs, local or before an artifact store
log_file, failures, provenance
"""
