"""A search steered by a model of the scores so far.

model         posterior of the score at the last step, of a spec trained to any rung
acquisition   expected improvement of the hypervolume
candidates    combinations that could be begun, with their exact costs
sampler       ranks them and the trials under way: proposes, stops and takes up
"""
