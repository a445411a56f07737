"""Share a batch among several devices, and control the order in which they add numbers up."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import TrainingError

_JAX_DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


@contextmanager
def on_every_device(devices: Sequence[str] | None = None) -> Iterator[None]:
    """Share each batch among several devices; a model that is built and trained inside the block has its weights on all of
    them.

    Under TensorFlow this uses ``MirroredStrategy``, whose batch norms see each device's own share. Under JAX it uses Keras'
    ``DataParallel``, whose batch norms see the whole batch. With one device, or only the CPU, nothing changes.

    Parameters
    ----------
    devices : sequence of str, optional
        The names of the devices, such as "GPU:0". By default all GPUs of this machine.

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
    """Pad rows, votes and weights with rows of zero weight, so that several devices can share them.

    `inputs` is (row, ...), `votes` (row, answer) and `weights` (row,). For one device they are returned unchanged. For
    several devices the weights are raised, because Keras' mean over the rows also counts rows of zero weight; so the mean
    stays the same.
    """
    missing = -len(inputs) % _devices()
    if not missing:
        return inputs, votes, weights
    filled = [np.concatenate([part, np.repeat(part[:1], missing, axis=0)]) for part in (inputs, votes)]
    raised = weights * np.float32((len(inputs) + missing) / len(inputs))
    return filled[0], filled[1], np.concatenate([raised, np.zeros(missing, np.float32)])


def _devices() -> int:
    """Return how many devices currently share a batch."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return int(tf.distribute.get_strategy().num_replicas_in_sync)
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else int(np.prod(distribution.device_mesh.shape))


def _graphics_cards() -> list[str]:
    """Return the names of the GPUs that Keras' backend sees; none if JAX does not know this kind of device."""
    import keras

    try:
        return list(keras.distribution.list_devices("gpu"))
    except RuntimeError:
        return []


def deterministic_operations() -> None:
    """Make the backend add numbers up in the same order in every run, for the rest of this process.

    On a CPU, JAX does so in any case. On a GPU it must be told before it starts; if it was not, a TrainingError explains
    this.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif _graphics_cards() and _JAX_DETERMINISTIC not in os.environ.get("XLA_FLAGS", ""):
        raise TrainingError(
            f"deterministic = true: JAX adds up in the same order on a GPU only if it was told so before it started; set "
            f"XLA_FLAGS={_JAX_DETERMINISTIC} in the environment"
        )
