"""EfficientNetV2-S (Tan & Le 2021, ICML) in the version of TensorFlow, timm's ``tf_efficientnetv2_s`` and Zoobot.

The border of a strided convolution is one pixel narrower before an even side than after it, and batch norm's epsilon is
1e-3. timm's ``efficientnetv2_s`` has weights of the same names, but the other border and epsilon.
"""

from __future__ import annotations

from typing import Any

import keras

from zooactive.foundation.errors import ModelError
from zooactive.models.backbones.fast_layers import with_fast_layers

SMALLEST = 32
_STEM_SCALE = 200.0
"""The factor on the variance of fresh filters in the first layer. Galaxies vary little in [0, 1], and the input of the first
batch norm has to be well above its epsilon. The batch norm then removes the scale again."""


def efficientnetv2_s(image_size: int, channels: int = 3) -> Any:
    """Build EfficientNetV2-S with fresh weights.

    The first layer sees the pixels in [0, 1] unchanged, because Zoobot subtracts no mean. The features are averaged in
    float32 under every dtype policy. Stochastic depth (drop rate up to 0.2) is active only in training.

    The network takes pixels in [0, 1], (batch, size, size, channels), with 1 to 6 channels and at least 32 pixels on a side.
    It returns features (batch, 1280). Smaller images raise a ModelError.
    """
    if image_size < SMALLEST:
        raise ModelError(
            f"efficientnetv2_s needs images of {SMALLEST} pixels on a side or more, not {image_size}; try small_cnn"
        )
    pixels = keras.Input((image_size, image_size, channels), name="pixels")
    as_keras = keras.applications.EfficientNetV2S(
        include_top=False,
        weights=None,
        input_tensor=pixels,
        include_preprocessing=False,
    )
    as_keras.get_layer("stem_conv").kernel_initializer = keras.initializers.VarianceScaling(
        _STEM_SCALE, mode="fan_out", distribution="truncated_normal"
    )
    convolutions = with_fast_layers(as_keras)
    average = keras.layers.GlobalAveragePooling2D(dtype="float32", name="features")
    return keras.Model(convolutions.inputs[0], average(convolutions.output), name="efficientnetv2_s")
