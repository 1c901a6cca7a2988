"""A search steered by a model of the scores so far.

model     posterior of the score at the last step, of a spec trained to any rung; what it would add
sampler   ranks trials under way and combinations that could be begun: proposes, stops and takes up
"""
