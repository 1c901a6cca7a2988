"""Training examples: random segments of tracks, the same for the same seed and step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from msdemucs.data.find import OnError
from msdemucs.data.tracks import Track
from msdemucs.errors import DataError

TRIES = 8
"""How often a segment in which nothing sounds is drawn again."""


@dataclass(frozen=True)
class Batch:
    """What one training step sees.

    Attributes:
        mixture: the sum of all stems.
        references: the sources asked for.
        tracks: the name of the track of each item.
    """

    mixture: Float[Tensor, "B A N"]
    references: Float[Tensor, "B S A N"]
    tracks: tuple[str, ...]


class SegmentSampler:
    """Draws batches; each is a function of seed and step alone, so a run can resume anywhere.

    Files are read segment by segment. A track is drawn in proportion to where a segment can
    start in it, so that every second of the collection is equally likely.

    Args:
        tracks: at least one, all alike in rate and channels.
        sources: the references' names, in their order.
        segment_samples: length of an example.
        batch_size: examples a step.
        seed: together with the step it decides everything.
        flip: swap left and right, and turn the sign, of each stem at random, as Demucs's
            training does.

    Raises:
        DataError: no track, or one that is shorter than a segment.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        *,
        sources: Sequence[str],
        segment_samples: int,
        batch_size: int,
        seed: int,
        flip: bool = False,
    ) -> None:
        if not tracks:
            raise DataError("there is no track to train on")
        drop_short(tracks, n_samples=segment_samples)
        self.tracks, self.sources = tuple(tracks), tuple(sources)
        self.segment_samples, self.batch_size = segment_samples, batch_size
        self.seed, self.flip = seed, flip
        starts = np.array([track.n_samples - segment_samples + 1 for track in tracks])
        self._shares = starts / starts.sum()

    def batch(self, step: int) -> Batch:
        """The examples of one step.

        Raises:
            DataError: a file that cannot be read.
        """
        rng = np.random.default_rng([self.seed, step])
        drawn = [self._draw(rng) for _ in range(self.batch_size)]
        mixtures, references, tracks = zip(*drawn, strict=True)
        return Batch(
            torch.from_numpy(np.stack(mixtures)), torch.from_numpy(np.stack(references)), tracks
        )

    def _draw(
        self, rng: np.random.Generator
    ) -> tuple[Float32[np.ndarray, "A N"], Float32[np.ndarray, "S A N"], str]:
        """One mixture, its references and the track's name; silence only if it keeps coming."""
        for _ in range(TRIES):
            track = self.tracks[rng.choice(len(self.tracks), p=self._shares)]
            start = int(rng.integers(track.n_samples - self.segment_samples + 1))
            stems = track.read_sources(track.stems, start=start, n_samples=self.segment_samples)
            if stems.any():
                break
        if self.flip:
            stems = _flipped(stems, rng)
        rows = [[track.stems.index(stem) for stem in track.parts(s)] for s in self.sources]
        return stems.sum(0), np.stack([stems[row].sum(0) for row in rows]), track.name


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
        if on_error is None:
            raise error
        on_error(error)
    return kept


def _flipped(
    stems: Float32[np.ndarray, "S A N"], rng: np.random.Generator
) -> Float32[np.ndarray, "S A N"]:
    """Each stem with its channels reversed or its sign turned, or both, or neither."""
    reverse, negate = rng.integers(2, size=(2, len(stems))).astype(bool)
    stems = np.where(reverse[:, None, None], stems[:, ::-1], stems)
    return np.where(negate[:, None, None], -stems, stems)
