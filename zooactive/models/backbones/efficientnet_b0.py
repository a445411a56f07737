"""EfficientNet-B0 (Tan & Le 2019, ICML), as Keras has it, without its classifier: 1280 features.

One network in three conventions, which differ in the pixels that the first layer sees, in batch norm's epsilon and in where
strided convolutions put their border. `efficientnet_b0` is for training from fresh weights; weights that others published
give their features only in the convention that they were trained in (see `zooactive.models.published.encoders`).
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
"""Of ImageNet's pixels on the scale [0, 1]: red, green, blue."""

IMAGENET_SPREAD = (0.229, 0.224, 0.225)
"""Standard deviation of ImageNet's pixels on the scale [0, 1]: red, green, blue."""


def efficientnet_b0(image_size: int, channels: int = 3) -> Any:
    """Build EfficientNet-B0 with fresh weights.

    Keras' network divides its input by 255 itself, and without ImageNet's weights it leaves the rest of the scaling out; its
    input is therefore multiplied by 255 / `PIXEL_SPREAD` first. The features are averaged in float32 under every dtype
    policy. Stochastic depth (drop rate up to 0.2) acts in training only.

    It takes pixels in [0, 1], (batch, size, size, channels), with 1 to 6 channels and at least 32 pixels a side, and gives
    features (batch, 1280); in colour it has 4,049,571 weights. Smaller images are a ModelError.
    """
    as_keras = _as_keras("efficientnet_b0", image_size, channels, 1 / PIXEL_SPREAD)
    return _to_features("efficientnet_b0", as_keras)


def efficientnet_b0_timm(image_size: int, channels: int = 3) -> Any:
    """Build EfficientNet-B0 as timm has it (``efficientnet_b0``), and with it Zoobot, with fresh weights.

    The first layer sees the pixels in [0, 1] as they are: Zoobot takes no mean away. Batch norm's epsilon is 1e-5, not 1e-3,
    and strided convolutions have the same border on both sides, where Keras has a pixel less before an even side. An epsilon
    that is 100 times smaller for pixels that vary 100 times less (in variance) is the same to fresh weights as
    `efficientnet_b0`.

    It takes pixels in [0, 1], (batch, size, size, channels), with 1 to 6 channels and at least 32 pixels a side, and gives
    features (batch, 1280). Smaller images are a ModelError.
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
    """Build EfficientNet-B0 as Keras has it for ImageNet's weights, with fresh weights.

    The first layer sees pixels less ImageNet's mean, divided by its standard deviation; a grey image is shown in all three
    channels. Galaxies vary little on this scale (see `PIXEL_SPREAD`); at 32 pixels most of what the first batch norm sees is
    the step from the border to a sky darker than ImageNet's mean. For fresh weights take `efficientnet_b0`.

    It takes pixels in [0, 1], (batch, size, size, channels), with 1 or 3 channels and at least 32 pixels a side, and gives
    features (batch, 1280). Smaller images and other channels are a ModelError.
    """
    if channels not in (1, len(IMAGENET_MEAN)):
        refuse_bands("efficientnet_b0_imagenet", [f"{channels} channels"])
    as_keras = _as_keras("efficientnet_b0_imagenet", image_size, channels, 1, in_colour=True)
    for layer in as_keras.layers:
        if isinstance(layer, keras.layers.Normalization):
            # Constants, where Keras has weights; its published ones hold the deviation in place of the variance, and a
            # further layer makes up for it (https://github.com/tensorflow/tensorflow/issues/49930).
            layer.input_mean, layer.input_variance = IMAGENET_MEAN, [spread**2 for spread in IMAGENET_SPREAD]
    return _to_features("efficientnet_b0_imagenet", as_keras)


def _as_keras(name: str, image_size: int, channels: int, scale: float, *, in_colour: bool = False) -> Any:
    """Keras' network, pixels times a scale to maps. With `in_colour`, grey is shown three times."""
    if image_size < SMALLEST:
        raise ModelError(f"{name} needs images of {SMALLEST} pixels a side or more, not {image_size}; try small_cnn")
    pixels = keras.Input((image_size, image_size, channels), name="pixels")
    shown = pixels
    if in_colour and channels == 1:
        shown = keras.layers.Concatenate(name="colours")([pixels] * 3)
    shown = keras.layers.Rescaling(255 * scale, name="pixel_scale")(shown)
    return keras.applications.EfficientNetB0(include_top=False, weights=None, input_tensor=shown)


def _to_features(name: str, as_keras: Any) -> Any:
    """Average the maps of a copy that has fast layers."""
    average = keras.layers.GlobalAveragePooling2D(dtype="float32", name="features")
    # Keras' momentum of 0.99 needs some 500 steps until the statistics are the images'; small catalogues have fewer.
    convolutions = with_fast_layers(as_keras, momentum=0.9)
    return keras.Model(convolutions.inputs[0], average(convolutions.output), name=name)
