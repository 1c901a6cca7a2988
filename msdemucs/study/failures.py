"""Why trials fail, in one line each, and when a study that only fails should stop."""

from msdemucs.errors import MsdemucsError, StudyError

MOST_BUGS_IN_A_ROW = 3
MOST_FAILURES_IN_A_ROW = 10
MOST_REFUSALS_IN_A_ROW = 200

OUT_OF_MEMORY = "out of memory"


def reason_of(error: Exception) -> str:
    """One line that says the kind of failure, then what happened."""
    if isinstance(error, MsdemucsError):
        return f"{type(error).__name__}: {error}"
    text = (str(error).strip().splitlines() or ["no message"])[0]
    return f"{OUT_OF_MEMORY if _is_out_of_memory(error) else type(error).__name__}: {text}"


def is_bug(error: Exception) -> bool:
    """Whether the program is at fault, and not a candidate, its data or the machine's size."""
    return not isinstance(error, MsdemucsError) and not _is_out_of_memory(error)


class Patience:
    """Counts what goes wrong in a row."""

    def __init__(self) -> None:
        self.succeeded()

    def succeeded(self) -> None:
        """A trial is complete: begin to count anew."""
        self._reasons: list[str] = []
        self._bugs: list[str] = []
        self._refusals = 0

    def failed(self, error: Exception) -> None:
        """A trial failed."""
        self._refusals = 0
        self._reasons.append(reason_of(error))
        kind = type(error).__name__
        if not is_bug(error):
            self._bugs = []
        else:
            self._bugs = [*self._bugs, kind] if kind in self._bugs[-1:] else [kind]

    def refused(self) -> None:
        """A combination made no valid spec."""
        self._refusals += 1

    def check(self) -> None:
        """Nothing, while trials come to an end.

        Raises:
            StudyError: the same bug three times in a row, ten failures of any kind in a row, or
                hundreds of combinations in a row that make no valid spec.
        """
        if self._refusals >= MOST_REFUSALS_IN_A_ROW:
            raise StudyError(
                f"{self._refusals} combinations in a row make no valid spec: narrow vary"
            )
        if len(self._bugs) >= MOST_BUGS_IN_A_ROW:
            raise StudyError(
                f"{len(self._bugs)} trials in a row failed alike, the last with "
                f"“{self._reasons[-1]}”; each has a traceback.txt in its folder. "
                f"The same command continues the study"
            )
        if len(self._reasons) >= MOST_FAILURES_IN_A_ROW:
            raise StudyError(
                f"{len(self._reasons)} trials in a row failed, the last with “{self._reasons[-1]}”"
            )


def _is_out_of_memory(error: Exception) -> bool:
    """Whether Python's, the CPU's or the GPU's allocator had no more."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & {"MemoryError", "OutOfMemoryError"}) or "can't allocate" in str(error)
