"""The settings of fine-tuning as plain values; `zooactive.training.finetuning.finetune` uses them."""

from __future__ import annotations

from dataclasses import dataclass, field

from zooactive.foundation.errors import TrainingError
from zooactive.foundation.vocabulary import POLICIES, Policy
from zooactive.training.augmentation import Augmentation
from zooactive.training.config import Optimisation, refuse_unknown


@dataclass(frozen=True)
class FinetuneConfig:
    """The settings for fine-tuning a model to a task.

    Parameters
    ----------
    policy : {"auto", "head", "last", "staged", "all"}
        The parts that learn. ``auto``: ``head`` or ``staged``, by `zooactive.training.finetuning.checks.decided`. ``head``:
        only a new head, on frozen features. ``last``: afterwards also the encoder's last `blocks`. ``staged``: afterwards
        all of the encoder. ``all``: everything from the first step. Batch norms never learn.
    blocks : int
        The number of blocks for ``last``.
    unfreeze_epochs : int
        The largest number of epochs in which the encoder learns; 0 for none.
    copies : int
        The number of orientations of each image whose features train the head, 1 to 8.
    unfreeze_learning_rate : float
        The learning rate of the head, in the encoder's stage.
    layer_decay : float
        The learning rate of each block relative to the block above it, and of the last block relative to the head.
    balance : float
        Weigh each galaxy by its label's frequency to the power of minus this number while the head and the encoder learn.
        With 0 all galaxies count equally, with 1 all labels do. Afterwards the probabilities are corrected to the labels'
        shares. This applies only to labels; fractions and votes are not weighed.
    batch_size, patience, seed : int
    ratios : (float, float, float)
        Shares of the training, validation and held-out galaxies, the last for the metrics (0: none, if you measure on other
        galaxies). The split is by hashed id, with the same share of every label in each part.
    folds : int
        Measure by cross-validation with this number of fits, each with another part held out, followed by the fit that is
        kept. With 0, measure by one split.
    prevalence : float, optional
        For a yes-or-no label: its share on the sky, if the labels have another share.
    augmentation : Augmentation
        The augmentation of the images in the encoder's stage.
    """

    policy: Policy = "auto"
    blocks: int = 2
    unfreeze_epochs: int = 30
    copies: int = 8
    unfreeze_learning_rate: float = 5e-4
    layer_decay: float = 0.85
    balance: float = 1.0
    batch_size: int = 32
    patience: int = 10
    seed: int = 0
    ratios: tuple[float, float, float] = (0.6, 0.15, 0.25)
    folds: int = 0
    prevalence: float | None = None
    augmentation: Augmentation = field(
        default_factory=lambda: Augmentation(rotation="any", scale=(0.85, 1.15), shift=0.03, brightness=0.05, contrast=0.1)
    )

    def __post_init__(self) -> None:
        refuse_unknown("policy", self.policy, POLICIES)
        if not 1 <= self.copies <= 8:
            raise TrainingError(f"copies = {self.copies}; an image has 1 to 8 orientations")
        if self.unfreeze_epochs < 0:
            raise TrainingError(f"unfreeze_epochs = {self.unfreeze_epochs}; it cannot be negative")
        if self.policy == "all" and self.unfreeze_epochs == 0:
            raise TrainingError("policy = 'all' with unfreeze_epochs = 0 learns nothing; use the policy 'head'")
        if self.blocks < 1 or not 0 < self.layer_decay <= 1 or self.balance < 0:
            raise TrainingError(
                f"blocks = {self.blocks}, layer_decay = {self.layer_decay}, balance = {self.balance}; give at least 1, a "
                "share above 0 up to 1, and at least 0"
            )
        if min(self.ratios[:2]) <= 0 or self.ratios[2] < 0 or abs(sum(self.ratios) - 1) > 1e-9:
            raise TrainingError(f"ratios = {self.ratios}; give three shares that sum to 1, the first two above 0")
        if self.folds == 1 or self.folds < 0:
            raise TrainingError(f"folds = {self.folds}; give 0 for one split, or 3 and more")
        if self.folds == 2:
            raise TrainingError(
                "folds = 2 leaves no galaxies for training: one part is held out, the other is for validation"
            )
        if self.prevalence is not None and not 0 < self.prevalence < 1:
            raise TrainingError(f"prevalence = {self.prevalence}; give the share of galaxies on the sky, between 0 and 1")

    @property
    def optimisation(self) -> Optimisation:
        """The optimiser's settings for the stage in which the encoder learns."""
        return Optimisation(
            epochs=max(1, self.unfreeze_epochs),
            batch_size=self.batch_size,
            learning_rate=self.unfreeze_learning_rate,
            weight_decay=1e-3,
            warmup_epochs=0,
            patience=self.patience,
            seed=self.seed,
        )

    @property
    def free_blocks(self) -> int | None:
        """The number of the encoder's blocks that learn in the second stage; None for all of them."""
        if self.policy == "head" or self.unfreeze_epochs == 0:
            return 0
        return self.blocks if self.policy == "last" else None
