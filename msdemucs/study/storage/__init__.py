"""Where studies are kept: SQLite and PostgreSQL databases and journal files, by Optuna's means.

urls, load         a name or URL → an open storage, its studies, and a study read as a StudyRecord
studies            a study created, or gone on with, perhaps with what its space has gained
databases, locks   databases that may be away; locks on files, and studies in a journal file
leases             who runs which trial, and what becomes of those whose process is gone
results            scores and states in trials' attributes, and the side table for what comes later
folders            whose a study's folder is; trials' folders under any URL of fsspec
removal            a study removed
"""
