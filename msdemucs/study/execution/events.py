"""What a worker process tells the one that started it: a line of JSON an event."""

import json
import os
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from msdemucs.study.trial.candidate import Listener, Named

STDIN = 0

FAILED, FINISHED = "failed", "finished"
"""Events about the worker, beside those of a listener."""


@dataclass(frozen=True)
class Name:
    """What is told of a candidate."""

    trial: int
    name: str
    seed: int


class EventWriter:
    """A listener that writes what it is told to a pipe."""

    def __init__(self, out: IO[str]) -> None:
        self.out = out
        self._lock = threading.Lock()

    def tell(self, event: str, **what: object) -> None:
        """One line; nothing where nobody listens any more."""
        with self._lock:
            try:
                print(json.dumps({"event": event, **what}), file=self.out, flush=True)
            except (OSError, ValueError):
                self.out = _null()

    def said(self, message: str) -> None:
        """A line about the study as a whole."""
        self.tell("said", message=message)

    def began(self, candidate: Named, *, complete: int, wanted: int) -> None:
        """A trial begins."""
        who = {"trial": candidate.trial, "name": candidate.name, "seed": candidate.seed}
        self.tell("began", **who, complete=complete, wanted=wanted)

    def phase(self, what: str, total: int) -> None:
        """A trial enters a phase."""
        self.tell("phase", what=what, total=total)

    def advanced(self, done: int, note: str) -> None:
        """A phase has done a step."""
        self.tell("advanced", done=done, note=note)

    def ended(self, trial: int, state: str, note: str) -> None:
        """A trial has ended."""
        self.tell("ended", trial=trial, state=state, note=note)


def pass_on(event: Mapping[str, Any], listener: Listener) -> None:
    """Tell a listener what a worker told."""
    match event:
        case {"event": "said", "message": message}:
            listener.said(message)
        case {"event": "began", "complete": complete, "wanted": wanted, **who}:
            named = Name(who["trial"], who["name"], who["seed"])
            listener.began(named, complete=complete, wanted=wanted)
        case {"event": "phase", "what": what, "total": total}:
            listener.phase(what, total)
        case {"event": "advanced", "done": done, "note": note}:
            listener.advanced(done, note)
        case {"event": "ended", "trial": trial, "state": state, "note": note}:
            listener.ended(trial, state, note)


def leave_with_parent() -> None:
    """Have this process interrupt itself when the one that started it is gone.

    It holds the other end of the standard input, and closes it by ending, however it ends.
    """

    def wait() -> None:
        while os.read(STDIN, 4096):  # a thread in sys.stdin aborts the interpreter's end
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def _null() -> IO[str]:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
