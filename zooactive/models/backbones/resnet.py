"""ResNet-18, -50 and -101 (He et al. 2016, CVPR) in the version of timm and Zoobot.

ResNet-50 and -101 halve the image in the 3 x 3 convolution of a unit; the paper does so in the 1 x 1 convolution before it.
Borders are the same on both sides of an image. The ResNet-26 of Zhu et al. is another network, in `resnet26`.
"""

from __future__ import annotations

from typing import Any

import keras

from zooactive.foundation.errors import ModelError
from zooactive.models.backbones.fast_layers import FusedBatchNormalization, PointwiseConv2D

SMALLEST = 32
UNITS: dict[int, tuple[int, ...]] = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""The number of units in each of the four groups, by the number of layers."""

NARROW = 18
"""The only depth whose units have two 3 x 3 convolutions; the units of deeper ones narrow, filter and widen."""

_STEM = 64
_WIDTHS = (64, 128, 256, 512)
_EXPANSION = 4


def resnet(image_size: int, channels: int = 3, *, depth: int = 50) -> Any:
    """Build a ResNet with fresh (He) weights.

    The first layer sees the pixels in [0, 1] unchanged, because Zoobot subtracts no mean. Batch norm's epsilon of 1e-5 is
    small compared to the variance of galaxies. The features are averaged in float32 under every dtype policy.

    The network takes pixels in [0, 1], (batch, size, size, channels), with 1 to 6 channels and at least 32 pixels on a side.
    It returns features (batch, 2048), or (batch, 512) for ResNet-18. Smaller images raise a ModelError.
    """
    if image_size < SMALLEST:
        raise ModelError(
            f"resnet{depth} needs images of {SMALLEST} pixels on a side or more, not {image_size}; try small_cnn"
        )
    layers = keras.layers
    pixels = keras.Input((image_size, image_size, channels), name="pixels")
    x = _activation(_convolution(pixels, _STEM, 7, 2, name="stem_conv"), name="stem")
    # Zeros at the border are never the largest after a ReLU.
    x = layers.MaxPooling2D(3, strides=2, name="stem_pool")(layers.ZeroPadding2D(1, name="stem_pool_pad")(x))
    for group, (units, width) in enumerate(zip(UNITS[depth], _WIDTHS, strict=True), start=1):
        for unit in range(1, units + 1):
            stride = 2 if unit == 1 and group > 1 else 1
            x = _unit(x, width, stride, narrow=depth == NARROW, name=f"layer{group}_{unit}")
    x = layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)
    return keras.Model(pixels, x, name=f"resnet{depth}")


def _unit(x: Any, width: int, stride: int, *, narrow: bool, name: str) -> Any:
    """Apply two or three convolutions, each with its batch norm, and add the shortcut before the last ReLU."""
    before, features = x, width if narrow else _EXPANSION * width
    # The side, the stride and the number of features of each convolution.
    widen = [(1, 1, width), (3, stride, width), (1, 1, features)]
    parts = [(3, stride, width), (3, 1, width)] if narrow else widen
    for number, (side, step, filters) in enumerate(parts, start=1):
        x = _convolution(x, filters, side, step, name=f"{name}_conv{number}")
        x = _normalise(x, name=f"{name}_bn{number}")
        if number < len(parts):
            x = keras.layers.ReLU(name=f"{name}_relu{number}")(x)
    if stride > 1 or before.shape[-1] != features:
        before = _convolution(before, features, 1, stride, name=f"{name}_downsample_conv")
        before = _normalise(before, name=f"{name}_downsample_bn")
    return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_add")([x, before]))


def _activation(x: Any, *, name: str) -> Any:
    return keras.layers.ReLU(name=f"{name}_relu")(_normalise(x, name=f"{name}_bn"))


def _normalise(x: Any, *, name: str) -> Any:
    return FusedBatchNormalization(epsilon=1e-5, momentum=0.9, name=name)(x)


def _convolution(x: Any, features: int, side: int, stride: int, *, name: str) -> Any:
    """Apply a convolution with equal borders of zeros on both sides; Keras has these only at a stride of 1."""
    initial = keras.initializers.VarianceScaling(2.0, mode="fan_out", distribution="truncated_normal")
    if stride > 1 and side > 1:
        x = keras.layers.ZeroPadding2D(side // 2, name=f"{name}_pad")(x)
    padding = "same" if stride == 1 else "valid"
    kind = PointwiseConv2D if (side, stride) == (1, 1) else keras.layers.Conv2D
    return kind(features, side, strides=stride, padding=padding, use_bias=False, kernel_initializer=initial, name=name)(x)
