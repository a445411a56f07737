"""Lines for people: which images failed, what a training will do, and how each epoch went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.foundation.parts_folder import Failed
    from zooactive.models.config import Network
    from zooactive.training.augmentation import Augmentation
    from zooactive.training.config import TrainingConfig
    from zooactive.training.recipes import Recipe


def failures_told(failed: Failed, failures: pd.DataFrame, most: float, again: str) -> str:
    """Return what `Failed.told` says, and how many of the failed images show nothing."""
    from zooactive.catalogue.fits_images import BLANK

    blank = int(failures["reason"].str.contains(f" {BLANK} ", regex=False).sum())
    told = failed.told(most, again)
    if not blank:
        return told
    return f"{told}; {blank} of the {len(failures)} show {BLANK} everywhere (off the survey, or empty frames)"


def epoch_told(epoch: int, losses: Mapping[str, float]) -> str:
    """Return a line that says how an epoch went."""
    return f"epoch {epoch}: loss {losses['loss']:.3f}, validation {losses['val_loss']:.3f} nats per galaxy"


def plan_of(network: Network, training: TrainingConfig, *, galaxies: int, recipe: Recipe | None = None) -> list[str]:
    """Return a few lines that say what a training will do."""
    by = [] if recipe is None else [f"recipe {recipe.name}: {recipe.title}"]
    views = training.augmentation.of(network.preprocessing())
    return [*by, _network(network), _images(views), _fit(network, training, galaxies), _end(training)]


def _network(network: Network) -> str:
    seen = network.preprocessing()
    size = f"{network.backbone} at {network.image_size} px, {seen.channels_told}"
    centre = f"the central {network.crop:.0%} of each image" if network.crop < 1 else ""
    several = f"predictions of views {', '.join(f'{scale:g}' for scale in network.scales)} times as wide"
    return _list(
        size,
        centre,
        several if network.scales != (1.0,) else "",
        "each standardised" if network.standardise else "",
        f"dropout {network.dropout:g} before the head",
        f"starting from {network.origin() or network.start}" if network.start else "",
        f"its first layer spread over {', '.join(seen.channel_names)}" if network.spreads() else "",
        f"trained only on {', '.join(network.questions)}" if network.questions else "",
    )


def _images(how: Augmentation) -> str:
    turns = {"none": "", "quarter": "turned by quarters", "any": "turned by any angle"}[how.rotation]
    low, high = how.scale
    colours = [
        f"{name} {amount:g}" for name in ("brightness", "contrast", "saturation", "hue") if (amount := getattr(how, name))
    ]
    changes = _list(
        turns,
        "mirrored" if how.flips else "",
        f"{low:g} to {high:g} times as wide" if low < high else "",
        f"moved by up to {how.shift:.0%}" if how.shift else "",
        f"changed in {', '.join(colours)}" if colours else "",
    )
    return f"images: {changes or 'unchanged'}"


def _fit(network: Network, training: TrainingConfig, galaxies: int) -> str:
    falls = f"divided by 10 after {', '.join(f'{drop:.0%}' for drop in training.drops)}" if training.drops else "cosine"
    size = min(training.batch_size, galaxies)
    steps = f"{galaxies // size // training.accumulate} steps of {size * training.accumulate} galaxies"
    steps += f" ({training.accumulate} batches of {size})" if training.accumulate > 1 else ""
    return _list(
        f"{training.loss.replace('_', '-')} loss",
        f"{training.optimizer}, learning rate {training.learning_rate:g} ({falls})",
        f"weight decay {training.weight_decay:g}" if training.weight_decay else "",
        f"up to {training.epochs} epochs of {steps}",
        network.precision,
        f"each galaxy weighted by its label's frequency to the power of -{training.balance:g}" if training.balance else "",
    )


def _end(training: TrainingConfig) -> str:
    patience = f"after {training.patience} epochs without a better validation loss"
    return _list(
        f"stops {patience if training.patience < training.epochs else 'after the last epoch'}",
        f"then the head is refitted for up to {training.head_epochs} epochs" if training.head_epochs else "",
        "deterministic" if training.deterministic else "",
        f"seed {training.seed}",
    )


def _list(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
