"""The settings of a fit as plain values; `zooactive.training` uses them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from zooactive.foundation.errors import TrainingError, did_you_mean
from zooactive.foundation.vocabulary import LOSSES, OPTIMIZERS, Loss, Optimizer
from zooactive.training.augmentation import Augmentation


@dataclass(frozen=True)
class Optimisation:
    """The optimiser, its learning rate, and when to stop: for a network, a stage of fine-tuning, or a head.

    Parameters
    ----------
    epochs : int
        The largest number of epochs. The cosine decay ends there.
    batch_size : int
        The number of galaxies per step.
    learning_rate : float
        The learning rate at the end of the warm-up.
    weight_decay : float
        The weight decay of the optimiser, decoupled from the gradient (Loshchilov & Hutter 2019).
    warmup_epochs : float
        The number of epochs of linear warm-up.
    patience : int
        Training stops after this many epochs without a better validation loss.
    optimizer : {"adamw", "sgd"}
        AdamW, or stochastic gradient descent with Nesterov momentum of 0.9. The weight decay of the latter is also decoupled
        from the gradient and scaled by the learning rate.
    drops : tuple of float
        Shares of the epochs after which the learning rate is divided by 10. Without them it falls as a cosine.
    accumulate : int
        The number of batches whose gradients are added up before each step: a large batch in little memory.
    seed : int
        The seed for the order of the galaxies, the augmentation and dropout.

    Raises
    ------
    TrainingError
        If the optimiser is unknown or a number is out of range.
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_epochs: float = 1.0
    patience: int = 8
    optimizer: Optimizer = "adamw"
    drops: tuple[float, ...] = ()
    accumulate: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "patience", "accumulate"):
            if getattr(self, name) <= 0:
                raise TrainingError(f"{name} = {getattr(self, name)}; give a number above 0")
        for name in ("weight_decay", "warmup_epochs"):
            if getattr(self, name) < 0:
                raise TrainingError(f"{name} = {getattr(self, name)}; it cannot be negative")
        refuse_unknown("optimizer", self.optimizer, OPTIMIZERS)
        if not all(0 < drop < 1 for drop in self.drops):
            raise TrainingError(f"drops = {list(self.drops)}; give shares of the epochs between 0 and 1")


@dataclass(frozen=True)
class TrainingConfig(Optimisation):
    """The settings for training a model.

    Parameters
    ----------
    epochs, batch_size, learning_rate, weight_decay, warmup_epochs, patience, optimizer, drops, accumulate, seed
        As in `zooactive.training.config.Optimisation`.
    loss : {"dirichlet_multinomial", "binomial"}
        See `zooactive.training.losses`.
    balance : float
        For a question with labels: weigh each galaxy by its label's frequency to the power of minus this number. With 0 all
        galaxies count equally, with 1 all answers do. The mean of the weights is 1.
    head_epochs : int
        After the last epoch, fit the head again for at most this many epochs, on features that the best epoch's encoder
        computes from the unchanged images, in up to eight orientations. The new head is kept if the validation loss falls.
    deterministic : bool
        Give the same numbers to the last bit in every run on the same machine. This is somewhat slower.
    augmentation : Augmentation
    """

    loss: Loss = "dirichlet_multinomial"
    balance: float = 0.0
    head_epochs: int = 0
    deterministic: bool = False
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("balance", "head_epochs"):
            if getattr(self, name) < 0:
                raise TrainingError(f"{name} = {getattr(self, name)}; it cannot be negative")
        refuse_unknown("loss", self.loss, LOSSES)


def refuse_unknown(name: str, value: str, known: Collection[str]) -> None:
    """Raise a TrainingError for an unknown word; it names the nearest known word."""
    if value not in known:
        raise TrainingError(f"{name} = '{value}' is unknown.{did_you_mean(value, known)} Use one of {', '.join(known)}")
