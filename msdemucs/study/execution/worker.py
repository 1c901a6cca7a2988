"""A process that works on a study that exists, told by nothing but its name and its storage."""

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from msdemucs.study.execution.beginning import attend, explained
from msdemucs.study.execution.joining import WANTED, search_of_study, seed_sampler, writable_folder
from msdemucs.study.execution.loop import Finished, trial_runner
from msdemucs.study.execution.scheduler import Scheduler
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.studies import open_storage, open_study, refuse_other_data
from msdemucs.study.trial.candidate import Candidate, Listener, Silent
from msdemucs.study.trial.recorder import TrialRecorder
from msdemucs.study.trial.tracks import Say
from msdemucs.train.devices import Interrupts


class Trains(Protocol):
    """What trains and judges candidates: a Bench."""

    def describe(self) -> dict[str, object]:
        """What a study records about it."""

    def evaluate(self, candidate: Candidate, log: TrialRecorder) -> None:
        """One trial."""


class Prepare(Protocol):
    """Makes what all trials of a study share."""

    def __call__(self, search: Search, *, say: Say) -> Trains:
        """A bench for the study."""


@dataclass(frozen=True)
class Part:
    """How much of a study's work a process takes.

    Attributes:
        most: trials after which it leaves; None for no limit.
        token: by which whoever started it finds the trial that it runs.
        waits: whether it waits for the trials of others to end, one of which may fail.
    """

    most: int | None = None
    token: str = ""
    waits: bool = True


def work_on(
    name: str,
    url: str,
    prepare: Prepare,
    *,
    listener: Listener | None = None,
    folder: str | Path | None = None,
    part: Part | None = None,
) -> Finished:
    """Work on a study until it has the trials that it wants.

    Args:
        name: of the study.
        url: of its storage.
        prepare: makes what trains and judges its candidates.
        listener: is told what happens.
        folder: for the trials' folders, a path or a URL; the study's own when not given.
        part: how much of the work this process takes.

    Raises:
        UsageError: there is no such study, or the data here are not the study's.
        StudyError: the storage cannot be used, a disk is full, or trials fail again and again.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    part, listener = part or Part(), listener or Silent()
    with Interrupts() as interrupts, explained(url), ExitStack() as at_end:
        with interrupts.held():
            opened = at_end.enter_context(closing(open_storage(url)))
            attend(opened, listener, interrupts)
            study = open_study(opened, name)
            search, recorded = search_of_study(study)
        where = writable_folder(folder or recorded)
        bench = prepare(search, say=listener.said)
        refuse_other_data(study, bench.describe())
        with interrupts.held():
            seed_sampler(study, search, opened)

        def wanted() -> int:
            return int(study.user_attrs.get(WANTED, search.space.trials))

        scheduler = Scheduler(
            study, opened, search=search, wanted=wanted, say=listener.said, token=part.token
        )
        with trial_runner(scheduler, search, bench.evaluate, where, listener) as runner:
            ran = runner.run(interrupts, most=part.most, waits=part.waits)
        return Finished.of(scheduler, ran, url)
