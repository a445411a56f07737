"""The smallest network: for tests that need one, whichever it is. A step of it takes a third of small_cnn's time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from zooactive.models import GalaxyModel, register_backbone
from zooactive.tree import DecisionTree


def _network(image_size: int, channels: int = 3, *, stages: int) -> Any:
    """Convolution, batch norm and ReLU, once or twice, and a global average: 16 features a stage."""
    import keras

    layers = keras.layers
    pixels = x = keras.Input((image_size, image_size, channels), name="pixels")
    for stage in range(1, stages + 1):
        convolution = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
        x = layers.Conv2D(16 * stages, 5 if stage == 1 else 3, strides=4, **convolution, name=f"stage{stage}_conv")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"stage{stage}_bn")(x)
        x = layers.ReLU(name=f"stage{stage}_relu")(x)
    return keras.Model(pixels, layers.GlobalAveragePooling2D(dtype="float32", name="features")(x), name="tiny")


_BUILDERS = {stages: partial(_network, stages=stages) for stages in (1, 2)}


def tiny_network(stages: int = 1) -> str:
    """Register the network of one stage, or of two, and return its name as a backbone."""
    name = f"tiny{stages}"
    register_backbone(name, _BUILDERS[stages])  # when a test asks: other tests go through all that is registered
    return name


def tiny_model(tree: DecisionTree | str | Path, *, stages: int = 1, image_size: int = 16, **settings: Any) -> GalaxyModel:
    """Return a model of the network, with first weights."""
    return GalaxyModel(tree, backbone=tiny_network(stages), image_size=image_size, **settings)
