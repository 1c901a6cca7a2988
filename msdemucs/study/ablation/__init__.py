"""An ablation: which factor matters, asked by a design over named alternatives around a base.

    factors   named alternatives of each factor, and the spec of a combination (an arm)
    designs   which arms to train: one at a time, full, fractional
    arms      the arms of a search space, each a spec checked against the base

What the scores say of factors is `msdemucs.analysis.effects`.
"""
