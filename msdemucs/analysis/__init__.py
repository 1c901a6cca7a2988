"""Statistics of studies: each is computed in one place, for report, commands, papers and notebooks.

    selection    trials that are complete, hold constraints, are best, are on the front
    pooling      trainings that differ by their seed alone, as one
    noise        by how much such trainings differ
    statistics   intervals and tests over seeds and tracks
    pareto       non-dominated points
    fidelity     how far short runs may be trusted
    optimism     by how much the best of noisy scores is too good
    effects, contrasts, cubes   what an ablation's factors do
    tidy, exports               a study as one table, or written for other tools

All read `msdemucs.study.records` and pandas frames, and import neither torch nor Optuna.
"""
