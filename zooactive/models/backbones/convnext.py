"""ConvNeXt (Liu et al. 2022, CVPR) in the version of timm and Zoobot: pico, nano, tiny, small and base.

The first layer turns each patch of 4 x 4 pixels into one position. Each block filters every channel with 7 x 7 pixels,
normalises the channels at each position, and mixes them in two layers, the first of which is four times as wide. There is no
batch norm.
"""

from __future__ import annotations

from typing import Any

import keras

from zooactive.foundation.errors import ModelError
from zooactive.models.backbones.fast_layers import FastDepthwiseConv2D, FastLayerNormalization, PointwiseConv2D

SMALLEST = 32
SIZES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "pico": ((2, 2, 6, 2), (64, 128, 256, 512)),
    "nano": ((2, 2, 8, 2), (80, 160, 320, 640)),
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
    "small": ((3, 3, 27, 3), (96, 192, 384, 768)),
    "base": ((3, 3, 27, 3), (128, 256, 512, 1024)),
}
"""The number of blocks and features of each stage."""

_PATCH, _FILTER, _EXPANSION = 4, 7, 4
_FIRST_SCALE = 1e-6
"""The initial factor on a block's output: at first the output is almost nothing compared to its input."""


@keras.saving.register_keras_serializable(package="zooactive")
class ChannelScale(keras.layers.Layer):  # type: ignore[misc]
    """A layer with one learnt factor per channel."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the factors."""
        first = keras.initializers.Constant(_FIRST_SCALE)
        self.gamma = self.add_weight(shape=(input_shape[-1],), initializer=first, name="gamma")

    def call(self, inputs: Any) -> Any:
        """Multiply each channel of (batch, y, x, channel) by its factor."""
        return inputs * self.gamma


def convnext(image_size: int, channels: int = 3, *, size: str = "nano") -> Any:
    """Build a ConvNeXt with fresh weights.

    The first layer sees the pixels in [0, 1] unchanged, because Zoobot subtracts no mean. The features are averaged and
    normalised in float32 under every dtype policy.

    The network takes pixels in [0, 1], (batch, size, size, channels), with 1 to 6 channels and at least 32 pixels on a side.
    It returns features (batch, 512 to 1024), as `SIZES` lists. Smaller images raise a ModelError.
    """
    if image_size < SMALLEST:
        raise ModelError(
            f"convnext_{size} needs images of {SMALLEST} pixels on a side or more, not {image_size}; try small_cnn"
        )
    pixels = keras.Input((image_size, image_size, channels), name="pixels")
    x = pixels
    for stage, (blocks, features) in enumerate(zip(*SIZES[size], strict=True), start=1):
        if stage == 1:
            x = _normalise(_convolution(x, features, _PATCH, name="stem_conv"), name="stem_norm")
        else:
            x = _normalise(x, name=f"stage{stage}_down_norm")
            x = _convolution(x, features, 2, name=f"stage{stage}_down_conv")
        for block in range(1, blocks + 1):
            x = _block(x, name=f"stage{stage}_{block}")
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="average")(x)
    # Named as part of the last stage, so that both are trained together in fine-tuning.
    x = keras.layers.LayerNormalization(epsilon=1e-6, dtype="float32", name=f"stage{len(SIZES[size][0])}_last_norm")(x)
    return keras.Model(pixels, x, name=f"convnext_{size}")


def _block(x: Any, *, name: str) -> Any:
    """Filter each channel, normalise each position, mix the channels, and add the input."""
    features, before = x.shape[-1], x
    x = FastDepthwiseConv2D(_FILTER, padding="same", depthwise_initializer=_fresh(), name=f"{name}_dwconv")(x)
    x = _normalise(x, name=f"{name}_norm")
    x = PointwiseConv2D(_EXPANSION * features, 1, kernel_initializer=_fresh(), name=f"{name}_fc1")(x)
    x = keras.layers.Activation("gelu", name=f"{name}_gelu")(x)
    x = PointwiseConv2D(features, 1, kernel_initializer=_fresh(), name=f"{name}_fc2")(x)
    x = ChannelScale(name=f"{name}_scale")(x)
    return keras.layers.Add(name=f"{name}_add")([x, before])


def _normalise(x: Any, *, name: str) -> Any:
    return FastLayerNormalization(epsilon=1e-6, name=name)(x)


def _convolution(x: Any, features: int, side: int, *, name: str) -> Any:
    return keras.layers.Conv2D(features, side, strides=side, kernel_initializer=_fresh(), name=name)(x)


def _fresh() -> Any:
    return keras.initializers.TruncatedNormal(stddev=0.02)
