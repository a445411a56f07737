"""How a model is fitted, as plain settings; `zooactive.training` does it."""

from __future__ import annotations

from dataclasses import dataclass, field

from zooactive.foundation.errors import TrainingError, did_you_mean
from zooactive.foundation.vocabulary import LOSSES, OPTIMIZERS, Loss, Optimizer
from zooactive.training.augmentation import Augmentation


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is fitted.

    Parameters
    ----------
    epochs : int
        At most; the cosine decay ends there.
    batch_size : int
        Galaxies a step.
    learning_rate : float
        At the end of the warm-up.
    weight_decay : float
        Of the optimiser, decoupled from the gradient (Loshchilov & Hutter 2019).
    warmup_epochs : float
        Epochs of linear warm-up.
    patience : int
        Epochs without a better validation loss after which training stops.
    loss : {"dirichlet_multinomial", "binomial"}
        See `zooactive.training.losses`.
    optimizer : {"adamw", "sgd"}
        AdamW, or stochastic gradient descent with Nesterov momentum of 0.9 (whose weight decay, too, is decoupled from the
        gradient and scaled by the learning rate).
    drops : tuple of float
        Shares of the epochs after which the learning rate is divided by 10; without them it falls as a cosine.
    accumulate : int
        Add up the gradients of so many batches before each step: a large batch in little memory.
    balance : float
        For a question learnt from labels: weigh each galaxy by its label's frequency to the power of minus this; 0: all
        alike, 1: all answers alike. The weights' mean is 1.
    head_epochs : int
        After the last epoch, fit the head anew for at most so many epochs on the features that the best epoch's encoder has
        of the images as they are, in up to eight orientations; kept where the validation loss falls.
    deterministic : bool
        The same numbers to the last bit in every run on the same machine, somewhat slower.
    seed : int
        Of the order of the galaxies, the augmentation and the dropout.
    augmentation : Augmentation
    """

    epochs: int = 30
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_epochs: float = 1.0
    patience: int = 8
    loss: Loss = "dirichlet_multinomial"
    optimizer: Optimizer = "adamw"
    drops: tuple[float, ...] = ()
    accumulate: int = 1
    balance: float = 0.0
    head_epochs: int = 0
    deterministic: bool = False
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "learning_rate", "patience", "accumulate"):
            if getattr(self, name) <= 0:
                raise TrainingError(f"{name} = {getattr(self, name)}; give a number above 0")
        for name in ("weight_decay", "warmup_epochs", "balance", "head_epochs"):
            if getattr(self, name) < 0:
                raise TrainingError(f"{name} = {getattr(self, name)}; it cannot be negative")
        for name, known in (("loss", LOSSES), ("optimizer", OPTIMIZERS)):
            value = getattr(self, name)
            if value not in known:
                hint = did_you_mean(value, known)
                raise TrainingError(f"{name} = '{value}' is unknown.{hint} Use one of {', '.join(known)}")
        if not all(0 < drop < 1 for drop in self.drops):
            raise TrainingError(f"drops = {list(self.drops)}; give shares of the epochs between 0 and 1")
