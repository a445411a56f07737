"""EfficientNet-B0 (Tan & Le 2019, ICML), as Keras has it, without its classifier: 1280 features."""

from __future__ import annotations

from typing import Any

import keras

from zooactive.errors import ModelError
from zooactive.models.fast_layers import with_fast_layers
from zooactive.models.pixels import PIXEL_SPREAD

SMALLEST = 32


def efficientnet_b0(image_size: int, channels: int = 3) -> Any:
    """Build EfficientNet-B0 with fresh weights.

    Keras' network divides its input by 255 itself, and without ImageNet's weights it leaves the rest of the scaling out;
    its input is therefore multiplied by 255 / `PIXEL_SPREAD` first. The features are averaged in float32 under every dtype
    policy. Stochastic depth (drop rate up to 0.2) acts in training only.

    Parameters
    ----------
    image_size : int
        Pixels a side, at least 32.
    channels : {3, 1}

    Returns
    -------
    keras.Model
        Pixels in [0, 1] (batch, size, size, channels) to features (batch, 1280); 4,049,571 weights in colour.

    Raises
    ------
    ModelError
        When the images are too small.
    """
    if image_size < SMALLEST:
        raise ModelError(
            f"efficientnet_b0 needs images of {SMALLEST} pixels a side or more, not {image_size}; try small_cnn"
        )
    # 1. layers
    shape = (image_size, image_size, channels)
    to_its_scale = keras.layers.Rescaling(255 / PIXEL_SPREAD, name="pixel_scale")
    average = keras.layers.GlobalAveragePooling2D(dtype="float32", name="features")
    # 2. functional model
    pixels = keras.Input(shape, name="pixels")
    convolutions = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_tensor=to_its_scale(pixels), input_shape=shape
    )
    # Keras' momentum of 0.99 needs some 500 steps until the statistics are the images'; small catalogues have fewer.
    convolutions = with_fast_layers(convolutions, momentum=0.9)
    return keras.Model(convolutions.inputs[0], average(convolutions.output), name="efficientnet_b0")
