"""`msdemucs study`: run a search, continue it, look at what it found.

- `run`: begin a study or go on with it, join one that was begun elsewhere, and who runs its trials.
- `storage`: list, export and remove the studies of databases.
- `show`: print trials, the best within limits, and the schema of search spaces; tables of trials.
- `analysis`: effects of an ablation; how far short runs can be trusted.
- `followups`: noise over seeds, longer training, other metrics, the test tracks.
"""

import typer

from msdemucs.cli.study import analysis, followups, run, show, storage

app = typer.Typer(no_args_is_help=True, help="Run architecture searches and look at them.")

app.command("work")(run.work)
app.command("run")(run.run)
app.command("list")(storage.list_)
app.command("show")(show.show)
app.command("schema")(show.schema)
app.command("judge")(followups.judge)
app.command("noise")(followups.noise)
app.command("promote")(followups.promote)
app.command("rescore")(followups.rescore)
app.command("effects")(analysis.effects)
app.command("export")(storage.export)
app.command("best")(show.best)
app.command("rm")(storage.rm)
app.command("fidelity")(analysis.fidelity)
