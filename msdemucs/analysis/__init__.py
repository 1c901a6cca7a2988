"""Statistics of studies: each is computed in one place, for report, commands, papers and notebooks.

    findings         all that a study found, each thing computed when it is first asked for
    trials, curves, track_scores   the rows of a study, its losses, its scores by track and source
    measure          what a number is called, its unit, what is better
    pooling          trainings that differ by their seed alone, as one
    selection        trials that are complete, hold constraints, are best, are on the front
    trades, pareto, budgets        quality against a cost, its front, what a limit buys
    hypervolume, attainment        how the front grew; what single seeds attain
    noise, paired, statistics      by how much trainings and trials differ, and what is chance
    optimism         by how much the best of noisy scores is too good
    fidelity         how far short runs may be trusted
    importance       which choices matter
    effects, contrasts, cubes      what an ablation's factors do
    judged           what test tracks said afterwards
    combined         several studies as one
    tidy, exports    a study as one table, or written for other tools

All read `msdemucs.study.records` and pandas frames, and load neither torch nor Optuna nor plotly:
importances load Optuna when they are asked for.
"""
