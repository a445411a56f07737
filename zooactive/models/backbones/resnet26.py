"""ResNet-26 for galaxies (Zhu et al. 2019, Ap&SS 364, 55, Table 3): wide, pre-activated, shallow.

The text of the paper gives 26.3 million parameters, which does not follow from its Table 3. Without convolution biases
that table has 55,635,840 trainable weights before the classifier at its width k = 2 (26.3 million would need k of about
1.375). This is the table as printed, with k as an argument. The paper's weight decay is left to the optimiser.
"""

from __future__ import annotations

from typing import Any

import keras

from zooactive.foundation.errors import ModelError
from zooactive.models.backbones.fast_layers import FusedBatchNormalization, PointwiseConv2D
from zooactive.models.backbones.standardise import PIXEL_SPREAD

SMALLEST = 16
_STEM = 64
_GROUPS = (64, 128, 256, 512)
_UNITS = 2
_EXPANSION = 4
_DROPOUT = 0.2


def resnet26(image_size: int, channels: int = 3, *, width: float = 2) -> Any:
    """Build ResNet-26 with fresh (He) weights.

    The network has a 6 x 6 stem at full resolution, a 2 x 2 maximum, four groups (conv2 to conv5) of two pre-activated
    bottlenecks, a last batch norm and ReLU, and a global average. The last unit of conv2, conv3 and conv4 halves the image.
    Dropout (keep 0.8) after each 3 x 3 convolution is active only in training. `width` is the paper's k, the factor on each
    group's features.

    The network takes pixels in [0, 1], (batch, size, size, channels), with 1 to 6 channels and at least 16 pixels on a side.
    It returns features (batch, 2048 k). Smaller images raise a ModelError.
    """
    if image_size < SMALLEST:
        raise ModelError(f"resnet26 needs images of {SMALLEST} pixels on a side or more, not {image_size}")
    layers = keras.layers
    pixels = keras.Input((image_size, image_size, channels), name="pixels")
    x = layers.Rescaling(1 / PIXEL_SPREAD, name="pixel_scale")(pixels)
    x = _convolution(x, _STEM, 6, name="stem_conv")
    x = layers.MaxPooling2D(2, name="stem_pool")(x)
    for group, base in enumerate(_GROUPS, start=2):
        for unit in range(1, _UNITS + 1):
            halve = unit == _UNITS and group < len(_GROUPS) + 1
            x = _bottleneck(x, round(base * width), project=unit == 1, halve=halve, name=f"conv{group}_{unit}")
    x = _activation(x, name="last")
    x = layers.GlobalAveragePooling2D(dtype="float32", name="features")(x)
    return keras.Model(pixels, x, name="resnet26")


def _bottleneck(x: Any, features: int, *, project: bool, halve: bool, name: str) -> Any:
    """Apply batch norm, ReLU and convolution three times (1 x 1, 3 x 3, 1 x 1), and add the shortcut."""
    layers = keras.layers
    stride = 2 if halve else 1
    activated = _activation(x, name=f"{name}_a")
    shortcut = _convolution(activated, _EXPANSION * features, 1, name=f"{name}_project") if project else x
    if halve:
        shortcut = layers.MaxPooling2D(1, strides=2, name=f"{name}_subsample")(shortcut)
    x = _convolution(activated, features, 1, name=f"{name}_a_conv")
    x = _activation(x, name=f"{name}_b")
    x = _convolution(x, features, 3, stride=stride, name=f"{name}_b_conv")
    x = layers.Dropout(_DROPOUT, name=f"{name}_dropout")(x)
    x = _activation(x, name=f"{name}_c")
    x = _convolution(x, _EXPANSION * features, 1, name=f"{name}_c_conv")
    return layers.Add(name=f"{name}_add")([shortcut, x])


def _activation(x: Any, *, name: str) -> Any:
    return keras.layers.ReLU(name=f"{name}_relu")(FusedBatchNormalization(name=f"{name}_bn")(x))


def _convolution(x: Any, features: int, side: int, *, name: str, stride: int = 1) -> Any:
    kind = PointwiseConv2D if (side, stride) == (1, 1) else keras.layers.Conv2D
    return kind(features, side, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name)(x)
