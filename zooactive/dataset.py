"""Batches for training: NumPy draws them in an order that a resumed run repeats, tf.data keeps them ahead of the network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.errors import ImageError, TrainingError, ZooactiveError
from zooactive.images import Preprocessing

_IN_MEMORY = 2 << 30
"""Bytes of decoded pixels up to which a catalogue is decoded once and kept; of larger ones the files' bytes are kept, and
decoded batch by batch."""


_JAX_DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


class Rows(Protocol):
    """What batches are cut from: anything that gives the values of some rows."""

    def rows(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Values of some rows, shape (row, ...)."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """An array in memory as a source of batches, shape (row, ...)."""

    values: NDArray[Any]

    def rows(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Values of some rows."""
        return np.asarray(self.values[rows])


class Cutouts:
    """The images of a catalogue as uint8 pixels, by row number.

    Parameters
    ----------
    catalogue : Catalogue
    preprocessing : Preprocessing

    Raises
    ------
    ImageError
        When an image cannot be read: training names it and stops, since its votes would be lost without a word.
    """

    def __init__(self, catalogue: Catalogue, preprocessing: Preprocessing) -> None:
        small = len(catalogue) * preprocessing.size**2 * preprocessing.channels <= _IN_MEMORY
        self._catalogue = catalogue if small else catalogue.in_memory()
        self._preprocessing = preprocessing
        self._pixels = self._decode(np.arange(len(catalogue))) if small else None

    def __len__(self) -> int:
        return len(self._catalogue)

    def rows(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Pixels of some rows, uint8, shape (row, side, side, channel)."""
        return self._decode(rows) if self._pixels is None else self._pixels[rows]

    def _decode(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        pixels, failures = self._catalogue.decode(self._preprocessing, rows)
        if failures:
            more = f"; {len(failures) - 1} more cannot be read" if len(failures) > 1 else ""
            raise ImageError(
                f"{next(iter(failures.values()))}{more} (`zooactive prepare` leaves such galaxies out and lists them)"
            )
        return pixels


@dataclass(frozen=True, eq=False)
class TrainingBatches:
    """Shuffled batches of pixels (or features) and votes, epoch after epoch.

    The order of an epoch follows from the seed and the number of the epoch alone, so that a resumed run sees what an
    uninterrupted one would have seen. The rows that do not fill a batch are left out, others each epoch.
    """

    source: Rows
    votes: NDArray[np.float32]
    batch_size: int
    seed: int
    weights: NDArray[np.float32] | None = None
    _met: list[ZooactiveError] = field(default_factory=list, init=False, repr=False)

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return max(1, len(self.votes) // self.batch_size)

    def rows(self, epoch: int) -> list[NDArray[np.int64]]:
        """Row numbers of each batch of an epoch."""
        order = np.random.Generator(np.random.Philox(key=[self.seed, epoch])).permutation(len(self.votes))
        return [order[step * self.batch_size : (step + 1) * self.batch_size] for step in range(self.steps)]

    def stream(self, first_epoch: int = 0) -> Iterator[tuple[NDArray[Any], ...]]:
        """Yield (pixels, votes), and the galaxies' weights where there are any, without end, from the given epoch on."""
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
        """Raise what a batch met, such as an unreadable image, as it was: tf.data buries it in an error of its own."""
        try:
            yield
        except Exception:
            if self._met:
                raise self._met[0] from None
            raise

    def dataset(self, first_epoch: int = 0) -> Any:
        """Return what ``keras.Model.fit`` takes: a ``tf.data.Dataset`` that works ahead, or the plain stream elsewhere."""
        import keras

        if keras.backend.backend() != "tensorflow":
            return self.stream(first_epoch)
        import tensorflow as tf

        signature = tuple(tf.TensorSpec(part.shape, part.dtype) for part in next(self.stream(first_epoch)))
        flow = tf.data.Dataset.from_generator(lambda: self.stream(first_epoch), output_signature=signature).prefetch(4)
        # There is nothing to tune, and an iterator ends no sooner than its tuner wakes: after 10, 20, 41 seconds, and so on.
        options = tf.data.Options()
        options.autotune.enabled = False
        return flow.with_options(options)


@contextmanager
def on_every_device(devices: Sequence[str] | None = None) -> Iterator[None]:
    """Share out each batch among several devices: what is built and trained inside has its weights on all of them.

    By TensorFlow's ``MirroredStrategy``, whose batch norms see each device's own share, or under JAX by Keras'
    ``DataParallel``, whose see the whole batch. With one device, or none but the CPU, nothing changes.

    Parameters
    ----------
    devices : sequence of str, optional
        Their names, such as "GPU:0"; by default all GPUs of this machine.

    Examples
    --------
    >>> with on_every_device():  # doctest: +SKIP
    ...     model = za.GalaxyModel("decals_dr5")
    ...     za.train(model, "galaxies.csv", run_dir="runs/first")
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        names = [device.name for device in tf.config.list_logical_devices("GPU")] if devices is None else list(devices)
        with tf.distribute.MirroredStrategy(names).scope() if len(names) > 1 else nullcontext():
            yield
        return
    names = _graphics_cards() if devices is None else list(devices)
    before = keras.distribution.distribution()
    if len(names) > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names))
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def shareable(batch_size: int) -> int:
    """Return the largest batch up to this size that the devices of `on_every_device` can share equally."""
    return max(1, batch_size // _devices()) * _devices()


def shareable_rows(
    inputs: NDArray[Any], votes: NDArray[np.float32], weights: NDArray[np.float32]
) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]:
    """Fill up rows, votes and weights with rows of no weight, such that several devices can share them.

    Parameters
    ----------
    inputs : ndarray, shape (row, ...)
    votes : ndarray, shape (row, answer)
    weights : ndarray, shape (row,)

    Returns
    -------
    tuple of ndarray
        The same where there is one device. Else the weights are raised so that Keras' mean over the rows, which counts those
        without weight too, stays what it was.
    """
    missing = -len(inputs) % _devices()
    if not missing:
        return inputs, votes, weights
    filled = [np.concatenate([part, np.repeat(part[:1], missing, axis=0)]) for part in (inputs, votes)]
    raised = weights * np.float32((len(inputs) + missing) / len(inputs))
    return filled[0], filled[1], np.concatenate([raised, np.zeros(missing, np.float32)])


def _devices() -> int:
    """How many devices share a batch now."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return int(tf.distribute.get_strategy().num_replicas_in_sync)
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else int(np.prod(distribution.device_mesh.shape))


def _graphics_cards() -> list[str]:
    """Names of the GPUs that Keras' backend sees; JAX without one knows no such kind of device."""
    import keras

    try:
        return list(keras.distribution.list_devices("gpu"))
    except RuntimeError:
        return []


def deterministic_operations() -> None:
    """Make the backend add up in the same order in every run, for the rest of this process; JAX does so on a CPU anyway.

    Raises
    ------
    TrainingError
        Under JAX on a GPU, where this can only be chosen before JAX starts, and was not.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif _graphics_cards() and _JAX_DETERMINISTIC not in os.environ.get("XLA_FLAGS", ""):
        raise TrainingError(
            f"deterministic = true: JAX adds up in the same order on a GPU only where it was told so before it started; set "
            f"XLA_FLAGS={_JAX_DETERMINISTIC} in the environment"
        )
