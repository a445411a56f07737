"""A small convolutional network for laptops, demonstrations and tests: 128 features from any size above 16 pixels."""

from __future__ import annotations

from typing import Any

import keras

from zooactive.foundation.errors import ModelError
from zooactive.models.backbones.standardise import PIXEL_SPREAD

SMALLEST = 16
_FEATURES = (16, 32, 64, 128)


def small_cnn(image_size: int, channels: int = 3) -> Any:
    """Build four stages of convolution, batch norm and ReLU, each halving the image, and a global average.

    The batch norms have momentum 0.9, so that their statistics settle within the few dozen steps of a small run.

    The network takes pixels in [0, 1], (batch, size, size, channels), with 1 to 6 channels and at least 16 pixels on a side.
    It returns features (batch, 128). Smaller images raise a ModelError.
    """
    if image_size < SMALLEST:
        raise ModelError(f"small_cnn needs images of {SMALLEST} pixels on a side or more, not {image_size}")
    layers = keras.layers
    pixels = keras.Input((image_size, image_size, channels), name="pixels")
    x = layers.Rescaling(1 / PIXEL_SPREAD, name="pixel_scale")(pixels)
    for stage, features in enumerate(_FEATURES, start=1):
        side = 5 if stage == 1 else 3  # a wide first filter sees a blob and not only its noise
        x = layers.Conv2D(
            features,
            side,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"stage{stage}_conv",
        )(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"stage{stage}_bn")(x)
        x = layers.ReLU(name=f"stage{stage}_relu")(x)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)
    return keras.Model(pixels, x, name="small_cnn")
