"""EfficientNet-B0 (Tan & Le 2019, ICML) in the version of Keras, without its classifier: 1280 features.

There is one network in three conventions. They differ in the pixels that the first layer sees, in batch norm's epsilon and
in the borders of strided convolutions. `efficientnet_b0` is for training from fresh weights. Published weights give correct
features only in the convention in which they were trained (see `zooactive.models.published.encoders`).
"""

from __future__ import annotations

from typing import Any

import keras

from zooactive.foundation.errors import ModelError
from zooactive.models.backbones.fast_layers import with_fast_layers
from zooactive.models.backbones.names import refuse_bands
from zooactive.models.backbones.standardise import PIXEL_SPREAD

SMALLEST = 32

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""The mean of ImageNet's pixels on the scale [0, 1]: red, green, blue."""

IMAGENET_SPREAD = (0.229, 0.224, 0.225)
"""The standard deviation of ImageNet's pixels on the scale [0, 1]: red, green, blue."""


def efficientnet_b0(image_size: int, channels: int = 3) -> Any:
    """Build EfficientNet-B0 with fresh weights.

    Keras' network divides its input by 255 itself. Without ImageNet's weights it omits the rest of the scaling, so its input
    is first multiplied by 255 / `PIXEL_SPREAD`. The features are averaged in float32 under every dtype policy. Stochastic
    depth (drop rate up to 0.2) is active only in training.

    The network takes pixels in [0, 1], (batch, size, size, channels), with 1 to 6 channels and at least 32 pixels on a side.
    It returns features (batch, 1280); in colour it has 4,049,571 weights. Smaller images raise a ModelError.
    """
    as_keras = _as_keras("efficientnet_b0", image_size, channels, 1 / PIXEL_SPREAD)
    return _to_features("efficientnet_b0", as_keras)


def efficientnet_b0_timm(image_size: int, channels: int = 3) -> Any:
    """Build EfficientNet-B0 in the version of timm (``efficientnet_b0``) and Zoobot, with fresh weights.

    The first layer sees the pixels in [0, 1] unchanged, because Zoobot subtracts no mean. Batch norm's epsilon is 1e-5, not
    1e-3. Strided convolutions have the same border on both sides, while Keras has one pixel less before an even side. An
    epsilon that is 100 times smaller for pixels with a 100 times smaller variance is equivalent, for fresh weights, to
    `efficientnet_b0`.

    The network takes pixels in [0, 1], (batch, size, size, channels), with 1 to 6 channels and at least 32 pixels on a side.
    It returns features (batch, 1280). Smaller images raise a ModelError.
    """
    as_keras = _as_keras("efficientnet_b0_timm", image_size, channels, 1)
    for layer in as_keras.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = 1e-5
        elif isinstance(layer, keras.layers.ZeroPadding2D):
            (_, below), (_, right) = layer.padding
            layer.padding = ((below, below), (right, right))
    return _to_features("efficientnet_b0_timm", as_keras)


def efficientnet_b0_imagenet(image_size: int, channels: int = 3) -> Any:
    """Build EfficientNet-B0 in the version of Keras for ImageNet's weights, with fresh weights.

    The first layer sees pixels minus ImageNet's mean, divided by its standard deviation. A grey image is shown in all three
    channels. Galaxies vary little on this scale (see `PIXEL_SPREAD`). At 32 pixels, most of what the first batch norm sees
    is the step from the border to a sky darker than ImageNet's mean. For fresh weights, use `efficientnet_b0`.

    The network takes pixels in [0, 1], (batch, size, size, channels), with 1 or 3 channels and at least 32 pixels on a side.
    It returns features (batch, 1280). Smaller images and other channels raise a ModelError.
    """
    if channels not in (1, len(IMAGENET_MEAN)):
        refuse_bands("efficientnet_b0_imagenet", [f"{channels} channels"])
    as_keras = _as_keras("efficientnet_b0_imagenet", image_size, channels, 1, in_colour=True)
    for layer in as_keras.layers:
        if isinstance(layer, keras.layers.Normalization):
            # Keras has weights here, these are constants. Its published weights hold the deviation instead of the variance,
            # and another layer corrects this (https://github.com/tensorflow/tensorflow/issues/49930).
            layer.input_mean, layer.input_variance = IMAGENET_MEAN, [spread**2 for spread in IMAGENET_SPREAD]
    return _to_features("efficientnet_b0_imagenet", as_keras)


def _as_keras(name: str, image_size: int, channels: int, scale: float, *, in_colour: bool = False) -> Any:
    """Return Keras' network from scaled pixels to maps; with `in_colour`, a grey image is shown three times."""
    if image_size < SMALLEST:
        raise ModelError(f"{name} needs images of {SMALLEST} pixels on a side or more, not {image_size}; try small_cnn")
    pixels = keras.Input((image_size, image_size, channels), name="pixels")
    shown = pixels
    if in_colour and channels == 1:
        shown = keras.layers.Concatenate(name="colours")([pixels] * 3)
    shown = keras.layers.Rescaling(255 * scale, name="pixel_scale")(shown)
    return keras.applications.EfficientNetB0(include_top=False, weights=None, input_tensor=shown)


def _to_features(name: str, as_keras: Any) -> Any:
    """Average the maps of a copy with fast layers."""
    average = keras.layers.GlobalAveragePooling2D(dtype="float32", name="features")
    # Keras' momentum of 0.99 needs some 500 steps to learn the images' statistics; small catalogues have fewer steps.
    convolutions = with_fast_layers(as_keras, momentum=0.9)
    return keras.Model(convolutions.inputs[0], average(convolutions.output), name=name)
