"""The Keras callback that watches a training: best weights, checkpoints, and losses that are not finite."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import OutputError, TrainingError
from zooactive.foundation.logs import log
from zooactive.foundation.telling import EpochProgress, Watch
from zooactive.foundation.writing import aside, refuse_without_room
from zooactive.training.config import TrainingConfig
from zooactive.training.run_folder import TrainingRun
from zooactive.training.short_fits import seed_epoch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zooactive.models import GalaxyModel
    from zooactive.training.batches import TrainingBatches


_QUICK, _PACE = 1.0, 10.0
"""The number of seconds that writing a checkpoint may take after each epoch. If a large network takes longer (on a GPU
perhaps longer than an epoch), this is the number of seconds of training for each second of writing."""


_HDF5 = 4096
"""The number of bytes in a checkpoint's file in addition to each array's values."""


def make_keeper(
    model: GalaxyModel,
    train: Catalogue,
    batches: TrainingBatches,
    config: TrainingConfig,
    run: TrainingRun,
    watch: Watch[EpochProgress],
) -> Any:
    """Return the callback that watches the loss, keeps the best weights and writes the checkpoint.

    The best weights, the last epoch's weights and the state of both are written together, after each epoch or as often as
    `_PACE` allows. A run that was killed resumes from the last checkpoint.
    """
    import keras

    class Keeper(keras.callbacks.Callback):  # type: ignore[misc]
        async_safe = True  # under JAX no step waits until the loss of the previous one has been checked

        def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
            self.best: list[NDArray[Any]] | None = None  # weights that are not in any file yet
            self.writes_from = 0.0

        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self.not_finite: list[int] = []
            seed_epoch(self.model, config.seed, epoch)

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            if logs and not np.isfinite(logs["loss"]):  # the mean of the epoch so far
                self.not_finite.append(batch)
                self.model.stop_training = True

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            assert logs is not None
            if self.not_finite:
                first = min(self.not_finite)
                ids = ", ".join(train.ids[np.concatenate(batches.rows(epoch)[max(0, first - 1) : first + 1])])
                raise TrainingError(
                    f"the loss is {logs['loss']} in epoch {epoch + 1}; lower the learning rate, or look at the "
                    f"galaxies of this batch and of the previous one: {ids}"
                )
            if not np.isfinite(logs.get("val_loss", 0.0)):
                ids = ", ".join(train.ids[batches.rows(epoch)[-1]])
                raise TrainingError(
                    f"the validation loss is {logs['val_loss']} after epoch {epoch + 1}; lower the learning rate, or "
                    f"look at the galaxies of the last batch: {ids}"
                )
            rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
            loss = float(logs["loss"])
            losses = {"loss": loss, "val_loss": float(logs.get("val_loss", loss)), "learning_rate": rate}
            run.epochs.append({"epoch": epoch + 1, **losses})
            if run.best_epoch == epoch:
                self.best = self.model.get_weights()
            if run.out_of_patience(config.patience):
                self.model.stop_training = True
            if self.model.stop_training or epoch + 1 == config.epochs or time.monotonic() >= self.writes_from:
                self.write(is_best=run.best_epoch == epoch)
            log(__name__, logging.INFO, "epoch", stage="training", epoch=epoch + 1, of=config.epochs, **losses)
            watch.tell(epoch + 1, losses)

        def largest_file(self) -> int:
            """Return the largest number of bytes that the weights and the optimiser's state need in a file."""
            known = {id(variable): variable for variable in (*self.model.variables, *self.model.optimizer.variables)}
            return sum(_HDF5 + 4 * int(np.prod(variable.shape)) for variable in known.values())

        def write(self, *, is_best: bool) -> None:
            began = time.monotonic()
            run.state["writes"] += 1
            with aside(run.weights) as temporary:
                refuse_without_room(temporary, self.largest_file())
                self.model.save_weights(temporary)
            if self.best is not None:
                last = None if is_best else self.model.get_weights()
                self.model.set_weights(self.best)
                model.save(run.folder / "model")
                if last is not None:
                    self.model.set_weights(last)
            self.best = None
            run.save_state()
            run.kept = len(run.epochs)
            took = time.monotonic() - began
            self.writes_from = began + took + (_PACE * took if took > _QUICK else 0)

    return Keeper()


def tensorboard_callbacks(folder: Path) -> list[Any]:
    """Return the callbacks that write TensorBoard's curves; none without TensorBoard (extra ``tensorboard``)."""
    import importlib.util

    import keras

    if keras.backend.backend() != "tensorflow" or importlib.util.find_spec("tensorboard") is None:
        return []
    return [keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False)]


@contextmanager
def curves_explained(folder: Path) -> Iterator[None]:
    """Explain in a sentence that TensorBoard's curves cannot be written, instead of TensorFlow's own message."""
    try:
        yield
    except Exception as error:
        if "events writer" not in str(error):
            raise
        raise OutputError(
            f"{folder / 'tensorboard'} cannot be written; is the disk full? Free some space and run the same command again"
        ) from error
