"""Who proposes trials, and which of them train on.

study_sampler   Optuna's samplers by name, the surrogate, the random control arm
rungs           RungJudge: who goes on from a rung, and who is taken up again later; by halving
surrogate/      a model of all scores so far, which proposes, stops and takes up by itself
"""
