"""An ablation: which factor matters, asked by a design over named alternatives around a base.

    designs   named alternatives of each factor, and which arms to train: one at a time, full …
    arms      the arms of a search space, each a spec checked against the base

What the scores say of factors is `msdemucs.analysis.effects`.
"""
