"""Augmentation as Keras layers: a galaxy has no up and no handedness."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="zooactive")
class RandomOrientation(keras.layers.Layer):  # type: ignore[misc]
    """Show each image in one of its eight orientations, drawn for each image and step; the identity outside training.

    Three fair bits an image: mirror left and right, mirror up and down, transpose. Together they give the eight symmetries
    of the square with equal probability and no interpolation.

    Parameters
    ----------
    seed : int
        Of the layer's own generator, whose state is saved with the layer.
    """

    def __init__(self, seed: int = 0, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, pixels: Any, training: bool | None = None) -> Any:
        """Turn (batch, side, side, channel) images; the sides are equal."""
        if not training:
            return pixels
        ops = keras.ops
        bits = keras.random.uniform((3, ops.shape(pixels)[0], 1, 1, 1), seed=self.seed_generator) < 0.5
        pixels = ops.where(bits[0], ops.flip(pixels, axis=1), pixels)
        pixels = ops.where(bits[1], ops.flip(pixels, axis=2), pixels)
        return ops.where(bits[2], ops.transpose(pixels, (0, 2, 1, 3)), pixels)

    def get_config(self) -> dict[str, Any]:
        """Return the layer's settings."""
        return {**super().get_config(), "seed": self.seed}
