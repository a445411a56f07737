"""The optimiser, the learning rate and the loss of a training."""

from __future__ import annotations

from typing import Any

import keras

from zooactive.losses import BinomialLoss, DirichletMultinomialLoss
from zooactive.training_config import TrainingConfig
from zooactive.tree import DecisionTree


def compile_training(trainer: Any, tree: DecisionTree, config: TrainingConfig, steps: int) -> None:
    """Give a network under training its optimiser, its loss and, where that pays, a compiler.

    Parameters
    ----------
    trainer : keras.Model
    tree : DecisionTree
        Of the votes.
    config : TrainingConfig
    steps : int
        Batches an epoch.
    """
    decay: dict[str, Any] = {"weight_decay": config.weight_decay}
    if config.accumulate > 1:
        decay["gradient_accumulation_steps"] = config.accumulate
    rate = _schedule(config, steps)
    if config.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, **decay)
    else:
        optimizer = keras.optimizers.AdamW(rate, **decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss = BinomialLoss(tree) if config.loss == "binomial" else DirichletMultinomialLoss(tree)
    trainer.compile(optimizer, loss=loss, jit_compile=_compiles(config))


def _schedule(config: TrainingConfig, steps: int) -> Any:
    """The learning rate, by the number of batches seen: a linear warm-up, then a cosine or steps down."""
    every = config.epochs * steps
    if config.drops:
        edges = [round(drop * every) for drop in config.drops]
        rates = [config.learning_rate / 10**number for number in range(len(edges) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(edges, rates)
    warmup = round(config.warmup_epochs * steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else config.learning_rate,
        decay_steps=max(1, every - warmup),
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def _compiles(config: TrainingConfig) -> bool:
    """Whether to compile the step (XLA): on a GPU it pays, on a CPU it does not."""
    if not any(device.lower().startswith(("gpu", "cuda")) for device in keras.distribution.list_devices()):
        return False
    # TensorFlow's compiler does not know the operation behind `RandomView`.
    return keras.backend.backend() != "tensorflow" or config.augmentation.only_turns
