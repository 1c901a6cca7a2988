"""What a user is told while a process waits for a database that is away."""

from collections.abc import Callable


class Waiting:
    """Whom to tell that a database is away, and who may end the waiting.

    Attributes:
        say: is told once when the waiting begins, and when it is over.
        is_over: whether to give up at once: Ctrl-C.
    """

    def __init__(self) -> None:
        self.say: Callable[[str], None] = lambda _: None
        self.is_over: Callable[[], bool] = lambda: False
