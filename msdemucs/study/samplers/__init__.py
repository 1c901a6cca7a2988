"""Who proposes trials, and which of them train on.

study_sampler   Optuna's samplers by name, anybody's by module:Class, the random control arm
halving         who goes on at a rung: ranks by fronts
rungs           a study's trials judged at their rungs by that rule, and taken up again
surrogate/      a model of all scores so far, which proposes, stops and takes up by itself
"""
