"""Adapt the first layer of a network whose weights were trained on other channels to my channels.

Each channel of the weights is replaced by a mean of my channels (`zooactive.catalogue.bands.shares`), and the filters absorb
this mean: K'[i] = sum over c of share[c, i] K[c]. An image with the same values in all channels therefore has the same
features as before, whatever the number of channels. After that, each channel has its own filters to learn.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue.bands import mixture_told, shares
from zooactive.models.backbones.register import nested_layers


def spread(kernel: NDArray[np.floating], theirs: tuple[str, ...], mine: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the filters of a first layer, adapted to other channels.

    Parameters
    ----------
    kernel : ndarray, shape (y, x, channel, filter)
        The filters for the channels `theirs`.
    theirs, mine : tuple of str
        Names of channels, as in `zooactive.Preprocessing.channel_names`.

    Returns
    -------
    ndarray of float32, shape (y, x, channel, filter)
        The filters for the channels `mine`.
    """
    if theirs == mine:
        return np.asarray(kernel, dtype=np.float32)
    return np.asarray(np.einsum("yxcf,ci->yxif", kernel.astype(np.float64), shares(theirs, mine)), dtype=np.float32)


def take_weights(encoder: Any, other: Any, theirs: tuple[str, ...], mine: tuple[str, ...]) -> None:
    """Give an encoder for the channels `mine` the weights of another of the same backbone, for the channels `theirs`."""
    if theirs == mine:
        encoder.set_weights(other.get_weights())
        return
    stem = first_convolution(encoder)
    for layer, source in zip(nested_layers(encoder), nested_layers(other), strict=True):
        if isinstance(layer, keras.layers.Normalization):
            continue  # a layer on the pixels, whose constants belong to the backbone, one per channel
        if layer is stem:
            kernel, *rest = source.get_weights()
            layer.set_weights([spread(kernel, theirs, mine), *rest])
        elif layer.weights:
            layer.set_weights(source.get_weights())


def first_convolution(encoder: Any) -> Any:
    """Return the layer that sees the pixels, or None in a network without convolutions."""
    return next((layer for layer in nested_layers(encoder) if isinstance(layer, keras.layers.Conv2D)), None)


def spread_told(theirs: tuple[str, ...], mine: tuple[str, ...]) -> str | None:
    """Describe how the first layer was adapted, or return None if the channels are the same."""
    if theirs == mine:
        return None
    return f"first layer spread from {', '.join(theirs)} to {', '.join(mine)} ({mixture_told(theirs, mine)})"
