"""Compute the input of a model's head for a catalogue's images, in some of their eight orientations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.foundation.telling import NOTHING, Show

if TYPE_CHECKING:
    from zooactive.models import GalaxyModel


_AT_ONCE = 128
"""The number of images whose features are computed together."""


def head_features(model: GalaxyModel, catalogue: Catalogue, copies: int, *, show: Show = NOTHING) -> NDArray[np.float32]:
    """Compute the input of a model's head for a catalogue's images, in some of their eight orientations.

    The features are float32 (copy, galaxy, feature); the first copy is for the unchanged images.
    """
    from zooactive.models.features import forward, prediction_network
    from zooactive.training.batches import Cutouts
    from zooactive.training.devices import shareable

    images = Cutouts(catalogue, model.preprocessing, show=show)
    network = prediction_network(model.encoder)
    batches = []  # one after another, because the pixels of a survey may not fit into memory
    size = shareable(_AT_ONCE)
    with show("features of the images", len(catalogue) * copies, "views") as report:
        for start in range(0, len(catalogue), size):
            pixels, views = images.rows(np.arange(start, min(start + size, len(catalogue)))), []
            for view in _orientations(pixels, copies):
                views.append(forward(network, view, size))
                report(start * copies + len(views) * len(pixels))
            batches.append(np.stack(views))
    return np.concatenate(batches, axis=1).astype(np.float32)


def _orientations(pixels: NDArray[np.uint8], number: int) -> list[NDArray[np.uint8]]:
    """Return the first `number` of the square's eight symmetries, applied to (galaxy, side, side, channel)."""
    turned = [np.rot90(pixels, turn, axes=(1, 2)) for turn in range(4)]
    return [view for pair in zip(turned, (image[:, :, ::-1] for image in turned), strict=True) for view in pair][:number]
