"""An open study for the commands that follow its trials: its tracks, its training and judging."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msdemucs.cli.console import errors

if TYPE_CHECKING:
    import optuna

    from msdemucs.data import Track
    from msdemucs.study.search_space.space import Search
    from msdemucs.study.trial.bench import Bench
    from msdemucs.study.trial.recorder import Listener


@dataclass(frozen=True)
class OpenedStudy:
    """A study that follow-ups belong to.

    Attributes:
        directory: where the studies' folders lie.
    """

    study: "optuna.Study"
    search: "Search"
    directory: Path
    listener: "Listener"

    def bench(self, device: str, *, auto_batch: bool = False) -> "Bench":
        """Returns what trains and judges, as the study's trials were.

        Raises:
            UsageError: other data than the study's.
        """
        from msdemucs.study.storage.studies import refuse_other_data
        from msdemucs.study.trial.bench import prepare

        bench = prepare(self.search, say=self.listener.said, device=device, auto_batch=auto_batch)
        refuse_other_data(self.study, bench.describe())
        return bench

    def validation_tracks(self) -> "Sequence[Track]":
        """Returns the study's validation tracks.

        Raises:
            UsageError: other data than the study's.
        """
        from msdemucs.study.storage.studies import refuse_other_data
        from msdemucs.study.trial.tracks import facts_of, gather

        space = self.search.space
        tracks = gather(
            space.data, self.search.base, segment=0, say=self.listener.said, seed=space.seed
        )
        refuse_other_data(self.study, {"tracks": {"validation": facts_of(tracks.validation)}})
        return tracks.validation

    def test_tracks(self, why: str) -> "Sequence[Track]":
        """Returns the study's test tracks, and counts that they were looked at.

        Raises:
            UsageError: other test tracks than before.
        """
        from msdemucs.study.followups.judging import open_test_tracks

        return open_test_tracks(self.study, self.search, why=why, say=self.listener.said)


@contextmanager
def opened_study(
    name: str, storage: str | None, *, wanted: int, data: list[Path] | None
) -> Iterator[OpenedStudy]:
    """Open a study, its progress on the console; Ctrl-C and SIGTERM save, and exit with 130."""
    from msdemucs.cli.progress import progress
    from msdemucs.study.execution.loop import explained, search_of_study
    from msdemucs.study.storage.folders import is_url
    from msdemucs.study.storage.load import locate_study, only_study, open_storage, open_study
    from msdemucs.study.storage.urls import STUDIES
    from msdemucs.train.interrupts import Interrupts

    study_name, url = locate_study(name, storage)
    try:
        with explained(url), closing(open_storage(url)) as database:
            study = open_study(database, study_name or only_study(database, name))
            search, folder = search_of_study(study)
            shown = progress(errors, study=study.study_name, wanted=wanted)
            with shown as listener, Interrupts():
                directory = STUDIES if is_url(folder) else Path(folder).parent.parent
                search = search.asking(data=data) if data else search
                yield OpenedStudy(study, search, directory, listener)
    except KeyboardInterrupt:
        errors.print("interrupted; the same command goes on", markup=False)
        sys.exit(130)
