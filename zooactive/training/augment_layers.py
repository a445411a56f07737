"""Augmentation as Keras layers, on the accelerator. A galaxy has no up and no handedness, and no exact size or position.

Every layer draws independently for each image and step. Outside training it returns images unchanged.
"""

from __future__ import annotations

import math
from typing import Any

import keras

from zooactive.training.augmentation import Augmentation


def augment(pixels: Any, augmentation: Augmentation, size: int, *, seed: int = 0) -> Any:
    """Add the layers of an augmentation to a network under construction.

    `pixels` is a Keras tensor (batch, canvas, canvas, channel) in [0, 1], and `size` is at most the size of the canvas. The
    result is a tensor (batch, size, size, channel); outside training it is the centre of the canvas.
    """
    how = augmentation
    if how.interpolates:
        pixels = RandomView(size, how, seed)(pixels)
    elif how.moves:
        pixels = RandomOrientation(seed)(pixels)
    return _augment_colours(pixels, augmentation, seed)


def _augment_colours(pixels: Any, augmentation: Augmentation, seed: int) -> Any:
    layers, known = keras.layers, {"value_range": (0.0, 1.0)}
    if augmentation.brightness:
        pixels = layers.RandomBrightness(augmentation.brightness, seed=seed + 1, **known)(pixels)
    if augmentation.contrast:
        pixels = layers.RandomContrast(augmentation.contrast, seed=seed + 2, **known)(pixels)
    if pixels.shape[-1] == 1:
        return pixels
    if augmentation.saturation:
        # Keras' factor runs from 0 (grey) through 0.5 (unchanged) to 1.
        around = (0.5 - augmentation.saturation / 2, 0.5 + augmentation.saturation / 2)
        pixels = layers.RandomSaturation(around, seed=seed + 3, **known)(pixels)
    if augmentation.hue:
        pixels = layers.RandomHue(augmentation.hue, seed=seed + 4, **known)(pixels)
    return pixels


@keras.saving.register_keras_serializable(package="zooactive")
class RandomOrientation(keras.layers.Layer):  # type: ignore[misc]
    """A layer that shows each image in one of its eight orientations.

    It draws three fair bits per image: mirror left and right, mirror up and down, transpose. Together they give the eight
    symmetries of the square with equal probability and without interpolation. The state of the layer's random generator is
    saved with the layer.
    """

    def __init__(self, seed: int = 0, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, pixels: Any, training: bool | None = None) -> Any:
        """Turn (batch, side, side, channel) images, whose sides are equal."""
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


class RandomView(keras.layers.Layer):  # type: ignore[misc]
    """A layer that shows a turned, mirrored, shifted and scaled square of each image, in one bilinear interpolation.

    The view has `size` pixels on a side. Outside training the centre is shown, pixel by pixel.
    """

    def __init__(self, size: int, augmentation: Augmentation, seed: int = 0, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.size = size
        self.augmentation = augmentation
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, pixels: Any, training: bool | None = None) -> Any:
        """Cut (batch, size, size, channel) out of (batch, canvas, canvas, channel)."""
        if training:
            transforms = self._transforms(keras.ops.shape(pixels)[0], pixels.shape[1])
            # Beyond its edge an image is mirrored, because black corners would reveal the angle.
            pixels = keras.ops.image.affine_transform(pixels, transforms, interpolation="bilinear", fill_mode="reflect")
        start = (pixels.shape[1] - self.size) // 2
        return pixels[:, start : start + self.size, start : start + self.size]

    def _transforms(self, batch: Any, canvas: int) -> Any:
        """Return the position of each pixel of a view on the canvas: x' = a x + b y + c, y' = d x + e y + f, (batch, 8)."""
        ops, how = keras.ops, self.augmentation
        draws = keras.random.uniform((6, batch), seed=self.seed_generator)
        angle = 2 * math.pi * draws[0]
        if how.rotation == "quarter":
            angle = math.pi / 2 * ops.floor(4 * draws[0])
        elif how.rotation == "none":
            angle = 0 * angle
        low, high = how.scale
        scale = low + (high - low) * draws[1]
        mirror = ops.where(draws[2] < 0.5, -1.0, 1.0) if how.flips else ops.ones_like(angle)
        shift = (2 * draws[3:5] - 1) * (how.shift * self.size) * scale
        a, b = scale * mirror * ops.cos(angle), -scale * ops.sin(angle)
        d, e = scale * mirror * ops.sin(angle), scale * ops.cos(angle)
        centre = (canvas - 1) / 2
        c = centre + shift[0] - (a + b) * centre
        f = centre + shift[1] - (d + e) * centre
        nothing = ops.zeros_like(a)
        return ops.stack([a, b, c, d, e, f, nothing, nothing], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return (batch, size, size, channel)."""
        return (input_shape[0], self.size, self.size, input_shape[3])
