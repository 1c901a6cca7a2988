"""Where studies are kept: SQLite and PostgreSQL databases and journal files, by Optuna's means.

urls, studies, databases, journal   a URL opened; a study created, continued, described
queue, extending                    an ablation's arms enqueued; a space that was added to taken in
leases, locks, states               who runs which trial, stale trials, what states mean
scores, followup_table, load        what is recorded, read back as a StudyRecord
artifact_store, folders, scratch    trials' folders, on a disk or before any fsspec URL
removal, foreign                    a study removed; studies that are not ours
"""
