"""Ctrl-C and SIGTERM as one exception that never falls between two writes."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Raises KeyboardInterrupt for Ctrl-C and SIGTERM, later when it comes inside `held()`.

    The exception's argument is the signal's number.

    Outside the main thread it leaves signals alone.

    Attributes:
        number: of the signal that came last; 0 before one has.
    """

    def __init__(self) -> None:
        self._is_held = False
        self._is_pending = False
        self._before: dict[int, object] = {}
        self.number = 0

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @property
    def is_pending(self) -> bool:
        """Whether a signal waits for the end of `held()`."""
        return self._is_pending

    @contextmanager
    def held(self) -> Iterator[None]:
        """Finish what is inside before a signal is heard.

        Raises:
            KeyboardInterrupt: a signal came meanwhile.
        """
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._is_pending:
            self._is_pending = False
            raise KeyboardInterrupt(self.number)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.number = number
        if not self._is_held:
            raise KeyboardInterrupt(number)
        self._is_pending = True
