"""Statistics of studies: each is computed in one place, for report, commands, papers and notebooks.

    findings, recorded   all that a study found and recorded, computed when it is asked for
    trials           the rows of a study: what they are called, their states, their losses
    measure          what a number is called, its unit, what is better; scores by track and source
    noise            trainings of one spec: as one, how they spread, how lucky the best is
    statistics       differences over seeds, tracks and sources, with intervals and p-values
    fronts           trials that are complete, within constraints, the best, beaten by none
    trades           quality against a cost, what a limit buys, what single seeds attain
    fidelity         how far short runs may be trusted
    importance       which choices matter
    effects, contrasts   what an ablation's factors do, and which arms say it
    followups        what longer training and test tracks said afterwards
    combined         several studies as one
    exports          a study as one table, and written for other tools

All read `msdemucs.study.records` and pandas frames, and load neither torch nor Optuna nor plotly:
importances load Optuna when they are asked for.
"""
