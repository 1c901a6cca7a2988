"""The `msdemucs` command: parse, call one function, print."""

import os
import signal
import sys

import typer

from msdemucs.cli import (
    bench,
    data,
    evaluate,
    metrics,
    report,
    separate,
    spec,
    study,
    train,
    weights,
)
from msdemucs.cli.console import allow_any_text, errors
from msdemucs.errors import InputError, MsdemucsError

app = typer.Typer(
    name="msdemucs",
    help="Architecture search and ablation for Demucs-style music source separation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(spec.app, name="spec")
app.add_typer(data.app, name="data")
app.add_typer(study.app, name="study")
app.add_typer(weights.app, name="weights")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("metrics")(metrics.metrics)
app.command("separate")(separate.separate)
app.command("report")(report.report)
app.command("bench")(bench.bench)


def main() -> None:
    """Run the command line; wrong input exits with 2, a failed run with 1, Ctrl-C with 130."""
    # OpenMP's threads wait by spinning: beside another busy process, a training step of 0.5 s then
    # takes 20 s; with a short spin 1.4 s. It is read when torch is imported, later.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    allow_any_text()
    try:
        app()
    except InputError as error:
        sys.exit(_explain(error, 2))
    except MsdemucsError as error:
        sys.exit(_explain(error, 1))
    except KeyboardInterrupt:  # again, while the first was being answered
        sys.exit(130)
    finally:
        # All is said and saved: a further Ctrl-C or SIGTERM ends the process at once, since Python
        # would print a traceback from whatever it is closing.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: os._exit(128 + number))


def _explain(error: MsdemucsError, code: int) -> int:
    text = str(error)
    prefix = "" if ": error: " in text else "error: "
    errors.print(prefix + text, markup=False, highlight=False, soft_wrap=True)
    return code
