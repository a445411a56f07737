"""How a task is learnt, as plain settings; `zooactive.training.finetuning.finetune` does it."""

from __future__ import annotations

from dataclasses import dataclass, field

from zooactive.foundation.errors import TrainingError
from zooactive.foundation.vocabulary import POLICIES, Policy
from zooactive.training.augmentation import Augmentation
from zooactive.training.config import Optimisation, refuse_unknown


@dataclass(frozen=True)
class FinetuneConfig:
    """How a model is fine-tuned to a task.

    Parameters
    ----------
    policy : {"staged", "head", "last", "all"}
        What learns. ``head``: a new head alone, on frozen features. ``last``: then the encoder's last `blocks`
        too. ``staged``: then all of the encoder. ``all``: everything from the first step. Batch norms never do.
    blocks : int
        For ``last``: how many.
    unfreeze_epochs : int
        At most, with the encoder; 0: never.
    copies : int
        Orientations of each image whose features train the head, 1 to 8.
    unfreeze_learning_rate : float
        Of the head, in the encoder's stage.
    layer_decay : float
        The learning rate of each block relative to the block above it, and of the last one relative to the head.
    balance : float
        Weigh each galaxy by its label's frequency to the power of minus this while the head and the encoder learn; 0: all
        alike, 1: all labels alike. The probabilities are set back to the labels' shares afterwards. Labels only: fractions
        and votes count as they are.
    batch_size, patience, seed : int
    ratios : (float, float, float)
        Shares that train, choose the best epoch, and are held out for the metrics (0: none, where they are measured on
        other galaxies); by hashed id, with every label's share in each.
    folds : int
        Measure by cross-validation: so many fits, each with another part held out, and at last the one that is kept.
        0: by one split.
    prevalence : float, optional
        Of a yes-or-no label: its share on the sky, where labels are not balanced as it is.
    augmentation : Augmentation
        Of the images, in the encoder's stage.
    """

    policy: Policy = "staged"
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
            raise TrainingError("folds = 2 leaves nothing to learn from: one part is held out, one chooses the best epoch")
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
        """How many of the encoder's blocks learn in the second stage; None for all of them."""
        if self.policy == "head" or self.unfreeze_epochs == 0:
            return 0
        return self.blocks if self.policy == "last" else None
