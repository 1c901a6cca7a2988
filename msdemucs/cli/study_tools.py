"""`msdemucs study`: what can be asked of a study that was run."""

import json
from typing import Annotated

import typer

from msdemucs.cli.console import out
from msdemucs.cli.study import Storage, app
from msdemucs.cli.study_effects import effects_json, print_effects

__all__ = ["app"]

Name = Annotated[str, typer.Argument(metavar="STUDY", help="A study's name, or its database.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def effects(study: Name, storage: Storage = None, as_json: AsJson = False) -> None:
    """Print what an ablation found: each factor's effect, interval, p-value and cost."""
    from msdemucs.study.effects import effects as found_in
    from msdemucs.study.load import load_study

    record = load_study(study, storage=storage)
    found = found_in(record)
    if as_json:
        print_json({"study": record.name, **effects_json(found)})
        return
    out.print(f"{record.name}: {record.title}", markup=False, soft_wrap=True)
    print_effects(found)


def print_json(data: object) -> None:
    """Plain data as JSON on stdout; NaN must be null already."""
    out.print_json(json.dumps(data, allow_nan=False))
