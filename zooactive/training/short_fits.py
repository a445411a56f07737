"""Short fits with early stopping: a head on the features of a frozen encoder, and the encoder's stage of fine-tuning."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import TrainingError
from zooactive.foundation.forking import networks_compute
from zooactive.foundation.logs import log
from zooactive.foundation.stopping import stopped_between_steps
from zooactive.foundation.telling import NOTHING, StageProgress, Watch
from zooactive.training.config import Optimisation
from zooactive.training.head_features import head_features
from zooactive.training.weights import label_weights, votes_of
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    from zooactive.foundation.telling import Report
    from zooactive.models import GalaxyModel
    from zooactive.training.batches import Rows


UNWATCHED: Watch[StageProgress] = Watch(NOTHING)
"""A watch that shows nothing."""


@dataclass(frozen=True)
class Stage:
    """One fit to votes with early stopping; it keeps the weights of its best epoch, or the initial ones if none is better.

    `name` appears in the history. `loss` makes a Keras loss; `of_votes` makes that of a tree. `rates` maps a weight's path
    to its share of the learning rate; all other weights have the whole rate.
    """

    name: str
    loss: Callable[[], Any]
    how: Optimisation
    rates: Mapping[str, float] = field(default_factory=dict)

    def fit(
        self,
        trainer: Any,
        train: tuple[Rows, NDArray[np.float32]],
        validation: tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]],
        *,
        watch: Watch[StageProgress] = UNWATCHED,
        weights: NDArray[np.float32] | None = None,
    ) -> list[dict[str, Any]]:
        """Fit a Keras model to votes, or to other targets of the loss; return stage, epoch, loss and val_loss of each epoch.

        `train` has the model's inputs and the votes (row, answer). `weights` says how much each of these rows counts.
        `validation` has inputs, votes and weights (row,) of the validation galaxies, which choose the best epoch. A loss
        that is not finite raises a TrainingError.
        """
        import keras

        from zooactive.models.backbones.fast_layers import gradients_forgotten
        from zooactive.training.batches import TrainingBatches
        from zooactive.training.devices import shareable, shareable_rows
        from zooactive.training.optimiser import memory_explained, optimiser_of

        networks_compute()
        how = self.how
        size = shareable(min(how.batch_size, len(train[1])))
        batches = TrainingBatches(*train, size, seed=how.seed, weights=weights)
        optimizer = optimiser_of(how, trainer, batches.steps, rates=self.rates)
        compiled = keras.backend.backend() == "jax"  # otherwise JAX would run a step operation by operation
        trainer.compile(optimizer, loss=self.loss(), jit_compile=compiled)
        history: list[dict[str, Any]] = []
        began = trainer.get_weights()
        judged = shareable_rows(*validation)
        shown = watch.show(f"{self.name}, epoch 1 of {how.epochs}", how.epochs * batches.steps * size)
        with (
            memory_explained(size),
            batches.explained(),
            gradients_forgotten(),
            shown as report,
            stopped_between_steps() as between,
        ):
            loss_then = float(trainer.evaluate(judged[0], judged[1], size, 0, judged[2]))
            trainer.fit(
                batches.dataset(),
                steps_per_epoch=batches.steps,
                validation_batch_size=size,
                validation_data=judged,
                shuffle=False,
                epochs=how.epochs,
                verbose=0,
                callbacks=[
                    keras.callbacks.EarlyStopping(patience=how.patience, restore_best_weights=True),
                    keras.callbacks.LambdaCallback(
                        on_epoch_begin=lambda epoch, logs: seed_epoch(trainer, how.seed, epoch),
                        on_epoch_end=lambda epoch, logs: self._note(history, epoch, logs, watch),
                    ),
                    after_steps(between, report, self.name, how.epochs, steps=batches.steps, batch_size=size),
                ],
            )
        if min(epoch["val_loss"] for epoch in history) > loss_then:
            trainer.set_weights(began)
        return history

    def _note(self, history: list[dict[str, Any]], epoch: int, logs: dict[str, float], watch: Watch[StageProgress]) -> None:
        losses = {"loss": float(logs["loss"]), "val_loss": float(logs["val_loss"])}
        if not np.isfinite(losses["loss"]):
            raise TrainingError(f"the loss is {losses['loss']} in epoch {epoch + 1}; lower the learning rate")
        history.append({"stage": self.name, "epoch": epoch + 1, **losses})
        log(__name__, logging.INFO, "epoch", stage=self.name, epoch=epoch + 1, of=self.how.epochs, **losses)
        watch.tell(self.name, epoch + 1, losses)


def of_votes(tree: DecisionTree) -> Callable[[], Any]:
    """Return a function that makes the loss for a tree's votes; it loads Keras when it is called."""

    def make() -> Any:
        from zooactive.training.losses import DirichletMultinomialLoss

        return DirichletMultinomialLoss(tree)

    return make


def fit_head(
    model: GalaxyModel,
    train: Catalogue,
    validation: Catalogue,
    stage: Stage,
    *,
    copies: int = 8,
    balance: float = 0.0,
    watch: Watch[StageProgress] = UNWATCHED,
) -> list[dict[str, Any]]:
    """Fit a model's head, in place, on features that its encoder computes once, so that an epoch takes a moment.

    The galaxies of `validation` choose the best epoch. The head is trained on `copies` orientations of each image, 1 to 8.
    See `label_weights` for `balance`, and `Stage.fit` for the return value.
    """
    views = head_features(model, train, copies, show=watch.show)
    judged = head_features(model, validation, 1, show=watch.show)[0]
    return fit_head_to_features(
        model, (views, votes_of(train)), (judged, votes_of(validation)), stage, balance=balance, watch=watch
    )


def fit_head_to_features(
    model: GalaxyModel,
    train: tuple[NDArray[np.float32], NDArray[np.float32]],
    validation: tuple[NDArray[np.float32], NDArray[np.float32]],
    stage: Stage,
    *,
    balance: float = 0.0,
    watch: Watch[StageProgress] = UNWATCHED,
) -> list[dict[str, Any]]:
    """Fit a model's head, in place, to features that were computed before.

    `train` has features (copy, galaxy, feature), as from `head_features`, and votes (galaxy, answer). `validation` has
    features (galaxy, feature) and votes of the validation galaxies. The rest is as in `fit_head`.
    """
    import keras

    from zooactive.training.batches import ArrayRows

    (views, votes), (judged, judges) = train, validation
    inputs = keras.Input((views.shape[-1],))
    return stage.fit(
        keras.Model(inputs, model.head(inputs)),
        (ArrayRows(np.concatenate(views)), np.tile(votes, (len(views), 1))),
        (judged, judges, label_weights(judges, votes, model.tree, balance)),
        watch=watch,
        weights=np.tile(label_weights(votes, votes, model.tree, balance), len(views)),
    )


def seed_epoch(trainer: Any, seed: int, epoch: int) -> None:
    """Set every random state from the seed and the epoch, so that a resumed run draws the same numbers."""
    states = [variable for variable in trainer.variables if "seed_generator_state" in variable.path]
    for number, state in enumerate(states):
        state.assign(np.array([(seed * 1000 + number) % 2**32, epoch << 20], dtype=np.uint32))


def after_steps(between: Callable[[], None], report: Report, name: str, epochs: int, *, steps: int, batch_size: int) -> Any:
    """Return the callback that reports each batch of a fit, in galaxies, and the epoch, and then calls `between`."""
    import keras

    class AfterSteps(keras.callbacks.Callback):  # type: ignore[misc]
        async_safe = True  # no step waits for the report of the previous one

        def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            self.before = epoch * steps
            report(self.before * batch_size, f"{name}, epoch {epoch + 1} of {epochs}")

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            report((self.before + batch + 1) * batch_size)
            between()

        def on_test_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            between()

    return AfterSteps()
