"""Batches for training: NumPy draws them in a reproducible order, and tf.data prepares them ahead of the network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue, Preprocessing
from zooactive.catalogue.patience import Reason
from zooactive.foundation.errors import ImageError, ZooactiveError
from zooactive.foundation.telling import NOTHING, Show

_IN_MEMORY = 2 << 30
"""The largest size in bytes of decoded pixels for which a catalogue is decoded once and kept in memory. For larger ones, the
bytes of the files are kept, and decoded batch by batch."""

_AT_ONCE = 1024
"""The number of images that are decoded between two progress reports."""


class Rows(Protocol):
    """A source of batches: anything that returns the values of some rows."""

    def rows(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values of some rows, shape (row, ...)."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """An array in memory as a source of batches, shape (row, ...)."""

    values: NDArray[Any]

    def rows(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values of some rows."""
        return np.asarray(self.values[rows])


class Cutouts:
    """The images of a catalogue as uint8 pixels, by row number.

    An image that cannot be read raises an ImageError, which names the image and stops the training. Otherwise its votes
    would be lost silently.
    """

    def __init__(self, catalogue: Catalogue, preprocessing: Preprocessing, *, show: Show = NOTHING) -> None:
        small = len(catalogue) * preprocessing.size**2 * preprocessing.channels <= _IN_MEMORY
        self._catalogue = catalogue if small else catalogue.in_memory()
        self._preprocessing = preprocessing
        self._pixels = self._decode_all(show) if small else None

    def __len__(self) -> int:
        return len(self._catalogue)

    def rows(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the pixels of some rows, uint8, shape (row, side, side, channel)."""
        return self._decode(rows) if self._pixels is None else self._pixels[rows]

    def _decode_all(self, show: Show) -> NDArray[np.uint8]:
        how, number = self._preprocessing, len(self)
        pixels = np.zeros((number, how.size, how.size, how.channels), dtype=np.uint8)
        failures: dict[int, Reason] = {}
        with show("reading images", number, "images") as report:
            for start in range(0, number, _AT_ONCE):
                stop = min(start + _AT_ONCE, number)
                pixels[start:stop], failed = self._catalogue.decode(how, range(start, stop))
                failures |= {start + row: reason for row, reason in failed.items()}
                report(stop)
        return self._readable(pixels, failures)

    def _decode(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._readable(*self._catalogue.decode(self._preprocessing, rows))

    def _readable(self, pixels: NDArray[np.uint8], failures: Mapping[int, Reason]) -> NDArray[np.uint8]:
        """Return the pixels if all images could be read; otherwise raise an ImageError."""
        if failures:
            # Older shards may hold images that show nothing.
            again = "" if self._catalogue.prepared is None else "delete the shards and run it again: "
            more = f"; {len(failures) - 1} more cannot be read" if len(failures) > 1 else ""
            raise ImageError(
                f"{next(iter(failures.values()))}{more} ({again}`zooactive prepare` leaves such galaxies out and lists them)"
            )
        return pixels


@dataclass(frozen=True, eq=False)
class TrainingBatches:
    """Shuffled batches of pixels (or features) and votes, epoch after epoch.

    The order of an epoch depends only on the seed and the number of the epoch, so a resumed run sees the same batches as an
    uninterrupted one. Rows that do not fill a batch are left out; they differ from epoch to epoch.
    """

    source: Rows
    votes: NDArray[np.float32]
    batch_size: int
    seed: int
    weights: NDArray[np.float32] | None = None
    _met: list[ZooactiveError] = field(default_factory=list, init=False, repr=False)

    @property
    def steps(self) -> int:
        """The number of batches in an epoch."""
        return max(1, len(self.votes) // self.batch_size)

    def rows(self, epoch: int) -> list[NDArray[np.int64]]:
        """Return the row numbers of each batch of an epoch."""
        order = np.random.Generator(np.random.Philox(key=[self.seed, epoch])).permutation(len(self.votes))
        return [order[step * self.batch_size : (step + 1) * self.batch_size] for step in range(self.steps)]

    def stream(self, first_epoch: int = 0) -> Iterator[tuple[NDArray[Any], ...]]:
        """Yield (pixels, votes), and the galaxies' weights if there are any, without end, from the given epoch on."""
        epoch = first_epoch
        while True:
            for rows in self.rows(epoch):
                try:
                    batch = self.source.rows(rows), self.votes[rows]
                    yield batch if self.weights is None else (*batch, self.weights[rows])
                except ZooactiveError as error:
                    self._met.append(error)
                    raise
            epoch += 1

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise the original error of a batch, such as an unreadable image, which tf.data would hide in its own error."""
        try:
            yield
        except Exception:
            if self._met:
                raise self._met[0] from None
            raise

    def dataset(self, first_epoch: int = 0) -> Any:
        """Return the input for ``keras.Model.fit``: a ``tf.data.Dataset`` that works ahead, or a plain stream."""
        import keras

        if keras.backend.backend() != "tensorflow":
            return self.stream(first_epoch)
        import tensorflow as tf

        signature = tuple(tf.TensorSpec(part.shape, part.dtype) for part in next(self.stream(first_epoch)))
        flow = tf.data.Dataset.from_generator(lambda: self.stream(first_epoch), output_signature=signature).prefetch(4)
        # Autotuning is off: there is nothing to tune, and an iterator ends only when its tuner wakes, after 10, 20, 41
        # seconds.
        options = tf.data.Options()
        options.autotune.enabled = False
        return flow.with_options(options)
