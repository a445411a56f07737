"""Standardise each image: remove its brightness and the strength of its contrast."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="zooactive")
class Standardise(keras.layers.Layer):  # type: ignore[misc]
    """Shift and scale each image to a mean of 0 and the standard deviation that backbones expect of galaxies.

    The divisor is at least one grey level, 1/255, so that an image of one colour stays finite.
    """

    def call(self, pixels: Any) -> Any:
        """Standardise (batch, y, x, channel) pixels, in float32."""
        ops = keras.ops
        pixels = ops.cast(pixels, "float32")
        mean = ops.mean(pixels, axis=(1, 2, 3), keepdims=True)
        spread = ops.std(pixels, axis=(1, 2, 3), keepdims=True)
        return PIXEL_SPREAD * (pixels - mean) / ops.maximum(spread, 1 / 255)


def standardised(encoder: Any) -> Any:
    """Return an encoder that standardises each image before the given one sees it."""
    pixels = keras.Input(encoder.input.shape[1:], name="pixels")
    return keras.Model(pixels, encoder(Standardise(dtype="float32")(pixels)), name=encoder.name)


PIXEL_SPREAD = 0.1
"""The standard deviation of the pixels of a galaxy cutout, on the scale [0, 1].

Cutouts are mostly dark sky: 0.11 in SDSS and DECaLS, 0.06 in HST's GOODS fields, while ImageNet's photographs have 0.226.
After division by this number the pixels vary by about one, and the spread after the first convolution is far above the
square root of the first batch norm's epsilon (0.03). Closer to it, batch norm no longer brings the features to unit
variance: with ImageNet's value, EfficientNet-B0's small first filters leave a variance of 2 to 9 times epsilon on real
galaxies, and without scaling almost nothing."""
