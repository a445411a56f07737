"""Choose which layers of an encoder learn, and how fast; blocks are recognised by the beginnings of layer names."""

from __future__ import annotations

import re
from typing import Any

from zooactive.foundation.errors import ModelError
from zooactive.models.backbones.register import nested_layers

_BLOCK = re.compile(r"[A-Za-z]+\d*")


def encoder_blocks(encoder: Any) -> dict[str, list[Any]]:
    """Return the layers with trainable weights, block by block from the pixels to the features.

    A block is a set of names that begin with the same letters and number: ``block3a_dwconv`` and ``block3b_project_bn``
    belong to block3.
    """
    import keras

    blocks: dict[str, list[Any]] = {}
    for layer in nested_layers(encoder):
        if layer.weights and not isinstance(layer, keras.layers.Normalization):
            found = _BLOCK.match(layer.name)
            blocks.setdefault(found.group() if found else layer.name, []).append(layer)
    return blocks


def free_last_blocks(encoder: Any, number: int | None = None) -> None:
    """Let the last blocks learn and freeze everything below, in place.

    Batch norms are frozen everywhere, with their scale and shift as well as their statistics, because the statistics of a
    few hundred galaxies are too noisy.

    Parameters
    ----------
    encoder : keras.Model
    number : int, optional
        The number of blocks that learn; 0 for none, by default all.

    Raises
    ------
    ModelError
        If the encoder has fewer blocks.
    """
    import keras

    blocks = encoder_blocks(encoder)
    if number is not None and not 0 <= number <= len(blocks):
        raise ModelError(
            f"{number} blocks should learn, but the encoder has {len(blocks)}: {', '.join(blocks)}; give 0 to {len(blocks)}"
        )
    free = set(list(blocks)[len(blocks) - number :] if number is not None else blocks)
    for name, layers in blocks.items():
        for layer in layers:
            layer.trainable = name in free and not isinstance(layer, keras.layers.BatchNormalization)


def free_everything(encoder: Any) -> None:
    """Let all layers learn again, including batch norms, as in a fresh encoder."""
    for layers in encoder_blocks(encoder).values():
        for layer in layers:
            layer.trainable = True


def layer_rates(encoder: Any, decay: float) -> dict[str, float]:
    """Return the share of the learning rate for each encoder weight, by its path: `decay` once for each block above it.

    Layer-wise decay as in Howard & Ruder 2018 (ACL, "Universal language model fine-tuning", section 3.2).
    """
    blocks = list(encoder_blocks(encoder).values())
    return {
        weight.path: decay ** (len(blocks) - number)
        for number, layers in enumerate(blocks)
        for layer in layers
        for weight in layer.weights
    }
