"""A search steered by a model of the scores so far.

model         posterior of the score at the last step, of a spec trained to any rung
acquisition   expected improvement of the hypervolume
candidates    combinations that could be begun, with their exact costs
ranking       all of them and the trials under way, the most promising first
sampler       the sampler's options in a search space
"""
