"""Training examples: random segments of tracks, augmented; the same for the same seed and step."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from msdemucs.data.tracks import OnError, Track, statistics
from msdemucs.errors import DataError

Stems = Float32[np.ndarray, "B S A N"]


@dataclass(frozen=True)
class Augmentation:
    """What is done to the stems of a batch; their sums are the mixtures.

    Attributes:
        shift: samples by which each stem is shortened, at random at its beginning or its end.
        flip: each stem's channels are reversed, and its sign turned, at random.
        gain: the range from which each stem's gain is drawn; None leaves them.
        remix: each stem is dealt to the batch's examples anew, so that mixtures are of several
            tracks.

    Source: Uhlich et al. 2017 (Improving music source separation based on deep neural networks
    through data augmentation and network blending), section 3; Demucs's training.
    """

    shift: int = 0
    flip: bool = False
    gain: tuple[float, float] | None = None
    remix: bool = False

    def apply(
        self, stems: Stems, rng: np.random.Generator, groups: Sequence[int] | None = None
    ) -> Stems:
        """The augmented batch.

        Args:
            stems: of every example, in one order.
            rng: decides everything.
            groups: a number a stem, from 0 on; what is drawn is the same for stems of one number.
                None draws for each stem alone.
        """
        B, S, _, N = stems.shape
        groups = range(S) if groups is None else groups
        G, each = max(groups) + 1, list(groups)
        if self.shift:
            starts = rng.integers(self.shift + 1, size=(B, G))[:, each, None, None]
            stems = np.take_along_axis(stems, starts + np.arange(N - self.shift), axis=3)
        if self.flip:
            drawn = rng.integers(2, size=(2, B, G, 1, 1)).astype(bool)
            reverse, negate = drawn[:, :, each]
            stems = np.where(reverse, stems[:, :, ::-1], stems)
            stems = np.where(negate, -stems, stems)
        if self.gain:
            gains = rng.uniform(*self.gain, size=(B, G, 1, 1)).astype(np.float32)
            stems = stems * gains[:, each]
        if self.remix:
            orders = [rng.permutation(B) for _ in range(G)]
            dealt = [stems[orders[group], index] for index, group in enumerate(groups)]
            stems = np.stack(dealt, axis=1)
        return stems


BLOCK = 2**20
"""Samples read at once where a whole track is measured."""

MOST_NAMED = 3
"""Damaged tracks in one message."""

TRIES = 8
"""How often a segment in which nothing sounds is drawn again."""


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Attributes:
        mixture: the sum of all stems.
        references: the sources asked for.
        tracks: the name of the track of each item.
        left_out: the tracks that were found damaged while it was drawn, and how.
    """

    mixture: Float[Tensor, "B A N"]
    references: Float[Tensor, "B S A N"]
    tracks: tuple[str, ...]
    left_out: tuple[tuple[Track, DataError], ...] = ()


@dataclass(frozen=True)
class Grid:
    """Where segments begin, if not anywhere.

    Attributes:
        stride: samples from one segment's start to the next; each track's last is filled with zeros
            where the track ends before it.
        steps: of an epoch, in which none comes again before all have come; None is the whole run.
    """

    stride: int
    steps: int | None = None


@dataclass(eq=False)
class SegmentSampler:
    """Draws batches; each is a function of seed and step alone, so a run can resume anywhere.

    Files are read segment by segment. Without a grid a track is drawn in proportion to where a
    segment can start in it, so that every second of the collection is equally likely. A track in
    which damage is found is left out: another is drawn in its place, and from the next step on it
    is as if it had never been there, but for the order of a grid, in which its segments are drawn
    anywhere else.

    Attributes:
        tracks: at least one, all alike in rate and channels.
        sources: the references' names, in their order.
        segment_samples: length of an example, as it is read.
        batch_size: examples a step.
        seed: together with the step it decides everything.
        augmentation: what is done to the stems.
        normalised: bring each track's mono mixture to zero mean and unit deviation first, stems
            alike, as Demucs's data does; a track is read as a whole when it is first drawn.
        joint: augment the stems of a source together, and all stems where there is one source, so
            that mixture and target change alike.
        grid: where segments begin; None draws starts, again where nothing sounds.
        left_out: the step at which a track was found damaged; later ones do not draw it. A run that
            resumes must tell it.

    Raises:
        DataError: no track, or one that is shorter than a segment.
    """

    tracks: Sequence[Track]
    _: KW_ONLY
    sources: Sequence[str]
    segment_samples: int
    batch_size: int
    seed: int
    augmentation: Augmentation = Augmentation()
    normalised: bool = False
    joint: bool = False
    grid: Grid | None = None
    left_out: dict[Track, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if not self.tracks:
            raise DataError("there is no track to train on")
        self.tracks, self.sources = tuple(self.tracks), tuple(self.sources)
        length = self.segment_samples
        if length - self.augmentation.shift < 1:
            raise DataError("a segment to train on needs at least 1 sample; lengthen the recipe's")
        drop_short(self.tracks, n_samples=length)
        self._starts = np.array([track.n_samples - length + 1 for track in self.tracks])
        self._levels: dict[Track, tuple[float, float]] = {}
        self._windows: list[tuple[Track, int]] = []
        if self.grid:  # each start lies in its track
            stride = self.grid.stride
            self._windows = [
                (track, start)
                for track in self.tracks
                for start in range(
                    0, min(track.n_samples, track.n_samples - length + stride), stride
                )
            ]

    def batch(self, step: int) -> Batch:
        """The examples of one step.

        Raises:
            DataError: there is no track left that can be read.
        """
        rng = np.random.default_rng([self.seed, step])
        starts = self._starts.copy()
        for track, since in self.left_out.items():
            if since < step:
                starts[self.tracks.index(track)] = 0
        damaged: dict[Track, DataError] = {}
        dealt = self._dealt(step, self.grid) if self.grid else [None] * self.batch_size
        drawn = [self._read(window, rng, starts, damaged) for window in dealt]
        for track in damaged:
            self.left_out[track] = min(step, self.left_out.get(track, step))
        tracks = [track for track, _ in drawn]
        if len({track.stems for track in tracks}) == 1:
            batch = np.stack([segment for _, segment in drawn])
            stems = list(self.augmentation.apply(batch, rng, self._groups(tracks[0])))
        else:  # stems of different names are not dealt to each other
            apart = replace(self.augmentation, remix=False)
            stems = [
                apart.apply(segment[None], rng, self._groups(track))[0] for track, segment in drawn
            ]
        references = [
            np.stack([example[rows].sum(0) for rows in self._rows(track)])
            for track, example in zip(tracks, stems, strict=True)
        ]
        mixtures = np.stack([example.sum(0) for example in stems])
        return Batch(
            torch.from_numpy(mixtures),
            torch.from_numpy(np.stack(references)),
            tuple(track.name for track in tracks),
            tuple(damaged.items()),
        )

    def _dealt(self, step: int, grid: Grid) -> list[tuple[Track, int]]:
        """The tracks and starts of a step: the next of the grid's, which each epoch shuffles."""
        epoch, within = divmod(step - 1, grid.steps) if grid.steps else (0, step - 1)
        windows = []
        for count in range(within * self.batch_size, (within + 1) * self.batch_size):
            turn, index = divmod(count, len(self._windows))
            rng = np.random.default_rng([self.seed, epoch, turn, 1])  # none of a step's
            order = rng.permutation(len(self._windows))
            windows.append(self._windows[order[index]])
        return windows

    def _read(
        self,
        window: tuple[Track, int] | None,
        rng: np.random.Generator,
        starts: Int64[np.ndarray, " tracks"],
        damaged: dict[Track, DataError],
    ) -> tuple[Track, Float32[np.ndarray, "S A N"]]:
        """A segment of a grid, filled with zeros beyond its track's end; else one drawn anywhere.

        Args:
            window: the track and the start; None draws them, as for a track that is damaged.
            rng: decides.
            starts: at how many samples a segment may start; 0 for a track that is left out.
            damaged: gets the tracks that turn out to be, whose starts become 0.

        Raises:
            DataError: no track is left.
        """
        if window is None or not starts[index := self.tracks.index(window[0])]:
            return self._draw(rng, starts, damaged)
        track, start = window
        n_samples = min(self.segment_samples, track.n_samples - start)
        try:
            stems = track.read_sources(track.stems, start=start, n_samples=n_samples)
            stems = self._in_units(track, stems)
        except DataError as error:
            damaged[track], starts[index] = error, 0
            return self._draw(rng, starts, damaged)
        missing = self.segment_samples - n_samples
        return track, np.pad(stems, ((0, 0), (0, 0), (0, missing)))

    def _draw(
        self,
        rng: np.random.Generator,
        starts: Int64[np.ndarray, " tracks"],
        damaged: dict[Track, DataError],
    ) -> tuple[Track, Float32[np.ndarray, "S A N"]]:
        """A track and a segment of all its stems; silence only if it keeps coming.

        Raises:
            DataError: no track is left.
        """
        tries = 0
        while starts.any():
            index = int(rng.choice(len(starts), p=starts / starts.sum()))
            track, start = self.tracks[index], int(rng.integers(starts[index]))
            try:
                stems = track.read_sources(track.stems, start=start, n_samples=self.segment_samples)
                tries += 1
                if stems.any() or tries == TRIES:
                    return track, self._in_units(track, stems)
            except DataError as error:
                damaged[track], starts[index] = error, 0
        reasons = "; ".join(map(str, [*damaged.values()][:MOST_NAMED]))
        raise DataError(
            f"none of the {len(starts)} tracks to train on is left: "
            f"{reasons or 'damage was found in all of them'}"
        )

    def _in_units(
        self, track: Track, stems: Float32[np.ndarray, "S A N"]
    ) -> Float32[np.ndarray, "S A N"]:
        """The stems as they are, or in units of their track's deviation."""
        if not self.normalised:
            return stems
        if track not in self._levels:
            blocks = (
                track.read_mixture(start=start, n_samples=min(BLOCK, track.n_samples - start))
                for start in range(0, track.n_samples, BLOCK)
            )
            self._levels[track] = statistics(torch.from_numpy(block) for block in blocks)
        mean, deviation = self._levels[track]
        return ((stems - mean) / deviation).astype(np.float32)

    def _groups(self, track: Track) -> list[int] | None:
        """Which of a track's stems are augmented together: those that the same sources hold."""
        if not self.joint:
            return None
        if len(self.sources) == 1:
            return [0] * len(track.stems)
        rows = self._rows(track)
        held = [tuple(index in row for row in rows) for index in range(len(track.stems))]
        names = list(dict.fromkeys(held))
        return [names.index(key) for key in held]

    def _rows(self, track: Track) -> list[list[int]]:
        """Which of a track's stems each source is the sum of."""
        return [[track.stems.index(stem) for stem in track.parts(s)] for s in self.sources]


class Prefetch:
    """Batches of a sampler, read by a thread while the step before is computed.

    The batches are the same; a fault in reading one surfaces when that one is asked for.

    Args:
        sampler: asked for steps in rising order, mostly; others are read when asked for.
        ahead: how many batches are read before they are needed; at least 1.
        last: the last step that will be asked for.
    """

    def __init__(self, sampler: SegmentSampler, *, ahead: int = 2, last: int) -> None:
        self.sampler, self.ahead, self.last = sampler, ahead, last
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")
        self._coming: dict[int, Future[Batch]] = {}

    def batch(self, step: int) -> Batch:
        """The examples of one step; the next ones begin to be read.

        Raises:
            DataError: a file that cannot be read.
        """
        batch = self._coming.pop(step, None) or self._pool.submit(self.sampler.batch, step)
        self._coming = {later: coming for later, coming in self._coming.items() if later > step}
        for later in range(step + 1, min(step + self.ahead, self.last) + 1):
            if later not in self._coming:
                self._coming[later] = self._pool.submit(self.sampler.batch, later)
        return batch.result()

    def close(self) -> None:
        """Read no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def drop_short(
    tracks: Sequence[Track], *, n_samples: int, on_error: OnError | None = None
) -> list[Track]:
    """The tracks that are at least as long as a segment.

    Args:
        tracks: any.
        n_samples: length of a segment.
        on_error: is told of each that is too short; None raises.

    Raises:
        DataError: a track that is too short, without on_error.
    """
    kept = []
    for track in tracks:
        if track.n_samples >= n_samples:
            kept.append(track)
            continue
        error = DataError(
            f"is {track.n_samples / track.sample_rate:.2f} s long, a segment is "
            f"{n_samples / track.sample_rate:.2f} s; shorten the recipe's segment, "
            "or remove the track",
            path=track.recording.path,
            track=track.name,
        )
        error.group, error.split = track.group, track.split
        if on_error is None:
            raise error
        on_error(error)
    return kept
