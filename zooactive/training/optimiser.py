"""The optimiser, the learning rate and the loss of a training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras

from zooactive.foundation.errors import TrainingError
from zooactive.training.config import Optimisation, TrainingConfig
from zooactive.training.losses import BinomialLoss, DirichletMultinomialLoss
from zooactive.tree import DecisionTree

_OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "OOM when allocating", "Out of memory")
"""The parts of TensorFlow's and XLA's messages that mean that the memory is full."""


class AdamWByLayer(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), and separate learning rates for some weights.

    `rates` maps a weight's path to its share of the learning rate, which also scales its decay. All other weights have the
    whole rate. `decay` is the share of a weight that is removed in each step, per learning rate.
    """

    def __init__(self, learning_rate: Any, rates: Mapping[str, float], *, decay: float) -> None:
        super().__init__(learning_rate)
        self._rates = dict(rates)
        self._shares: list[float] = []
        self._decay = decay

    def build(self, variables: Sequence[Any]) -> None:
        """Create the moments of the weights, and record their shares of the learning rate."""
        super().build(variables)
        self._shares = [self._rates.get(variable.path, 1.0) for variable in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one weight by one step."""
        rate = keras.ops.cast(learning_rate, variable.dtype) * self._shares[self._get_variable_index(variable)]
        self.assign_sub(variable, variable * (self._decay * rate))
        super().update_step(gradient, variable, rate)


def compile_training(trainer: Any, tree: DecisionTree, config: TrainingConfig, steps: int) -> None:
    """Set a training network's optimiser and loss, and compile it if that pays.

    `tree` is the tree of the votes, and `steps` the number of batches per epoch.
    """
    loss = BinomialLoss(tree) if config.loss == "binomial" else DirichletMultinomialLoss(tree)
    trainer.compile(optimiser_of(config, trainer, steps), loss=loss, jit_compile=_compiles(config))


def optimiser_of(how: Optimisation, trainer: Any, steps: int, *, rates: Mapping[str, float] | None = None) -> Any:
    """Return the optimiser for a network with `steps` batches per epoch; with `rates`, an `AdamWByLayer`."""
    rate = _schedule(how, steps)
    if rates is not None:
        return for_precision(AdamWByLayer(rate, rates, decay=how.weight_decay), trainer)
    options: dict[str, Any] = {"weight_decay": how.weight_decay}
    if how.accumulate > 1:
        options["gradient_accumulation_steps"] = how.accumulate
    if how.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, **options)
    else:
        optimizer = keras.optimizers.AdamW(rate, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return for_precision(optimizer, trainer)


def for_precision(optimizer: Any, trainer: Any) -> Any:
    """Return an optimiser for the precision in which a network computes.

    Small gradients become zero in float16, whose smallest number is 6e-8. The loss is therefore multiplied by a factor,
    which adapts itself, and the gradients are divided by it again (Micikevicius et al. 2018). bfloat16 does not need this.
    """
    return keras.optimizers.LossScaleOptimizer(optimizer) if _in_float16(trainer) else optimizer


def _in_float16(layer: Any) -> bool:
    return layer.compute_dtype == "float16" or any(map(_in_float16, getattr(layer, "layers", ())))


@contextmanager
def memory_explained(batch_size: int, *, accumulate: int | None = None) -> Iterator[None]:
    """Raise a TrainingError if a batch does not fit into memory; it suggests a batch of half as many galaxies.

    The error replaces what TensorFlow, JAX or NumPy raise. `accumulate` is the number of batches before a step, if a user
    can choose it; the error then suggests twice as many.
    """
    try:
        yield
    except Exception as error:
        short = isinstance(error, MemoryError) or any(words in str(error) for words in _OUT_OF_MEMORY)
        if not short:
            raise
        half = batch_size // 2
        mend = f"try --batch-size {half}"
        if accumulate is not None:
            mend += f" --accumulate {2 * accumulate}, which keeps the number of galaxies per step"
        if half < 2:
            mend = "use smaller images (--image-size), a smaller backbone, or a model of another precision"
        raise TrainingError(f"a batch of {batch_size} galaxies does not fit into memory; {mend}") from error


def _schedule(how: Optimisation, steps: int) -> Any:
    """Return the learning rate by the number of batches seen: a linear warm-up, then a cosine or steps down."""
    every = how.epochs * steps
    if how.drops:
        edges = [round(drop * every) for drop in how.drops]
        rates = [how.learning_rate / 10**number for number in range(len(edges) + 1)]
        return keras.optimizers.schedules.PiecewiseConstantDecay(edges, rates)
    warmup = round(how.warmup_epochs * steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else how.learning_rate,
        decay_steps=max(1, every - warmup),
        warmup_target=how.learning_rate if warmup else None,
        warmup_steps=warmup,
    )


def _compiles(config: TrainingConfig) -> bool:
    """Return whether to compile the step (XLA): TensorFlow is faster without on a CPU; JAX is slow without."""
    if keras.backend.backend() == "jax":
        return True
    if not any(device.lower().startswith(("gpu", "cuda")) for device in keras.distribution.list_devices()):
        return False
    # TensorFlow's compiler does not support the operation behind `RandomView`.
    return keras.backend.backend() != "tensorflow" or not config.augmentation.interpolates
