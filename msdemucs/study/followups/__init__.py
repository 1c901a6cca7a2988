"""What is done after a study's trials: each reads its record and adds to its side table.

trainings   how much a score depends on the seed; the best trained for longer
judging     what was chosen scored on the test tracks, once, or by another metric
"""
