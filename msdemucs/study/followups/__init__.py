"""What is done after a study's trials: each reads its record and adds to its side table.

seed_noise      how much a score depends on the seed
promotion       the best trained for longer
judging         what was chosen scored on the test tracks, once, or by another metric
test_tracks     opens those, and counts how often they were looked at
extra_training  the training that the first two share
"""
